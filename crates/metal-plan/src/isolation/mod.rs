//! Whether the leaf switches have confirmed where a machine's ports are.
//!
//! Freeing a machine moves its ports back to the PXE network in the same transaction, but the switches follow a moment
//! later, or much later when they are cut off. Until both have reported a configuration that contains the change,
//! whoever is given the machine would be in its last owner's network. So such a machine is not offered: it fails
//! closed. Switches whose agents never tell which configuration is in effect are not waited for.
//!
//! The set of these machines is an index over switches and their statuses, so that a choice need not look at switches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdSet;
use metal_model::id::{MachineId, SwitchId};
use metal_model::switch::{Switch, SwitchStatus};

use crate::Snapshot;

/// Machines with ports of which some switch has not confirmed the VRF.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unconfirmed {
    machines: OrdSet<MachineId>,
}

impl Unconfirmed {
    /// Whether a machine is among them.
    pub fn contains(&self, machine: &str) -> bool {
        self.machines.contains(machine)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// True when all ports are where they are meant to be.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }
}

/// The switches that have not confirmed yet where a machine's ports are.
pub fn missing(snapshot: &Snapshot, machine: &str) -> Vec<SwitchId> {
    let switches = snapshot.index.switches_by_machine.get(machine);
    let switches = switches.filter_map(|id| snapshot.switches.get(id.as_str()));
    switches.filter(|switch| lags(snapshot, switch, machine)).map(|switch| switch.id.clone()).collect()
}

/// The switches on which a machine's ports are not known to be in the network they are meant to be in: those that have
/// not confirmed it, and those that had to isolate a port instead.
pub fn disconnected(snapshot: &Snapshot, machine: &str) -> Vec<SwitchId> {
    let switches = snapshot.index.switches_by_machine.get(machine);
    let switches = switches.filter_map(|id| snapshot.switches.get(id.as_str()));
    let is_faulty = |switch: &Switch| {
        let seen = snapshot.switch_observations.get(switch.id.as_str());
        let ports = switch.connections.get(machine);
        seen.zip(ports).is_some_and(|(seen, ports)| ports.iter().any(|port| seen.faults.contains_key(port)))
    };
    let is_out = |switch: &&Arc<Switch>| lags(snapshot, switch, machine) || is_faulty(switch);
    switches.filter(is_out).map(|switch| switch.id.clone()).collect()
}

fn lags(snapshot: &Snapshot, switch: &Switch, machine: &str) -> bool {
    let Some(status) = snapshot.switch_statuses.get(switch.id.as_str()) else { return false };
    let Some(names) = switch.connections.get(machine) else { return false };
    switch.ports.iter().any(|port| status.lags(port) && names.contains(&port.name))
}

impl Snapshot {
    /// Keeps the set right when a switch changed.
    pub(crate) fn confirm_switch(&mut self, old: Option<&Switch>, new: Option<&Switch>) {
        if let (Some(old), Some(new)) = (old, new)
            && old.connections == new.connections
            && revisions(old).eq(revisions(new))
        {
            return;
        }
        for machine in concerned(old, new) {
            self.confirm(&machine);
        }
    }

    /// Keeps the set right when a switch reported.
    pub(crate) fn confirm_status(&mut self, old: Option<&SwitchStatus>, new: Option<&SwitchStatus>) {
        let told = |status: Option<&SwitchStatus>| {
            status.filter(|status| status.tells_applied).map(|status| status.applied)
        };
        if told(old) == told(new) {
            return;
        }
        let Some(id) = new.or(old).map(|status| &status.id) else { return };
        let Some(switch) = self.switches.get(id.as_str()).cloned() else { return };
        for machine in switch.connections.keys() {
            self.confirm(machine);
        }
    }

    fn confirm(&mut self, machine: &MachineId) {
        let is_missing = !missing(self, machine.as_str()).is_empty();
        if is_missing == self.index.unconfirmed.contains(machine.as_str()) {
            return;
        }
        if is_missing {
            self.index.unconfirmed.machines.insert(machine.clone());
        } else {
            self.index.unconfirmed.machines.remove(machine);
        }
        self.placement_isolation_changed(machine);
    }
}

/// Machines that were plugged, unplugged, or moved to another VRF.
fn concerned(old: Option<&Switch>, new: Option<&Switch>) -> BTreeSet<MachineId> {
    let known = |switch: Option<&Switch>| -> BTreeMap<String, u64> {
        let ports = switch.into_iter().flat_map(revisions);
        ports.map(|(name, revision)| (name.to_owned(), revision)).collect()
    };
    let (before, after) = (known(old), known(new));
    let cables = |switch: Option<&Switch>, machine: &MachineId| {
        switch.and_then(|switch| switch.connections.get(machine)).cloned()
    };
    let is_concerned = |(machine, names): &(&MachineId, &Vec<String>)| {
        names.iter().any(|name| before.get(name) != after.get(name))
            || cables(old, machine) != cables(new, machine)
    };
    let machines = old.into_iter().chain(new).flat_map(|switch| &switch.connections);
    machines.filter(is_concerned).map(|(machine, _)| machine.clone()).collect()
}

fn revisions(switch: &Switch) -> impl Iterator<Item = (&str, u64)> {
    switch.ports.iter().map(|port| (port.name.as_str(), port.vrf_since))
}

#[cfg(test)]
mod tests;
