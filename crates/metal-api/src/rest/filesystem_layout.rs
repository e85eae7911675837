//! Filesystem layouts.

use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::v1::operation as op;
use metal_plan::filesystem_layout;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_FILESYSTEM_LAYOUTS, list)
        .on(&op::CREATE_FILESYSTEM_LAYOUT, create)
        .on(&op::UPDATE_FILESYSTEM_LAYOUT, update)
        .on(&op::MATCH_FILESYSTEM_LAYOUT, matches)
        .on(&op::TRY_FILESYSTEM_LAYOUT, try_)
        .on(&op::GET_FILESYSTEM_LAYOUT, get)
        .on(&op::DELETE_FILESYSTEM_LAYOUT, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let all = published.state.filesystem_layouts.iter().cloned().collect();
    Ok(call.list(published, all, |_, one| filesystem_layout::list_response(one)))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| filesystem_layout::response(snapshot, snapshot.find::<FilesystemLayout>(call.id())?))
        .await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = filesystem_layout::create(tx, env, &request)?;
        filesystem_layout::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = filesystem_layout::update(tx, env, &request)?;
        filesystem_layout::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = filesystem_layout::delete(tx, env, &id)?;
        filesystem_layout::response(tx.state(), &gone)
    })
    .await
}

async fn matches(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.look(|snapshot| {
        filesystem_layout::response(snapshot, &*filesystem_layout::matches(snapshot, &request)?)
    })
    .await
}

async fn try_(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.look(|snapshot| {
        filesystem_layout::response(snapshot, &*filesystem_layout::try_(snapshot, &request)?)
    })
    .await
}
