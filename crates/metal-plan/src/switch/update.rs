//! What operators change of a switch: description, mode, ports, and whether it exists.

use std::sync::Arc;

use metal_model::switch::{PortState, Switch, SwitchMode, SwitchObservation, SwitchStatus};
use metal_model::v1;

use crate::{Env, Error, Tx};

/// Changes description, console command and mode. An absent console command is an empty one; any mode but `replace`
/// means operational. Clients send stale values in all other fields, which are not looked at.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::SwitchUpdateRequest) -> Result<Arc<Switch>, Error> {
    let now = env.now;
    tx.modify::<Switch>(&req.id, |switch| {
        if let Some(description) = &req.description {
            switch.description.clone_from(description);
        }
        switch.console_command = req.console_command.clone().unwrap_or_default();
        switch.mode = match req.mode.as_deref() {
            Some("replace") => SwitchMode::Replace,
            _ => SwitchMode::Operational,
        };
        switch.changed = now;
    })
}

/// Removes a switch and what it reported. Machines on it are left without their connections only by force.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str, force: bool) -> Result<Arc<Switch>, Error> {
    let switch = tx.state().find::<Switch>(id)?.clone();
    if !force && !switch.connections.is_empty() {
        return Err(Error::invalid(
            "force",
            format!(
                "cannot delete switch {id} while {} machines are connected to it; force deletes it nevertheless",
                switch.connections.len()
            ),
        ));
    }
    tx.delete::<Switch>(id);
    tx.delete::<SwitchStatus>(id);
    tx.delete::<SwitchObservation>(id);
    Ok(switch)
}

/// Switches a port on or off. The wish is remembered as desired until the switch reports it reached.
pub fn toggle(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::SwitchPortToggleRequest,
) -> Result<Arc<Switch>, Error> {
    let wanted = match PortState::parse(&req.status) {
        Some(state @ (PortState::Up | PortState::Down)) => state,
        Some(PortState::Unknown) | None => {
            return Err(Error::invalid("status", format!("status must be UP or DOWN, not {:?}", req.status)));
        }
    };
    let mut switch = Switch::clone(tx.state().find::<Switch>(id)?);
    let Some(port) = switch.ports.iter_mut().find(|port| port.name.eq_ignore_ascii_case(&req.nic)) else {
        return Err(Error::not_found("nic", format!("{} of switch {id}", req.nic)));
    };
    if !switch.connections.values().any(|names| names.contains(&port.name)) {
        return Err(Error::invalid(
            "nic",
            format!("nic {} of switch {id} has no machine connected to it", port.name),
        ));
    }
    port.admin = Some(wanted);
    port.desired = (port.actual != Some(wanted)).then_some(wanted);
    switch.changed = env.now;
    Ok(tx.put(switch))
}
