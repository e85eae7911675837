//! What switches report after each attempt to do what they were told.

use metal_model::switch::{PortState, Switch, SwitchObservation, SwitchPort, SwitchStatus, SwitchSync};
use metal_model::v1;

use super::view::sync;
use crate::{Env, Error, Tx};

/// What only newer agents tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agent {
    /// The generation in effect; 0 when none is known to be.
    pub generation: u64,
    /// What the switch sees. Whose it is does not matter here.
    pub seen: SwitchObservation,
}

/// Takes a report. The switch's record is written only when a port changed.
pub fn notify(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::SwitchNotifyRequest,
) -> Result<v1::SwitchNotifyResponse, Error> {
    notify_agent(tx, env, id, req, None)
}

/// Takes a report, and what newer agents tell besides.
pub fn notify_agent(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::SwitchNotifyRequest,
    agent: Option<&Agent>,
) -> Result<v1::SwitchNotifyResponse, Error> {
    let switch = tx.state().find::<Switch>(id)?.clone();
    let known = tx.state().switch_statuses.get(id);
    let mut status = known.map(|status| SwitchStatus::clone(status)).unwrap_or_default();
    status.id = switch.id.clone();
    if let Some(agent) = agent {
        apply(&mut status, env, req, agent.generation);
        see(tx, &switch, &agent.seen);
    }
    let attempt = SwitchSync { time: env.now, duration: req.sync_duration, error: req.error.clone() };
    if req.error.is_none() {
        status.last_sync = Some(attempt);
    } else {
        status.last_sync_error = Some(attempt);
    }
    let status = tx.put(status);

    let tells_sessions = agent.is_some_and(|agent| !agent.seen.sessions.is_empty());
    let mut reported = Switch::clone(&switch);
    for port in &mut reported.ports {
        take_states(port, req);
        if tells_sessions {
            port.bgp = None;
        }
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

/// Machines are offered by what is in effect, so nothing is believed that cannot be: an attempt that failed confirms
/// nothing new, and no switch has what was never sent. Such a number is of another control plane.
fn apply(status: &mut SwitchStatus, env: &Env, req: &v1::SwitchNotifyRequest, generation: u64) {
    let is_possible = env.revision == 0 || generation <= env.revision;
    let generation = if is_possible { generation } else { 0 };
    status.applied = if req.error.is_none() { generation } else { generation.min(status.applied) };
    status.tells_applied |= generation > 0;
}

fn see(tx: &mut Tx, switch: &Switch, seen: &SwitchObservation) {
    let seen = SwitchObservation { id: switch.id.clone(), ..seen.clone() };
    let known = tx.state().switch_observations.get(switch.id.as_str());
    let is_news = known.map_or_else(
        || seen != SwitchObservation { id: switch.id.clone(), ..SwitchObservation::default() },
        |known| **known != seen,
    );
    if is_news {
        tx.put(seen);
    }
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
