//! Projects.

use metal_model::project::Project;
use metal_model::v1::operation as op;
use metal_plan::project;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_PROJECTS, list)
        .on(&op::CREATE_PROJECT, create)
        .on(&op::UPDATE_PROJECT, update)
        .on(&op::FIND_PROJECTS, find)
        .on(&op::FIND_PROJECT, get)
        .on(&op::DELETE_PROJECT, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        snapshot.projects.iter().map(|p| project::response(snapshot, p)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    call.look(|snapshot| {
        let found = project::find(snapshot, &query)?;
        found.iter().map(|p| project::response(snapshot, p)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| project::get_response(snapshot, snapshot.find::<Project>(call.id())?)).await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = project::create(tx, env, &request)?;
        project::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = project::update(tx, env, &request)?;
        project::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = project::delete(tx, env, &id)?;
        project::response(tx.state(), &gone)
    })
    .await
}
