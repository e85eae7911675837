//! Decisions nobody asked for: what the control plane finds when it looks around, and what it does about it.
//!
//! Each takes the present state, not a memory of what happened, so running twice is running once.

use std::sync::Arc;

use jiff::SignedDuration;
use metal_model::event_log::{EventLog, Liveliness};
use metal_model::id::MachineId;
use metal_model::machine::{Availability, Bmc, Machine};
use metal_model::switch::SwitchStatus;

pub use crate::event::{Judged, liveliness};
use crate::{Env, Error, Snapshot, Tx, allocation};

/// A free machine that is silent for longer is made to boot again.
const DEAD_TOO_LONG: SignedDuration = SignedDuration::from_hours(1);
/// A machine that was told to leave its old system gets this long before it is told again.
const RECLAIM_RETRY: SignedDuration = SignedDuration::from_mins(15);

/// Free machines that ought to boot again: dead for an hour, or still running their last tenant's system.
pub fn resurrectable(snapshot: &Snapshot, env: &Env) -> Vec<MachineId> {
    let is_lost = |machine: &&Arc<Machine>| {
        machine.allocation.is_none()
            && machine.state.value != Availability::Locked
            && snapshot.event_logs.get(machine.id.as_str()).is_some_and(|log| is_lost(log, env))
    };
    snapshot.machines.iter().filter(is_lost).map(|machine| machine.id.clone()).collect()
}

fn is_lost(log: &EventLog, env: &Env) -> bool {
    let Some(heard) = log.last_event_time else { return false };
    let Some(newest) = log.events.first() else { return false };
    let is_dead = log.liveliness == Liveliness::Dead && env.now.duration_since(heard) > DEAD_TOO_LONG;
    // The old system keeps phoning home, so its last sign of life says nothing about the last attempt.
    is_dead || (log.failed_machine_reclaim && env.now.duration_since(newest.time) > RECLAIM_RETRY)
}

/// What became of machines that were made to boot again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resurrected {
    /// These were.
    pub machines: Vec<MachineId>,
    /// These could not be, and why.
    pub failed: Vec<(MachineId, Error)>,
}

/// Frees lost machines once more - network boot, reset, clean networks - at most `limit`.
pub fn resurrect(tx: &mut Tx, env: &mut Env, limit: usize) -> Resurrected {
    let mut done = Resurrected::default();
    for id in resurrectable(tx.state(), env).into_iter().take(limit) {
        // A refusal may come after some writes; the other machines must not carry them along.
        let before = tx.clone();
        match allocation::free(tx, env, id.as_str()) {
            Ok(_) => done.machines.push(id),
            Err(error) => {
                *tx = before;
                done.failed.push((id, error));
            }
        }
    }
    done
}

/// Documents whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orphans {
    /// BMCs of machines that do not exist.
    pub bmcs: Vec<String>,
    /// Logs of machines that do not exist. Kept: a machine that comes back continues its log.
    pub event_logs: Vec<String>,
    /// Status of switches that do not exist.
    pub switch_statuses: Vec<String>,
    /// Addresses bound by tag to machines that do not have them.
    pub ips: Vec<String>,
    /// AS numbers held by machines that are not allocated.
    pub asns: Vec<u32>,
    /// VRFs held for networks of which none exists.
    pub vrfs: Vec<u32>,
    /// Switch and machine of connections to machines that do not exist.
    pub connections: Vec<(String, MachineId)>,
}

impl Orphans {
    /// How many.
    pub fn len(&self) -> usize {
        self.bmcs.len()
            + self.event_logs.len()
            + self.switch_statuses.len()
            + self.ips.len()
            + self.asns.len()
            + self.vrfs.len()
            + self.connections.len()
    }

    /// True when everything has its owner.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Looks for documents whose owner is gone. Addresses, numbers and connections among them are a fault of ours: nothing
/// that is handed out may outlive its owner.
pub fn orphans(snapshot: &Snapshot) -> Orphans {
    let exists = |machine: &str| snapshot.machines.contains(machine);
    let is_allocated =
        |machine: &str| snapshot.machines.get(machine).is_some_and(|machine| machine.allocation.is_some());
    Orphans {
        bmcs: ids(snapshot.bmcs.iter().map(|bmc| bmc.machine.as_str()), |id| !exists(id)),
        event_logs: ids(snapshot.event_logs.iter().map(|log| log.machine.as_str()), |id| !exists(id)),
        switch_statuses: ids(snapshot.switch_statuses.iter().map(|status| status.id.as_str()), |id| {
            !snapshot.switches.contains(id)
        }),
        ips: snapshot
            .ips
            .iter()
            .filter(|ip| ip.machines().any(|machine| !holds(snapshot, machine, ip)))
            .map(|ip| ip.address.to_string())
            .collect(),
        asns: snapshot
            .asns
            .iter()
            .filter(|claim| !is_allocated(claim.machine.as_str()))
            .map(|claim| claim.asn)
            .collect(),
        vrfs: snapshot
            .vrfs
            .iter()
            .filter(|claim| !claim.networks.iter().any(|id| snapshot.networks.contains(id.as_str())))
            .map(|claim| claim.vrf)
            .collect(),
        connections: snapshot
            .switches
            .iter()
            .flat_map(|switch| switch.connections.keys().map(move |machine| (switch, machine)))
            .filter(|(_, machine)| !exists(machine.as_str()))
            .map(|(switch, machine)| (switch.id.to_string(), machine.clone()))
            .collect(),
    }
}

fn ids<'a>(all: impl Iterator<Item = &'a str>, is_orphan: impl Fn(&str) -> bool) -> Vec<String> {
    all.filter(|id| is_orphan(id)).map(str::to_owned).collect()
}

