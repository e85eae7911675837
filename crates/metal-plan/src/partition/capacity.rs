//! How full partitions are: machines counted per partition and size, and what reservations keep of the free ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_model::event_log::{EventLog, ProvisioningEvent};
use metal_model::id::{PartitionId, ProjectId, SizeId};
use metal_model::machine::Machine;
use metal_model::partition::Partition;
use metal_model::size::UNKNOWN_SIZE;
use metal_model::v1::{PartitionCapacity, PartitionCapacityRequest, ServerCapacity};

use crate::issue::{Kind, issues_of};
use crate::size_reservation::reserved;
use crate::{Class, Env, Error, Snapshot, placement};

/// Counts the machines of one or all partitions, of one or all sizes. Free machines are free for the project asked
/// about: reservations of others are taken off.
///
/// Only machines that were heard of, in partitions that exist, count; partitions without any are left out.
pub fn capacity(
    snapshot: &Snapshot,
    env: &Env,
    req: &PartitionCapacityRequest,
) -> Result<Vec<PartitionCapacity>, Error> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let project = given(&req.projectid).map(ProjectId::from);
    let size = given(&req.sizeid);
    let machines = match given(&req.id) {
        Some(id) => {
            let partition = snapshot.find::<Partition>(&id).map_err(|e| e.as_class(Class::Invalid))?;
            of_partition(snapshot, &partition.id)
        }
        None => snapshot.machines.iter().cloned().collect(),
    };
    // Issues are judged among all machines, also those of other sizes: two may share the address of their BMC.
    let issues = issues_of(snapshot, env.now, &machines);
    let mut counts: BTreeMap<(PartitionId, SizeId), ServerCapacity> = BTreeMap::new();
    for (machine, issues) in machines.iter().zip(&issues) {
        let Some(log) = snapshot.event_logs.get(machine.id.as_str()) else { continue };
        let is_wanted = size.as_ref().is_none_or(|size| machine.size == **size);
        if !is_wanted || !snapshot.partitions.contains(machine.partition.as_str()) {
            continue;
        }
        let known = snapshot.sizes.contains(machine.size.as_str());
        let size = if known { machine.size.clone() } else { UNKNOWN_SIZE.into() };
        let count = counts.entry((machine.partition.clone(), size)).or_default();
        add(snapshot, count, machine, log, issues);
    }
    let mut answer: Vec<PartitionCapacity> = Vec::new();
    for ((partition, size), mut count) in counts {
        subtract_reservations(snapshot, &mut count, &partition, &size, project.as_ref());
        count.size = size.to_string();
        match answer.last_mut() {
            Some(last) if partition == *last.id => last.servers.push(count),
            _ => answer.push(capacity_of(snapshot, &partition, count)),
        }
    }
    Ok(answer)
}

fn of_partition(snapshot: &Snapshot, partition: &PartitionId) -> Vec<Arc<Machine>> {
    snapshot
        .index
        .machines_by_partition
        .get(partition)
        .filter_map(|id| snapshot.machines.get(id.as_str()).cloned())
        .collect()
}

fn capacity_of(snapshot: &Snapshot, partition: &PartitionId, first: ServerCapacity) -> PartitionCapacity {
    let found = snapshot.partitions.get(partition.as_str());
    PartitionCapacity {
        id: partition.to_string(),
        name: found.map(|partition| partition.name.clone()).unwrap_or_default(),
        description: found.map(|partition| partition.description.clone()).unwrap_or_default(),
        servers: vec![first],
    }
}

fn add(snapshot: &Snapshot, count: &mut ServerCapacity, machine: &Machine, log: &EventLog, issues: &[Kind]) {
    count.total += 1;
    if issues.iter().any(|issue| *issue != Kind::LastEventError) {
        count.faulty += 1;
        count.faultymachines.push(machine.id.to_string());
    }
    if machine.allocation.is_some() {
        count.allocated += 1;
    } else if placement::is_available(snapshot, machine, Some(log)) {
        count.allocatable += 1;
        count.free += 1;
    } else {
        count.unavailable += 1;
    }
    match log.events.first().map(|newest| newest.event) {
        Some(ProvisioningEvent::PhonedHome) => count.phoned_home += 1,
        Some(ProvisioningEvent::Waiting) => count.waiting += 1,
        _ => {
            count.other += 1;
            count.othermachines.push(machine.id.to_string());
        }
    }
}

fn subtract_reservations(
    snapshot: &Snapshot,
    count: &mut ServerCapacity,
    partition: &PartitionId,
    size: &SizeId,
    project: Option<&ProjectId>,
) {
    let reserved = reserved(snapshot, partition, size, project);
    count.reservations = reserved.amount;
    count.usedreservations = reserved.used;
    count.remainingreservations = reserved.amount - reserved.used;
    count.free = (count.free - reserved.kept_from).max(0);
}
