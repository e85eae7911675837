//! Machines.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::machine::{Machine, Role};
use metal_model::v1::MachineResponse;
use metal_model::v1::operation as op;
use metal_plan::machine::Views;
use metal_plan::{Snapshot, allocation, issue, machine};
use metal_store::Published;
use serde::Serialize;

use super::{Call, Fault, Reply, Routes};
use crate::coalesce::Coalescer;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_MACHINES, list)
        .on(&op::UPDATE_MACHINE, update)
        .on(&op::ALLOCATE_MACHINE, allocate)
        .on(&op::GET_MACHINE_CONSOLE_PASSWORD, console_password)
        .on(&op::FIND_MACHINES, find)
        .on(&op::IPMI_REPORT, ipmi_report)
        .on(&op::LIST_ISSUES, list_issues)
        .on(&op::FIND_MACHINE, get)
        .on(&op::DELETE_MACHINE, delete)
        .on(&op::FIND_IPMI_MACHINES, find_ipmi)
        .on(&op::ISSUES, evaluate_issues)
        .on(&op::UPDATE_FIRMWARE, update_firmware)
        .on(&op::FREE_MACHINE, free)
        .on(&op::FIND_IPMI_MACHINE, get_ipmi)
        .on(&op::REINSTALL_MACHINE, reinstall)
        .on(&op::SET_MACHINE_STATE, set_state)
        .on(&op::MACHINE_BIOS, |call| power(call, PowerCommand::Bios))
        .on(&op::CHASSIS_IDENTIFY_LED_OFF, |call| identify(call, PowerCommand::LedOff))
        .on(&op::CHASSIS_IDENTIFY_LED_ON, |call| identify(call, PowerCommand::LedOn))
        .on(&op::MACHINE_CYCLE, |call| power(call, PowerCommand::Cycle))
        .on(&op::MACHINE_DISK, |call| power(call, PowerCommand::Disk))
        .on(&op::MACHINE_OFF, |call| power(call, PowerCommand::Off))
        .on(&op::MACHINE_ON, |call| power(call, PowerCommand::On))
        .on(&op::MACHINE_PXE, |call| power(call, PowerCommand::Pxe))
        .on(&op::MACHINE_RESET, |call| power(call, PowerCommand::Reset));
}

/// Answers with machines. What they refer to is looked up once for many of them.
pub(super) fn list_of<R: Serialize>(
    call: &Call,
    published: Arc<Published<Snapshot>>,
    machines: Vec<Arc<Machine>>,
    view: impl Fn(&mut Views, &Machine) -> R + Send + 'static,
) -> Reply {
    let each = move |snapshot: &Snapshot, some: &[Arc<Machine>]| {
        let mut views = Views::new(snapshot);
        some.iter().map(|machine| view(&mut views, machine)).collect()
    };
    Reply::list(&call.app.edges, published, machines, each)
}

/// With the last sign of life, which may not be stored yet.
pub(super) fn fresh(touches: &Coalescer, mut answer: MachineResponse) -> MachineResponse {
    touches.refresh(&answer.id, &mut answer.events);
    answer
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let machines = published.state.machines.iter().cloned().collect();
    let touches = Arc::clone(&call.app.agents.touches);
    Ok(list_of(&call, published, machines, move |views, machine| fresh(&touches, views.machine(machine))))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let machines = machine::find(&published.state, &query)?;
    let touches = Arc::clone(&call.app.agents.touches);
    Ok(list_of(&call, published, machines, move |views, machine| fresh(&touches, views.machine(machine))))
}

async fn find_ipmi(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let machines = machine::find(&published.state, &query)?;
    let touches = Arc::clone(&call.app.agents.touches);
    let view = move |views: &mut Views, machine: &Machine| {
        let mut answer = views.machine_with_bmc(machine);
        touches.refresh(&answer.id, &mut answer.events);
        answer
    };
    Ok(list_of(&call, published, machines, view))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    let touches = &call.app.agents.touches;
    call.look(|snapshot| {
        Ok(fresh(touches, machine::response(snapshot, snapshot.find::<Machine>(call.id())?)?))
    })
    .await
}

async fn get_ipmi(call: Call) -> Result<Reply, Fault> {
    let touches = &call.app.agents.touches;
    call.look(|snapshot| {
        let mut answer = machine::ipmi_response(snapshot, snapshot.find::<Machine>(call.id())?)?;
        touches.refresh(&answer.id, &mut answer.events);
        Ok(answer)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = machine::update(tx, env, &request)?;
        Ok(machine::list_response(tx.state(), &changed))
    })
    .await
}

async fn allocate(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    if call.flag(op::DRY_RUN.name)? {
        let published = call.snapshot().await?;
        let answer = allocation::explain(&published.state, &mut call.env(), &request, Role::Machine);
        return Ok(Reply::json(200, &answer));
    }
    call.change(move |tx, env| {
        let allocated = allocation::allocate_machine(tx, env, &request)?;
        Ok(machine::list_response(tx.state(), &allocated))
    })
    .await
}

async fn free(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let freed = allocation::free(tx, env, &id)?;
        Ok(machine::list_response(tx.state(), &freed))
    })
    .await
}

async fn reinstall(call: Call) -> Result<Reply, Fault> {
    let (id, request) = (call.id().to_owned(), call.read()?);
    call.change(move |tx, env| {
        let changed = allocation::reinstall(tx, env, &id, &request)?;
        Ok(machine::list_response(tx.state(), &changed))
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        // Answered as it was: afterwards its events are gone too.
        let answer = machine::list_response(tx.state(), tx.state().find::<Machine>(&id)?);
        allocation::delete(tx, env, &id)?;
        Ok(answer)
    })
    .await
}

async fn set_state(call: Call) -> Result<Reply, Fault> {
    let (id, request) = (call.id().to_owned(), call.read()?);
    call.change(move |tx, env| {
        let changed = machine::set_state(tx, env, &id, &request)?;
        Ok(machine::list_response(tx.state(), &changed))
    })
    .await
}

async fn power(call: Call, command: PowerCommand) -> Result<Reply, Fault> {
    give(call, command, String::new()).await
}

async fn identify(call: Call, command: PowerCommand) -> Result<Reply, Fault> {
    let description = call.text("description").unwrap_or_default().to_owned();
    give(call, command, description).await
}

async fn give(call: Call, command: PowerCommand, description: String) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let told = machine::power(tx, env, &id, command, &description)?;
        Ok(machine::list_response(tx.state(), &told))
    })
    .await
}

async fn ipmi_report(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| machine::ipmi_report(tx, env, &request)).await
}

async fn console_password(call: Call) -> Result<Reply, Fault> {
    let request: metal_model::v1::MachineConsolePasswordRequest = call.read()?;
    let least = call.app.config.password_reason_min_length;
    let reply = call.look(|snapshot| machine::console_password(snapshot, &request, least)).await?;
    let user = &call.user.caller;
    tracing::info!(
        machine = request.id,
        user = user.email,
        tenant = user.tenant,
        reason = request.reason,
        "console password handed out"
    );
    Ok(reply)
}

async fn list_issues(call: Call) -> Result<Reply, Fault> {
    Ok(call.answer(&issue::catalogue()))
}

async fn evaluate_issues(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    let now = call.env().now;
    call.look(|snapshot| issue::evaluate(snapshot, now, &request)).await
}

async fn update_firmware(call: Call) -> Result<Reply, Fault> {
    let _: metal_model::v1::MachineUpdateFirmwareRequest = call.read()?;
    Err(super::firmware::not_configured())
}
