//! Moving all machines of a switch to another one in the same rack.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_model::switch::{Switch, SwitchMode};
use metal_model::v1;

use super::port_name::Translation;
use super::rewire::{Rewiring, rewire};
use crate::{Env, Error, Tx};

/// Moves connections and VRFs, and answers the new switch. The old one is left without machines, its ports in the PXE
/// network.
pub fn migrate(tx: &mut Tx, env: &mut Env, req: &v1::SwitchMigrateRequest) -> Result<Arc<Switch>, Error> {
    if req.old_switch_id.is_empty() {
        return Err(Error::invalid("old_switch_id", "old_switch_id must not be empty"));
    }
    if req.new_switch_id.is_empty() {
        return Err(Error::invalid("new_switch_id", "new_switch_id must not be empty"));
    }
    let old = tx.state().find::<Switch>(&req.old_switch_id)?.clone();
    let new = tx.state().find::<Switch>(&req.new_switch_id)?.clone();
    refuse(&old, &new)?;

    let there = Translation::between(&old, &new)?;
    let mut target = Switch::clone(&new);
    for port in old.ports.iter().filter(|port| !port.vrf.is_empty()) {
        let name = there.name(&port.name)?;
        find_port(&mut target, &old, &name)?.assign(&port.vrf, env.revision);
    }
    for (machine, names) in &old.connections {
        let names = names.iter().map(|name| there.name(name)).collect::<Result<Vec<_>, _>>()?;
        for name in &names {
            find_port(&mut target, &old, name)?;
        }
        target.connections.insert(machine.clone(), names);
    }
    target.mode = SwitchMode::Operational;
    target.changed = env.now;
    let target = tx.put(target);

    let mut source = Switch::clone(&old);
    source.connections = BTreeMap::new();
    source.ports.iter_mut().for_each(|port| port.assign("", env.revision));
    source.changed = env.now;
    tx.put(source);

    let back = Translation::between(&target, &old)?;
    rewire(tx, env, &Rewiring { from: &old, to: &target, back: &back })?;
    Ok(target)
}

fn refuse(old: &Switch, new: &Switch) -> Result<(), Error> {
    let (from, to) = (&old.id, &new.id);
    let fault = if from == to {
        format!("new_switch_id must not be old_switch_id {from}")
    } else if old.partition != new.partition {
        format!(
            "new_switch_id: switch {to} is in partition {:?}, {from} in {:?}",
            new.partition, old.partition
        )
    } else if old.rack != new.rack {
        format!("new_switch_id: switch {to} is in rack {:?}, {from} in {:?}", new.rack, old.rack)
    } else if !new.connections.is_empty() {
        format!("new_switch_id: switch {to} already has connections to {} machines", new.connections.len())
    } else {
        return Ok(());
    };
    Err(Error::invalid("new_switch_id", fault))
}

fn find_port<'a>(
    target: &'a mut Switch,
    old: &Switch,
    name: &str,
) -> Result<&'a mut metal_model::switch::SwitchPort, Error> {
    let id = target.id.clone();
    target.ports.iter_mut().find(|port| port.name == name).ok_or_else(|| {
        Error::refused(format!(
            "switch {id} has no port {name} which switch {} uses; check the breakout configuration",
            old.id
        ))
    })
}
