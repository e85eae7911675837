//! Cables between machines and switches, as LLDP shows them.
//!
//! A machine hangs on exactly two leaves of one rack, with as many cables and on the same ports of both. Whatever else
//! the machine sees is a cabling fault, and refused: a machine with a wrong cable would be offered with half its
//! network, or in somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metal_model::id::{MachineId, PartitionId, RackId, SwitchId};
use metal_model::switch::Switch;

use super::port_name::Translation;
use crate::{Env, Error, Snapshot, Tx};

/// What an interface of a machine sees on the other end of its cable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbor {
    /// Name of the switch.
    pub hostname: String,
    /// MAC address of the port.
    pub mac: String,
    /// Name of the port.
    pub name: String,
    /// Identifier of the port; the MAC address counts when empty.
    pub identifier: String,
}

impl Neighbor {
    fn identity(&self) -> &str {
        if self.identifier.is_empty() { &self.mac } else { &self.identifier }
    }
}

/// An interface of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nic {
    /// MAC address.
    pub mac: String,
    /// Interface name.
    pub name: String,
    /// Identifier.
    pub identifier: String,
    /// What it sees.
    pub neighbors: Vec<Neighbor>,
}

/// Finds the two switches a machine is connected to, checks the cabling, stores the connections, and answers the rack.
pub fn connect(
    tx: &mut Tx,
    env: &mut Env,
    machine: &MachineId,
    partition: &PartitionId,
    nics: &[Nic],
) -> Result<RackId, Error> {
    let seen = physical(tx.state(), partition, nics);
    refuse_moved(tx.state(), machine, &seen)?;
    let [(left, left_ports), (right, right_ports)] = seen.as_slice() else {
        return Err(Error::refused(format!(
            "machine {machine} must be connected to exactly two switches of partition {partition}, LLDP shows {}: [{}]",
            seen.len(),
            seen.iter().map(|(switch, _)| switch.id.as_str()).collect::<Vec<_>>().join(", ")
        )));
    };
    if left_ports.len() != right_ports.len() {
        return Err(Error::refused(format!(
            "machine {machine} has {} connections to switch {} but {} to switch {}",
            left_ports.len(),
            left.id,
            right_ports.len(),
            right.id
        )));
    }
    if left.rack != right.rack {
        return Err(Error::refused(format!(
            "machine {machine} is connected to switches of different racks: {} in {:?}, {} in {:?}",
            left.id, left.rack, right.id, right.rack
        )));
    }
    refuse_shared_ports(machine, left, left_ports)?;
    refuse_shared_ports(machine, right, right_ports)?;
    refuse_unmirrored(machine, (left, left_ports), (right, right_ports))?;
    let rack = left.rack.clone();
    for (switch, ports) in seen {
        store(tx, env, &switch, machine, ports);
    }
    Ok(rack)
}

/// Room of the switches a machine is connected to; empty when they did not tell.
pub fn room(snapshot: &Snapshot, machine: &MachineId) -> String {
    let switches = snapshot.index.switches_by_machine.get(machine);
    let rooms = switches.filter_map(|id| snapshot.switches.get(id.as_str()));
    rooms.map(|switch| switch.room.clone()).find(|room| !room.is_empty()).unwrap_or_default()
}

/// Switches of the partition with the names of their ports that the machine sees, in the switches' port order.
fn physical(snapshot: &Snapshot, partition: &PartitionId, nics: &[Nic]) -> Vec<(Arc<Switch>, Vec<String>)> {
    let mut by_identity: BTreeMap<&str, Vec<&Neighbor>> = BTreeMap::new();
    for neighbor in nics.iter().flat_map(|nic| &nic.neighbors) {
        if !neighbor.identity().is_empty() {
            by_identity.entry(neighbor.identity()).or_default().push(neighbor);
        }
    }
    let hosts: BTreeSet<&str> =
        nics.iter().flat_map(|nic| &nic.neighbors).map(|neighbor| neighbor.hostname.as_str()).collect();
    let switches = snapshot.index.switches_by_partition.get(partition.as_str());
    switches
        .filter_map(|id| snapshot.switches.get(id.as_str()))
        .filter(|switch| switch.name.is_empty() || hosts.contains(switch.name.as_str()))
        .filter_map(|switch| {
            let is_seen = |neighbor: &&Neighbor| switch.name.is_empty() || neighbor.hostname == switch.name;
            let ports: Vec<String> = switch
                .ports
                .iter()
                .filter(|port| by_identity.get(port.identity()).is_some_and(|seen| seen.iter().any(is_seen)))
                .map(|port| port.name.clone())
                .collect();
            (!ports.is_empty()).then(|| (switch.clone(), ports))
        })
        .collect()
}

