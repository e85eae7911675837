//! Firewalls: machines allocated as such.

use metal_model::v1::operation as op;
use metal_plan::allocation;
use metal_plan::machine::{self, Views, firewall};

use super::machine::list_of;
use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_FIREWALLS, list)
        .on(&op::ALLOCATE_FIREWALL, allocate)
        .on(&op::FIND_FIREWALLS, find)
        .on(&op::FIND_FIREWALL, get);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let machines = published.state.machines.iter().filter(|m| firewall::is_firewall(m)).cloned().collect();
    Ok(list_of(&call, published, machines, Views::machine))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let machines = firewall::find(&published.state, &query)?;
    Ok(list_of(&call, published, machines, Views::machine))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| machine::response(snapshot, firewall::get(snapshot, call.id())?)).await
}

async fn allocate(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    if call.flag(op::DRY_RUN.name)? {
        let published = call.snapshot().await?;
        let answer = allocation::explain_firewall(&published.state, &mut call.env(), &request);
        return Ok(Reply::json(200, &answer));
    }
    call.change(move |tx, env| {
        let allocated = allocation::allocate_firewall(tx, env, &request)?;
        Ok(machine::list_response(tx.state(), &allocated))
    })
    .await
}
