//! Who calls, and for whom the caller may act: the only place of the agents' API that says so.
//!
//! A caller is what its certificate says. A machine acts for itself, and only in its newest boot; a switch for itself;
//! a partition for itself and for the machines in it. What is not known yet belongs to the partition that speaks of it
//! first. Every method begins with one of these functions, and works with what they return instead of what the
//! request named.

use metal_model::id::{MachineId, PartitionId, SwitchId};
use metal_plan::{Caller, Snapshot};
use metal_proto::ApiError;
use metal_runtime::pki::Identity;
use tonic::{Request, Status};
use uuid::Uuid;

use super::refusal;
use crate::app::App;

/// What the TLS handshake of a connection found out; part of every request on it.
#[derive(Debug, Clone)]
pub struct Peer(pub Option<Identity>);

/// The caller of a request.
pub fn caller<T>(request: &Request<T>) -> Result<Identity, ApiError> {
    let peer = request.extensions().get::<Peer>();
    peer.and_then(|peer| peer.0.clone())
        .ok_or_else(|| ApiError::unauthenticated("a client certificate is required"))
}

/// Who is recorded as having done something.
pub fn recorded(identity: &Identity) -> Caller {
    Caller { name: identity.to_string(), email: String::new(), tenant: String::new() }
}

/// A caller that acts for a partition. `named` is the partition of the request; empty means the caller's own.
pub fn partition(snapshot: &Snapshot, caller: &Identity, named: &str) -> Result<PartitionId, ApiError> {
    let Identity::Partition(own) = caller else {
        return Err(forbidden(caller, "act for a partition"));
    };
    if !named.is_empty() && named != own {
        return Err(forbidden(caller, "act for another partition"));
    }
    known_partition(snapshot, own)
}

/// A caller that acts for a machine: the machine itself or its partition. Answers the machine, in canonical spelling,
/// and the partition it is to be found in.
pub fn machine(
    snapshot: &Snapshot,
    caller: &Identity,
    named: &str,
) -> Result<(MachineId, PartitionId), ApiError> {
    let uuid = parse_machine(named)?;
    let own = match caller {
        Identity::Partition(partition) => partition,
        Identity::Machine { partition, machine, boot } => {
            if *machine != uuid {
                return Err(forbidden(caller, "act for another machine"));
            }
            newest_boot(snapshot, uuid, boot)?;
            partition
        }
        Identity::Server(_) | Identity::Switch { .. } => return Err(forbidden(caller, "act for a machine")),
    };
    let partition = known_partition(snapshot, own)?;
    let machine = MachineId::from(uuid.to_string());
    if let Some(known) = snapshot.machines.get(machine.as_str())
        && !known.partition.is_empty()
        && known.partition != partition
    {
        return Err(forbidden(caller, "act for a machine of another partition"));
    }
    Ok((machine, partition))
}

/// A partition that acts for one of its machines, or for one nobody has seen before.
pub fn machine_of_partition(
    snapshot: &Snapshot,
    caller: &Identity,
    named: &str,
) -> Result<(MachineId, PartitionId), ApiError> {
    partition(snapshot, caller, "")?;
    machine(snapshot, caller, named)
}

/// A caller that acts for a switch: the switch itself.
pub fn switch(
    snapshot: &Snapshot,
    caller: &Identity,
    named: &str,
) -> Result<(SwitchId, PartitionId), ApiError> {
    let Identity::Switch { partition, id } = caller else {
        return Err(forbidden(caller, "act for a switch"));
    };
    if id != named {
        return Err(forbidden(caller, "act for another switch"));
    }
    let partition = known_partition(snapshot, partition)?;
    if snapshot.switches.get(id).is_some_and(|known| known.partition != partition) {
        return Err(forbidden(caller, "act for a switch of another partition"));
    }
    Ok((SwitchId::from(id), partition))
}

/// A caller that may have its certificate replaced.
pub fn renewable(snapshot: &Snapshot, caller: &Identity) -> Result<(), ApiError> {
    match caller {
        Identity::Partition(id) => {
            partition(snapshot, caller, id)?;
        }
        Identity::Switch { id, .. } => {
            switch(snapshot, caller, id)?;
        }
        Identity::Machine { machine: uuid, .. } => {
            machine(snapshot, caller, &uuid.to_string())?;
        }
        Identity::Server(_) => return Err(forbidden(caller, "renew a certificate")),
    }
    Ok(())
}

/// The id of a machine as text; every spelling of a UUID names the same machine.
pub fn parse_machine(named: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(named).map_err(|_| ApiError::invalid("machine", format!("{named:?} is not a UUID")))
}

fn newest_boot(snapshot: &Snapshot, machine: Uuid, boot: &str) -> Result<(), ApiError> {
    let newest = snapshot.machine_boots.get(&machine.to_string());
    if newest.is_some_and(|newest| newest.boot == boot) {
        return Ok(());
    }
    Err(ApiError::unauthenticated("the certificate belongs to an earlier boot of the machine"))
}

fn known_partition(snapshot: &Snapshot, id: &str) -> Result<PartitionId, ApiError> {
    if snapshot.partitions.contains(id) {
        Ok(PartitionId::from(id))
    } else {
        Err(ApiError::forbidden(format!("partition {id:?} does not exist")))
    }
}

fn forbidden(caller: &Identity, what: &str) -> ApiError {
    ApiError::forbidden(format!("{caller} must not {what}"))
}

/// Checks on this replica's snapshot and, before refusing, on the cluster's newest: a certificate or machine that
/// another replica has just made known must not be turned away.
pub async fn check<T>(app: &App, check: impl Fn(&Snapshot) -> Result<T, ApiError>) -> Result<T, Status> {
    if let Ok(found) = check(&app.store.snapshot().state) {
        return Ok(found);
    }
    let fresh = app.fresh().await.map_err(refusal::fresh)?;
    Ok(check(&fresh.state)?)
}
