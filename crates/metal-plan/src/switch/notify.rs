//! What switches report after each attempt to do what they were told.

use metal_model::switch::{PortState, Switch, SwitchPort, SwitchStatus, SwitchSync};
use metal_model::v1;

use super::view::sync;
use crate::{Env, Error, Tx};

/// Takes a report. The switch's record is written only when a port changed.
pub fn notify(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::SwitchNotifyRequest,
) -> Result<v1::SwitchNotifyResponse, Error> {
    notify_applied(tx, env, id, req, None)
}

/// Takes a report of an agent that also tells which generation of its desired configuration it applied.
pub fn notify_applied(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::SwitchNotifyRequest,
    applied: Option<u64>,
) -> Result<v1::SwitchNotifyResponse, Error> {
    let switch = tx.state().find::<Switch>(id)?.clone();
    let known = tx.state().switch_statuses.get(id);
    let mut status = known.map(|status| SwitchStatus::clone(status)).unwrap_or_default();
    status.id = switch.id.clone();
    let attempt = SwitchSync { time: env.now, duration: req.sync_duration, error: req.error.clone() };
    if req.error.is_none() {
        status.last_sync = Some(attempt);
        status.applied = applied.unwrap_or(status.applied);
    } else {
        status.last_sync_error = Some(attempt);
    }
    let status = tx.put(status);

    let mut reported = Switch::clone(&switch);
    for port in &mut reported.ports {
        take_states(port, req);
    }
    if reported.ports != switch.ports {
        reported.changed = env.now;
        tx.put(reported);
    }
    Ok(v1::SwitchNotifyResponse {
        id: switch.id.to_string(),
        name: switch.name.clone(),
        description: switch.description.clone(),
        last_sync: status.last_sync.as_ref().map(sync),
        last_sync_error: status.last_sync_error.as_ref().map(sync),
    })
}

/// Ports that are not mentioned keep their state; BGP sessions that are not mentioned are gone, if any are.
fn take_states(port: &mut SwitchPort, req: &v1::SwitchNotifyRequest) {
    if let Some(actual) = req.port_states.get(&port.name).and_then(|state| PortState::parse(state)) {
        port.actual = Some(actual);
        if port.desired == port.actual {
            port.desired = None;
        }
    }
    if !req.bgp_port_states.is_empty() {
        port.bgp = req.bgp_port_states.get(&port.name).cloned();
    }
}
