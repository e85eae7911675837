//! Tenants.

use metal_model::project::Tenant;
use metal_model::v1::operation as op;
use metal_plan::tenant;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_TENANTS, list)
        .on(&op::CREATE_TENANT, create)
        .on(&op::UPDATE_TENANT, update)
        .on(&op::FIND_TENANTS, find)
        .on(&op::GET_TENANT, get)
        .on(&op::DELETE_TENANT, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        snapshot.tenants.iter().map(|p| tenant::response(snapshot, p)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    call.look(|snapshot| {
        let found = tenant::find(snapshot, &query)?;
        found.iter().map(|p| tenant::response(snapshot, p)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| tenant::response(snapshot, snapshot.find::<Tenant>(call.id())?)).await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = tenant::create(tx, env, &request)?;
        tenant::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = tenant::update(tx, env, &request)?;
        tenant::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = tenant::delete(tx, env, &id)?;
        tenant::response(tx.state(), &gone)
    })
    .await
}
