//! Whether the leaf switches have confirmed where a machine's ports are.
//!
//! Freeing a machine moves its ports back to the PXE network in the same transaction, but the switches follow a moment
//! later, or much later when they are cut off. Until both have reported a configuration that contains the change,
//! whoever is given the machine would be in its last owner's network. So such a machine is not offered: it fails
//! closed. Switches whose agents never tell which configuration is in effect are not waited for.
//!
//! The set of these machines is an index over switches and their statuses, so that a choice need not look at switches.

use std::collections::BTreeSet;
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
        let of = |switch: Option<&Switch>| -> BTreeSet<MachineId> {
            switch.into_iter().flat_map(|switch| switch.connections.keys().cloned()).collect()
        };
        for machine in &(&of(old) | &of(new)) {
            self.confirm(machine);
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

fn revisions(switch: &Switch) -> impl Iterator<Item = (&str, u64)> {
    switch.ports.iter().map(|port| (port.name.as_str(), port.vrf_since))
}

#[cfg(test)]
mod tests {
    use metal_model::event_log::Liveliness;
    use metal_model::v1::SwitchNotifyRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::allocation::tests::world::{self, PARTITION, SIZE, World};
    use crate::allocation::{allocate_machine, explain, free};
    use crate::{issue, placement, switch};

    const LEAF: &str = "leaf-rack-1";

    fn told(generation: u64, error: Option<&str>) -> (SwitchNotifyRequest, switch::Agent) {
        let request =
            SwitchNotifyRequest { error: error.map(str::to_owned), ..SwitchNotifyRequest::default() };
        (request, switch::Agent { generation, ..switch::Agent::default() })
    }

    fn tell(world: &mut World, leaf: &str, generation: u64, error: Option<&str>) {
        let (request, agent) = told(generation, error);
        world.change(|tx, env| switch::notify_agent(tx, env, leaf, &request, Some(&agent)));
    }

    /// A machine that was somebody's, was freed, and waits again. Answers the revision of the free.
    fn freed(world: &mut World) -> u64 {
        world.change(|tx, env| {
            let machine = allocate_machine(tx, env, &world::request("p1"))?;
            switch::set_vrf(tx, env, machine.id.as_str(), "vrf11");
            Ok(())
        });
        let revision = world.revision;
        tell(world, LEAF, revision, None);
        world.change(|tx, env| free(tx, env, "m101"));
        let revision = world.revision;
        world.boot("m101", "rack-1");
        revision
    }

    fn available(world: &World) -> usize {
        world.snapshot.index.placement.available(&PARTITION.into(), &SIZE.into())
    }

    #[test]
    fn a_freed_machine_is_offered_when_its_switch_has_isolated_it() {
        let world = &mut World::with_racks(1, 1);
        let revision = freed(world);
        assert_eq!((missing(&world.snapshot, "m101"), available(world)), (vec![LEAF.into()], 0));
        let issues = |world: &World| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let machines = vec![world.snapshot.machines.get("m101").unwrap().clone()];
            issue::issues_of(&world.snapshot, now, &machines).remove(0)
        };
        assert!(issues(world).contains(&issue::Kind::IsolationUnconfirmed));
        let request = world::request("p2");
        let why = world.attempt(|tx, env| allocate_machine(tx, env, &request)).unwrap_err();
        assert_eq!(why.message, "no machine available");
        let env = &mut world.env();
        let explained = explain(&world.snapshot, env, &request, metal_model::machine::Role::Machine);
        assert_eq!(explained.rejected[0].reason, "isolation not confirmed by its switches");
        let named = metal_model::v1::MachineAllocateRequest { uuid: Some("m101".into()), ..request.clone() };
        let why = world.attempt(|tx, env| allocate_machine(tx, env, &named)).unwrap_err();
        assert!(why.message.contains("switch leaf-rack-1 has not confirmed"), "{}", why.message);

        tell(world, LEAF, revision - 1, None);
        assert_eq!(available(world), 0, "what it has is older");
        let revision_now = world.revision;
        tell(world, LEAF, revision_now, Some("no space left on device"));
        assert_eq!(available(world), 0, "a failed attempt confirms nothing");
        tell(world, LEAF, u64::MAX, None);
        assert_eq!(available(world), 0, "nobody has sent that");
        tell(world, LEAF, revision, None);
        assert_eq!(available(world), 1);
        assert!(!issues(world).contains(&issue::Kind::IsolationUnconfirmed));
        world.change(|tx, env| allocate_machine(tx, env, &request));
    }

    #[test]
    fn nobody_waits_for_agents_that_never_tell() {
        let world = &mut World::with_racks(1, 1);
        world.change(|tx, env| switch::notify(tx, env, LEAF, &SwitchNotifyRequest::default()));
        world.change(|tx, env| {
            let machine = allocate_machine(tx, env, &world::request("p1"))?;
            switch::set_vrf(tx, env, machine.id.as_str(), "vrf11");
            free(tx, env, machine.id.as_str())
        });
        world.boot("m101", "rack-1");
        assert_eq!(available(world), 1);
    }

    #[test]
    fn a_restarted_agent_is_waited_for_until_it_tells_again() {
        let world = &mut World::with_racks(1, 1);
        let revision = freed(world);
        tell(world, LEAF, revision, None);
        assert_eq!(available(world), 1);
        tell(world, LEAF, 0, None);
        assert_eq!(available(world), 0);
        // What the old agent's protocol tells does not count.
        world.change(|tx, env| switch::notify(tx, env, LEAF, &SwitchNotifyRequest::default()));
        assert_eq!(available(world), 0);
        world.change(|tx, env| switch::delete(tx, env, LEAF, true));
        assert_eq!(available(world), 1, "nobody waits for a switch that is given up");
    }

    #[test]
    fn a_vrf_that_was_changed_back_is_told_anew() {
        let world = &mut World::with_racks(1, 1);
        freed(world);
        let desired =
            |world: &World| switch::desired(&world.snapshot, world.snapshot.switches.get(LEAF).unwrap());
        let before = desired(world);
        world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "vrf12")));
        world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "")));
        let after = desired(world);
        assert_eq!(before.ports[0].vrf, after.ports[0].vrf);
        assert_ne!(before, after);
    }

    #[test]
    fn installed_machines_learn_when_they_are_connected() {
        let world = &mut World::with_racks(1, 1);
        freed(world);
        world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "vrf12")));
        let revision = world.revision;
        assert_eq!(disconnected(&world.snapshot, "m101"), [SwitchId::from(LEAF)]);
        let (request, mut agent) = told(revision, None);
        agent.seen.faults.insert("swp-m101".into(), "no such prefix".into());
        world.change(|tx, env| switch::notify_agent(tx, env, LEAF, &request, Some(&agent)));
        assert!(missing(&world.snapshot, "m101").is_empty());
        assert_eq!(disconnected(&world.snapshot, "m101"), [SwitchId::from(LEAF)], "isolated is not connected");
        tell(world, LEAF, revision, None);
        assert!(disconnected(&world.snapshot, "m101").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The index says what looking at all switches says, whatever happened in which order.
        #[test]
        fn the_index_never_drifts(steps in prop::collection::vec((0u8..7, 0usize..4, 0u64..40), 1..40)) {
            let world = &mut World::with_racks(2, 2);
            let ids = ["m101", "m102", "m201", "m202"];
            for (what, which, number) in steps {
                let (id, rack) = (ids[which], which / 2 + 1);
                let leaf = format!("leaf-rack-{rack}");
                let (request, agent) = told(number, None);
                // Refusals are part of it.
                let _ = match what {
                    0 => world.attempt(|tx, env| Ok(drop(switch::set_vrf(tx, env, id, "vrf11")))),
                    1 => world.attempt(|tx, env| Ok(drop(switch::set_vrf(tx, env, id, "")))),
                    2 => world.attempt(|tx, env| free(tx, env, id).map(drop)),
                    3 => Ok(world.boot(id, &format!("rack-{rack}"))),
                    4 => world.attempt(|tx, env| switch::notify_agent(tx, env, &leaf, &request, Some(&agent)).map(drop)),
                    5 => world.attempt(|tx, env| Ok(drop(switch::disconnect(tx, env, id)))),
                    _ => world.attempt(|tx, _| Ok(drop(tx.put(world::log(id, Liveliness::Dead))))),
                };
                let snapshot = &world.snapshot;
                for id in ids {
                    prop_assert_eq!(snapshot.index.unconfirmed.contains(id), !missing(snapshot, id).is_empty());
                }
                let counted = ids.iter().filter(|id| {
                    let log = snapshot.event_logs.get(id).map(AsRef::as_ref);
                    placement::is_available(snapshot, snapshot.machines.get(id).unwrap(), log)
                });
                prop_assert_eq!(available(world), counted.count());
            }
        }
    }
}
