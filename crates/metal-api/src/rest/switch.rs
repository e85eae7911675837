//! Switches.

use std::sync::Arc;

use metal_model::switch::Switch;
use metal_model::v1::operation as op;
use metal_plan::{Snapshot, switch};
use metal_store::Published;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_SWITCHES, list)
        .on(&op::UPDATE_SWITCH, update)
        .on(&op::FIND_SWITCHES, find)
        .on(&op::MIGRATE_SWITCH, migrate)
        .on(&op::REGISTER_SWITCH, register)
        .on(&op::FIND_SWITCH, get)
        .on(&op::DELETE_SWITCH, delete)
        .on(&op::NOTIFY_SWITCH, notify)
        .on(&op::TOGGLE_SWITCH_PORT, toggle);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let all = published.state.switches.iter().cloned().collect();
    Ok(list_of(&call, published, all))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let found = switch::find(&published.state, &query)?;
    Ok(list_of(&call, published, found))
}

/// With the last synchronisations, which may not be stored yet.
fn list_of(call: &Call, published: Arc<Published<Snapshot>>, switches: Vec<Arc<Switch>>) -> Reply {
    let touches = Arc::clone(&call.app.agents.touches);
    call.list(published, switches, move |snapshot, one| {
        let mut answer = switch::list_response(snapshot, one);
        touches.refresh_switch(&mut answer);
        answer
    })
}

async fn get(call: Call) -> Result<Reply, Fault> {
    let touches = &call.app.agents.touches;
    call.look(|snapshot| {
        let mut answer = switch::response(snapshot, snapshot.find::<Switch>(call.id())?)?;
        touches.refresh_switch(&mut answer);
        Ok(answer)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = switch::update(tx, env, &request)?;
        Ok(switch::list_response(tx.state(), &changed))
    })
    .await
}

async fn register(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    let (answer, is_new) = call
        .decide(move |tx, env| {
            let (registered, is_new) = switch::register(tx, env, &request)?;
            Ok((switch::list_response(tx.state(), &registered), is_new))
        })
        .await?;
    Ok(Reply::json(if is_new { 201 } else { 200 }, &answer))
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let (id, force) = (call.id().to_owned(), call.flag("force")?);
    call.change(move |tx, env| {
        let gone = switch::delete(tx, env, &id, force)?;
        Ok(switch::list_response(tx.state(), &gone))
    })
    .await
}

async fn migrate(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = switch::migrate(tx, env, &request)?;
        Ok(switch::list_response(tx.state(), &changed))
    })
    .await
}

async fn notify(call: Call) -> Result<Reply, Fault> {
    let (id, request) = (call.id().to_owned(), call.read()?);
    call.change(move |tx, env| switch::notify(tx, env, &id, &request)).await
}

async fn toggle(call: Call) -> Result<Reply, Fault> {
    let (id, request) = (call.id().to_owned(), call.read()?);
    call.change(move |tx, env| {
        let changed = switch::toggle(tx, env, &id, &request)?;
        Ok(switch::list_response(tx.state(), &changed))
    })
    .await
}
