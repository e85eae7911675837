//! The dry run: what an allocation would choose, or why it would fail and what keeps the machines back.

use std::collections::BTreeMap;

use metal_model::event_log::{EventLog, Liveliness};
use metal_model::machine::{Availability, Machine, MachineNetwork, Role};
use metal_model::v1;
use metal_model::v1::{Chosen, ChosenNetwork, Explanation, Rejected};

use super::allocate;
use super::spec::Spec;
use crate::{Env, Error, Snapshot, Tx, size_reservation};

/// What would happen to this request. As firewall, rules are not looked at; see [`explain_firewall`].
pub fn explain(
    snapshot: &Snapshot,
    env: &mut Env,
    req: &v1::MachineAllocateRequest,
    role: Role,
) -> Explanation {
    attempt(snapshot, env, req, role, None)
}

/// What would happen to this request for a firewall.
pub fn explain_firewall(snapshot: &Snapshot, env: &mut Env, req: &v1::FirewallCreateRequest) -> Explanation {
    let (machine, rules) = req.clone().into_parts();
    attempt(snapshot, env, &machine, Role::Firewall, rules.as_ref())
}

/// Does it all in a transaction that nobody commits: the answer cannot differ from what an allocation does.
fn attempt(
    snapshot: &Snapshot,
    env: &mut Env,
    req: &v1::MachineAllocateRequest,
    role: Role,
    rules: Option<&v1::FirewallRules>,
) -> Explanation {
    let spec = match Spec::build(snapshot, env, req, role, rules) {
        Ok(spec) => spec,
        Err(error) => return refusal(error),
    };
    let mut tx = Tx::new(snapshot);
    let mut answer = match allocate(&mut tx, env, &spec) {
        Ok(machine) => {
            Explanation { possible: true, machine: Some(chosen(&machine)), ..Explanation::default() }
        }
        Err(error) => refusal(error),
    };
    count(snapshot, &spec, &mut answer);
    answer
}

fn refusal(error: Error) -> Explanation {
    let field = error.field.map(str::to_owned);
    Explanation { reason: Some(error.message), field, ..Explanation::default() }
}

fn chosen(machine: &Machine) -> Chosen {
    let network = |network: &MachineNetwork| ChosenNetwork {
        networkid: network.network.to_string(),
        networktype: network.kind.wire().to_owned(),
        ips: network.ips.iter().map(ToString::to_string).collect(),
    };
    let allocation = machine.allocation.as_deref();
    Chosen {
        id: machine.id.to_string(),
        rackid: machine.rack.to_string(),
        sizeid: machine.size.to_string(),
        partitionid: machine.partition.to_string(),
        imageid: allocation.map(|a| a.image.to_string()).unwrap_or_default(),
        filesystemlayoutid: allocation.map(|a| a.filesystem_layout_id.to_string()).unwrap_or_default(),
        networks: allocation.map(|a| a.networks.iter().map(network).collect()).unwrap_or_default(),
    }
}

fn count(snapshot: &Snapshot, spec: &Spec, answer: &mut Explanation) {
    let mut reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut consider = |machine: &Machine| {
        answer.considered += 1;
        let log = snapshot.event_logs.get(machine.id.as_str()).map(AsRef::as_ref);
        match obstacle(snapshot, machine, log, spec) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None => answer.available += 1,
        }
    };
    match &spec.uuid {
        Some(id) => snapshot.machines.get(id.as_str()).into_iter().for_each(|machine| consider(machine)),
        None => {
            for id in snapshot.index.machines_by_partition.get(&spec.partition) {
                snapshot.machines.get(id.as_str()).into_iter().for_each(|machine| consider(machine));
            }
            let kept = size_reservation::reserved(snapshot, &spec.partition, &spec.size, Some(&spec.project));
            answer.reserved = kept.kept_from;
        }
    }
    let rejected = |(reason, machines): (&str, u64)| Rejected { reason: reason.to_owned(), machines };
    answer.rejected = reasons.into_iter().map(rejected).collect();
    answer.rejected.sort_by_key(|rejected| std::cmp::Reverse(rejected.machines));
}

/// The first thing that keeps a machine from being handed out for this request.
fn obstacle(
    snapshot: &Snapshot,
    machine: &Machine,
    log: Option<&EventLog>,
    spec: &Spec,
) -> Option<&'static str> {
    if machine.size != spec.size {
        return Some("of another size");
    }
    if machine.allocation.is_some() {
        return Some("allocated already");
    }
    match machine.state.value {
        Availability::Locked => return Some("locked by an operator"),
        Availability::Reserved if spec.uuid.is_none() => return Some("reserved by an operator"),
        Availability::Reserved | Availability::Available => {}
    }
    let Some(log) = log else { return Some("never heard of") };
    if !machine.waiting {
        return Some("not waiting for an allocation");
    }
    match log.liveliness {
        Liveliness::Alive if snapshot.index.unconfirmed.contains(machine.id.as_str()) => {
            Some("isolation not confirmed by its switches")
        }
        Liveliness::Alive => None,
        Liveliness::Dead | Liveliness::Unknown => Some("not heard of lately"),
    }
}
