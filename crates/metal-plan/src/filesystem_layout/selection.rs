//! Which layout an allocation gets, and whether the hardware can hold it.

use std::borrow::Cow;
use std::sync::Arc;

use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::image::Image;
use metal_model::machine::Machine;
use metal_model::size::Size;
use metal_model::v1::{self, FilesystemLayoutResponse};

use crate::version::Expression;
use crate::{Error, Snapshot, image};

/// Bytes of a MiB.
const MEBIBYTE: u64 = 1 << 20;

/// The layout a size and an image would get. Both ids are taken literally.
pub fn try_(
    snapshot: &Snapshot,
    req: &v1::FilesystemLayoutTryRequest,
) -> Result<Arc<FilesystemLayout>, Error> {
    snapshot.find::<Size>(&req.size)?;
    snapshot.find::<Image>(&req.image)?;
    select(snapshot, &req.size, &req.image)
}

/// The layout, if the machine's disks can hold it.
pub fn matches(
    snapshot: &Snapshot,
    req: &v1::FilesystemLayoutMatchRequest,
) -> Result<Arc<FilesystemLayout>, Error> {
    let layout = snapshot.find::<FilesystemLayout>(&req.filesystemlayout)?;
    let machine = snapshot.find::<Machine>(&req.machine)?;
    fits(&layout.layout, &machine.hardware)?;
    Ok(layout.clone())
}

/// The first layout for a size and an image id; 422 when there is none.
pub(crate) fn select(snapshot: &Snapshot, size: &str, image: &str) -> Result<Arc<FilesystemLayout>, Error> {
    let (os, version) = image::split_id(image).map_err(|error| Error::refused(error.message))?;
    let accepts = |layout: &FilesystemLayoutResponse| {
        layout.constraints.sizes.iter().any(|id| id == size)
            && layout
                .constraints
                .images
                .get(os)
                .and_then(|text| Expression::parse(text).ok())
                .is_some_and(|expression| expression.accepts(&version))
    };
    snapshot.filesystem_layouts.iter().find(|layout| accepts(&layout.layout)).cloned().ok_or_else(|| {
        Error::refused(format!(
            "no filesystem layout is for size {size:?} and image {image:?}; create one or name one by filesystemlayoutid"
        ))
    })
}

/// Refuses (422) a layout with a disk the machine does not have or that is too small.
pub(crate) fn fits(layout: &FilesystemLayoutResponse, hardware: &v1::MachineHardware) -> Result<(), Error> {
    for disk in &layout.disks {
        let found = hardware.disks.iter().find(|have| path(&have.name) == disk.device.as_str());
        let Some(have) = found else {
            return Err(Error::refused(format!(
                "filesystem layout {:?} needs disk {:?}, which the machine does not have",
                layout.id, disk.device
            )));
        };
        let needed = disk.partitions.iter().map(|partition| partition.size).fold(0, u64::saturating_add);
        let there = have.size / MEBIBYTE;
        if there < needed {
            return Err(Error::refused(format!(
                "filesystem layout {:?} needs {needed} MiB on {:?}, the machine has {there} MiB",
                layout.id, disk.device
            )));
        }
    }
    Ok(())
}

/// Hardware reports disks with or without their directory.
fn path(name: &str) -> Cow<'_, str> {
    if name.starts_with("/dev/") { Cow::Borrowed(name) } else { Cow::Owned(format!("/dev/{name}")) }
}

/// Can a machine be installed anew without losing all of its data? Only when some disk may be wiped.
pub(crate) fn is_reinstallable(layout: &FilesystemLayoutResponse) -> bool {
    layout.disks.iter().any(|disk| disk.wipeonreinstall)
}
