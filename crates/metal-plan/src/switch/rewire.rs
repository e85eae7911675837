//! What machines see on their cables after a switch was replaced or its machines moved to another one.

use std::sync::Arc;

use metal_model::machine::Machine;
use metal_model::switch::{Switch, SwitchPort};
use metal_model::v1::{MachineHardware, MachineNic};

use super::port_name::Translation;
use crate::{Env, Error, Tx};

/// Machines of `to` were connected to `from`; `back` translates port names of `to` to those of `from`.
pub(super) struct Rewiring<'a> {
    pub from: &'a Switch,
    pub to: &'a Switch,
    pub back: &'a Translation,
}

/// Rewrites the neighbours in the machines' inventories, so that they show the ports of the new switch until the
/// machines register again.
pub(super) fn rewire(tx: &mut Tx, env: &Env, cables: &Rewiring<'_>) -> Result<(), Error> {
    for (machine, names) in &cables.to.connections {
        let Some(known) = tx.state().machines.get(machine.as_str()).cloned() else { continue };
        let mut hardware = MachineHardware::clone(&known.hardware);
        for name in names {
            let Some(new) = cables.to.ports.iter().find(|port| port.name == *name) else { continue };
            let old_name = cables.back.name(name)?;
            let Some(old) = cables.from.ports.iter().find(|port| port.name == old_name) else { continue };
            replug(&mut hardware, old, new);
        }
        if hardware != *known.hardware {
            tx.put(Machine { hardware: Arc::new(hardware), changed: env.now, ..Machine::clone(&known) });
        }
    }
    Ok(())
}

/// Both leaves of a rack may use the same identifiers. Then the MAC address decides, and when even that leaves several
/// the entry stays as it is.
fn replug(hardware: &mut MachineHardware, old: &SwitchPort, new: &SwitchPort) {
    let is_old = |seen: &MachineNic| {
        let identity = if seen.identifier.is_empty() { &seen.mac } else { &seen.identifier };
        identity == old.identity()
    };
    let mut seen: Vec<&mut MachineNic> =
        hardware.nics.iter_mut().flat_map(|nic| &mut nic.neighbors).filter(|seen| is_old(seen)).collect();
    if seen.len() > 1 {
        seen.retain(|seen| seen.mac == old.mac);
    }
    if let [seen] = seen.as_mut_slice() {
        seen.mac.clone_from(&new.mac);
        seen.name.clone_from(&new.name);
        seen.identifier.clone_from(&new.identifier);
    }
}