fn refuse_moved(
    snapshot: &Snapshot,
    machine: &MachineId,
    seen: &[(Arc<Switch>, Vec<String>)],
) -> Result<(), Error> {
    let lost = snapshot
        .index
        .switches_by_machine
        .get(machine.as_str())
        .find(|id| seen.iter().all(|(switch, _)| switch.id != **id));
    match lost {
        Some(switch) => Err(Error::refused(format!(
            "machine {machine} is known to be connected to switch {switch} but LLDP does not show it; if the machine was moved, delete it first"
        ))),
        None => Ok(()),
    }
}

fn refuse_shared_ports(machine: &MachineId, switch: &Switch, ports: &[String]) -> Result<(), Error> {
    for (other, taken) in &switch.connections {
        let shared = taken.iter().find(|port| ports.contains(port));
        if let (true, Some(port)) = (other != machine, shared) {
            return Err(Error::refused(format!(
                "port {port} of switch {} is connected to machine {machine} and to machine {other}",
                switch.id
            )));
        }
    }
    Ok(())
}

fn refuse_unmirrored(
    machine: &MachineId,
    (left, left_ports): (&Switch, &Vec<String>),
    (right, right_ports): (&Switch, &Vec<String>),
) -> Result<(), Error> {
    let translation = Translation::between(left, right)?;
    for port in left_ports {
        let mirrored = translation.name(port)?;
        if !right_ports.contains(&mirrored) {
            return Err(Error::refused(format!(
                "machine {machine} is connected to port {port} of switch {} but not to port {mirrored} of switch {}",
                left.id, right.id
            )));
        }
    }
    Ok(())
}

/// Ports the machine leaves fall back to the PXE network, or the next machine there would boot into a tenant's.
fn store(tx: &mut Tx, env: &Env, switch: &Switch, machine: &MachineId, ports: Vec<String>) {
    let before = switch.connections.get(machine);
    if before == Some(&ports) {
        return;
    }
    let mut switch = switch.clone();
    for port in &mut switch.ports {
        let was_connected = before.is_some_and(|before| before.contains(&port.name));
        if was_connected && !ports.contains(&port.name) {
            port.assign("", env.revision);
        }
    }
    switch.connections.insert(machine.clone(), ports);
    switch.changed = env.now;
    tx.put(switch);
}

/// Forgets all cables of a machine; its ports fall back to the PXE network. Answers the switches it was connected to.
pub fn disconnect(tx: &mut Tx, env: &mut Env, machine: &str) -> Vec<SwitchId> {
    set_vrf(tx, env, machine, "");
    let switches: Vec<SwitchId> = tx.state().index.switches_by_machine.get(machine).cloned().collect();
    for id in &switches {
        let Some(switch) = tx.state().switches.get(id.as_str()) else { continue };
        let mut switch = Switch::clone(switch);
        switch.connections.remove(machine);
        switch.changed = env.now;
        tx.put(switch);
    }
    switches
}

/// Puts all ports of a machine into a VRF: `vrf<N>` of a tenant, `default` for firewalls, empty for the PXE network.
/// Answers how many ports it has.
pub fn set_vrf(tx: &mut Tx, env: &Env, machine: &str, vrf: &str) -> usize {
    let switches: Vec<SwitchId> = tx.state().index.switches_by_machine.get(machine).cloned().collect();
    let mut count = 0;
    for id in &switches {
        let Some(switch) = tx.state().switches.get(id.as_str()) else { continue };
        let Some(names) = switch.connections.get(machine) else { continue };
        count += names.len();
        let is_there =
            |port: &metal_model::switch::SwitchPort| port.vrf == vrf || !names.contains(&port.name);
        if switch.ports.iter().all(is_there) {
            continue;
        }
        let mut changed = Switch::clone(switch);
        for port in changed.ports.iter_mut().filter(|port| names.contains(&port.name)) {
            port.assign(vrf, env.revision);
        }
        tx.put(changed);
    }
    count
}
