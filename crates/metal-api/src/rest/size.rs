//! Sizes: classes of hardware.

use metal_model::size::Size;
use metal_model::v1::operation as op;
use metal_plan::size;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_SIZES, list)
        .on(&op::CREATE_SIZE, create)
        .on(&op::UPDATE_SIZE, update)
        .on(&op::SUGGEST, suggest)
        .on(&op::FIND_SIZE, get)
        .on(&op::DELETE_SIZE, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| Ok(snapshot.sizes.iter().map(|s| size::list_response(s)).collect::<Vec<_>>())).await
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| size::response(snapshot, snapshot.find::<Size>(call.id())?)).await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = size::create(tx, env, &request)?;
        size::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = size::update(tx, env, &request)?;
        size::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = size::delete(tx, env, &id)?;
        size::response(tx.state(), &gone)
    })
    .await
}

async fn suggest(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.look(|snapshot| size::suggest(snapshot, &request)).await
}
