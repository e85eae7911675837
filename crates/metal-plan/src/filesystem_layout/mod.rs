//! Filesystem layouts: how disks are partitioned, joined, formatted and mounted, and which allocation gets which.
//!
//! A layout is checked completely when it is stored, so that an installer never meets one it cannot carry out.

mod chain;
mod collision;
mod selection;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::id::FilesystemLayoutId;
use metal_model::v1::{self, FilesystemLayoutResponse};

pub(crate) use selection::{fits, is_reinstallable, select};
pub use selection::{matches, try_};

use crate::{Env, Error, Snapshot, Tx, version};

/// Adds a layout.
pub fn create(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::FilesystemLayoutCreateRequest,
) -> Result<Arc<FilesystemLayout>, Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id of the filesystem layout must not be empty"));
    }
    let req = req.clone();
    let layout = FilesystemLayoutResponse {
        id: req.id,
        name: req.name.unwrap_or_default(),
        description: req.description.unwrap_or_default(),
        filesystems: req.filesystems,
        disks: req.disks,
        raid: req.raid,
        volumegroups: req.volumegroups,
        logicalvolumes: req.logicalvolumes,
        constraints: req.constraints,
    };
    check(tx.state(), &layout)?;
    tx.create(FilesystemLayout {
        id: FilesystemLayoutId::from(&layout.id),
        created: env.now,
        changed: env.now,
        layout: Arc::new(layout),
    })
}

/// Replaces a layout as a whole; allocations keep the copy they were made with.
pub fn update(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::FilesystemLayoutUpdateRequest,
) -> Result<Arc<FilesystemLayout>, Error> {
    let created = tx.state().find::<FilesystemLayout>(&req.id)?.created;
    let req = req.clone();
    let layout = FilesystemLayoutResponse {
        id: req.id,
        name: req.name.unwrap_or_default(),
        description: req.description.unwrap_or_default(),
        filesystems: req.filesystems,
        disks: req.disks,
        raid: req.raid,
        volumegroups: req.volumegroups,
        logicalvolumes: req.logicalvolumes,
        constraints: req.constraints,
    };
    check(tx.state(), &layout)?;
    Ok(tx.put(FilesystemLayout {
        id: FilesystemLayoutId::from(&layout.id),
        created,
        changed: env.now,
        layout: Arc::new(layout),
    }))
}

/// Removes a layout.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<FilesystemLayout>, Error> {
    let layout = tx.state().find::<FilesystemLayout>(id)?.clone();
    tx.delete::<FilesystemLayout>(id);
    Ok(layout)
}

/// The wire form, shared with the document.
pub fn response(
    _snapshot: &Snapshot,
    layout: &FilesystemLayout,
) -> Result<Arc<FilesystemLayoutResponse>, Error> {
    Ok(layout.layout.clone())
}

/// The wire form, shared with the document.
pub fn list_response(layout: &FilesystemLayout) -> Arc<FilesystemLayoutResponse> {
    layout.layout.clone()
}

fn check(snapshot: &Snapshot, layout: &FilesystemLayoutResponse) -> Result<(), Error> {
    chain::check(layout)?;
    version::check_expressions(&layout.constraints.images)?;
    let mut seen = BTreeSet::new();
    for size in &layout.constraints.sizes {
        if size.contains('*') {
            return Err(Error::invalid(
                "sizes",
                format!("{size:?} must name one size; \"*\" is not possible"),
            ));
        }
        if !seen.insert(size) {
            return Err(Error::invalid("sizes", format!("{size:?} is listed twice")));
        }
    }
    collision::check(snapshot, layout)
}