fn holds(snapshot: &Snapshot, machine: &str, ip: &metal_model::network::Ip) -> bool {
    let allocation = snapshot.machines.get(machine).and_then(|machine| machine.allocation.as_ref());
    allocation.is_some_and(|held| held.networks.iter().any(|network| network.ips.contains(&ip.address)))
}

/// Removes the orphans that carry nothing anybody could own: BMC records and switch status, at most `limit`.
pub fn sweep(tx: &mut Tx, limit: usize) -> usize {
    let found = orphans(tx.state());
    let mut left = limit;
    for id in found.bmcs.iter().take(left) {
        tx.delete::<Bmc>(id);
    }
    left -= found.bmcs.len().min(left);
    for id in found.switch_statuses.iter().take(left) {
        tx.delete::<SwitchStatus>(id);
    }
    left -= found.switch_statuses.len().min(left);
    limit - left
}

#[cfg(test)]
mod tests {
    use metal_model::agent::PowerCommand;
    use metal_model::event_log::ProvisioningEvent;
    use metal_model::machine::{MachineState, Role};
    use metal_model::network::{AsnClaim, VrfClaim};
    use metal_model::switch::Switch;

    use super::*;
    use crate::testbed::{allocate, allocation as allocated, env, inventory, rack};
    use crate::{command, event, registration};

    const HOUR: i64 = 3600;

    fn machines() -> Tx {
        let mut tx = rack();
        for (number, id) in ["free", "locked", "used"].into_iter().enumerate() {
            registration::register(&mut tx, &mut env(0), &inventory(id, number)).unwrap();
            event::process(&mut tx, &mut env(0), id, ProvisioningEvent::Waiting, "");
        }
        let state = MachineState { value: Availability::Locked, ..MachineState::default() };
        tx.modify::<Machine>("locked", |machine| machine.state = state).unwrap();
        allocate(&mut tx, "used", allocated(Role::Machine));
        tx
    }

    #[test]
    fn dead_machines_boot_again_once_an_hour() {
        let mut tx = machines();
        liveliness(&mut tx, &env(HOUR), 9);
        assert_eq!(resurrect(&mut tx, &mut env(HOUR), 9), Resurrected::default(), "not dead long enough");
        let done = resurrect(&mut tx, &mut env(HOUR + 1), 9);
        assert_eq!((done.machines.as_slice(), done.failed.len()), ([MachineId::from("free")].as_slice(), 0));
        let given = command::pending(tx.state(), "p1", 0, env(HOUR + 1).now);
        assert!(given.iter().any(|given| given.command == PowerCommand::Free && given.machine == *"free"));
        assert_eq!(resurrect(&mut tx, &mut env(HOUR + 2), 9), Resurrected::default());
    }

    #[test]
    fn machines_that_keep_their_old_system_are_told_again() {
        let mut tx = machines();
        event::process(&mut tx, &mut env(10), "free", ProvisioningEvent::MachineReclaim, "");
        event::process(&mut tx, &mut env(320), "free", ProvisioningEvent::PhonedHome, "");
        assert!(resurrectable(tx.state(), &env(330)).is_empty(), "it gets its time");
        assert_eq!(resurrectable(tx.state(), &env(10 + 15 * 60 + 1)), ["free"]);
        resurrect(&mut tx, &mut env(10 + 15 * 60 + 1), 9);
        assert!(resurrectable(tx.state(), &env(10 + 16 * 60)).is_empty());
    }

    #[test]
    fn orphans_are_found_and_the_harmless_swept() {
        let mut tx = machines();
        assert!(orphans(tx.state()).is_empty());
        tx.delete::<Machine>("free");
        tx.put(SwitchStatus { id: "gone".into(), ..SwitchStatus::default() });
        tx.put(AsnClaim { asn: 4_210_000_009, machine: "locked".into() });
        tx.put(VrfClaim { vrf: 9, networks: vec!["gone".into()] });
        tx.put(metal_model::network::Ip {
            address: "10.0.0.1".parse().unwrap(),
            allocation_uuid: String::new(),
            created: env(0).now,
            changed: env(0).now,
            name: String::new(),
            description: String::new(),
            parent_prefix: "10.0.0.0/8".parse().unwrap(),
            network: "n1".into(),
            project: "pr1".into(),
            kind: metal_model::network::IpType::Ephemeral,
            tags: vec![format!("{}=used", metal_model::network::MACHINE_TAG)],
        });
        let found = orphans(tx.state());
        assert_eq!((found.bmcs.len(), found.event_logs.len(), found.switch_statuses.len()), (1, 1, 1));
        assert_eq!(
            (found.asns.as_slice(), found.vrfs.as_slice()),
            ([4_210_000_009].as_slice(), [9].as_slice())
        );
        assert_eq!((found.ips.len(), found.connections.len(), found.len()), (1, 2, 8));
        assert_eq!(sweep(&mut tx, 1), 1);
        assert_eq!(sweep(&mut tx, 9), 1);
        assert_eq!(sweep(&mut tx, 9), 0);
        assert_eq!(orphans(tx.state()).len(), 6);
        assert!(tx.state().switches.iter().all(|leaf: &Arc<Switch>| !leaf.connections.is_empty()));
    }
}
