//! Stage 5: how the machine takes part in the networks of the request. Nothing is acquired yet.

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::machine::{MachineNetworkType, Role};
use metal_model::network::{Ip, IpScope, Network};

use super::spec::Spec;
use crate::{Error, Snapshot};

/// A network the machine will be in.
#[derive(Debug)]
pub(super) struct Planned {
    pub network: Arc<Network>,
    pub kind: MachineNetworkType,
    /// Acquire an address per address family.
    pub auto: bool,
    /// Addresses the project has already.
    pub ips: Vec<Arc<Ip>>,
}

/// Works out the networks: the primary private one first, then other private ones, then the rest as asked for, and
/// the underlay of a firewall last.
pub(super) fn plan(snapshot: &Snapshot, spec: &Spec, ips: &[IpAddr]) -> Result<Vec<Planned>, Error> {
    let ipam = &snapshot.index.ipam;
    if ipam.private_supers(&spec.partition).next().is_none() {
        return Err(Error::refused(format!(
            "partition {:?} has no private super network; create one first",
            spec.partition
        )));
    }
    let mut planned = requested(snapshot, spec)?;
    choose_primary(spec, &mut planned)?;
    attach_ips(snapshot, spec, ips, &mut planned)?;
    check_private(spec, &planned)?;
    planned.sort_by_key(|planned| match planned.kind {
        MachineNetworkType::PrivatePrimaryUnshared | MachineNetworkType::PrivatePrimaryShared => 0,
        MachineNetworkType::PrivateSecondaryShared => 1,
        MachineNetworkType::External | MachineNetworkType::Underlay => 2,
    });
    if spec.role == Role::Firewall {
        let mut underlays = ipam.underlays(&spec.partition);
        let (Some(underlay), None) = (underlays.next(), underlays.next()) else {
            return Err(Error::refused(format!(
                "partition {:?} must have exactly one underlay network for firewalls",
                spec.partition
            )));
        };
        let network = snapshot.find::<Network>(underlay.as_str())?.clone();
        planned.push(Planned { network, kind: MachineNetworkType::Underlay, auto: true, ips: Vec::new() });
    }
    Ok(planned)
}

fn wrong(why: String) -> Error {
    Error::refused_field("networks", why)
}

/// The networks of the request with their types, as far as each tells by itself.
fn requested(snapshot: &Snapshot, spec: &Spec) -> Result<Vec<Planned>, Error> {
    let mut planned: Vec<Planned> = Vec::with_capacity(spec.networks.len() + 1);
    for wish in &spec.networks {
        let network = snapshot.find::<Network>(&wish.id)?;
        if network.underlay {
            return Err(wrong(format!("{:?} is an underlay network and must not be named", wish.id)));
        }
        if network.private_super {
            return Err(wrong(format!(
                "{:?} is a private super network and must not be named; allocate a network from it",
                wish.id
            )));
        }
        let parent = network.parent.as_ref().and_then(|id| snapshot.networks.get(id.as_str()));
        let kind = match parent.is_some_and(|parent| parent.private_super) {
            false => MachineNetworkType::External,
            true if network.shared => MachineNetworkType::PrivateSecondaryShared,
            true => MachineNetworkType::PrivatePrimaryUnshared,
        };
        let is_primary = |planned: &Planned| planned.kind == MachineNetworkType::PrivatePrimaryUnshared;
        let is_again = planned.iter().any(|earlier| earlier.network.id == network.id);
        if kind == MachineNetworkType::PrivatePrimaryUnshared && !is_again && planned.iter().any(is_primary) {
            return Err(wrong(format!(
                "{:?} is a second private network that is not shared; only one is possible",
                wish.id
            )));
        }
        if is_again {
            return Err(wrong(format!("{:?} is named more than once", wish.id)));
        }
        planned.push(Planned { network: network.clone(), kind, auto: wish.auto, ips: Vec::new() });
    }
    Ok(planned)
}

/// Exactly one private network is the primary one, and it belongs to the project.
fn choose_primary(spec: &Spec, planned: &mut [Planned]) -> Result<(), Error> {
    let private = planned.iter().filter(|planned| planned.kind.is_private()).count();
    if private == 0 {
        return Err(wrong("no private network is among them; name one of the project".to_owned()));
    }
    let is_unshared = |planned: &Planned| planned.kind == MachineNetworkType::PrivatePrimaryUnshared;
    let mut primary =
        planned.iter().find(|planned| is_unshared(planned)).map(|planned| planned.network.clone());
    if primary.is_none() {
        if private > 1 {
            let why = "several shared private networks need one that is not shared beside them";
            return Err(wrong(why.to_owned()));
        }
        for only in planned.iter_mut().filter(|planned| planned.kind.is_private()) {
            only.kind = MachineNetworkType::PrivatePrimaryShared;
            primary = Some(only.network.clone());
        }
    }
    if spec.role == Role::Machine && private > 1 {
        return Err(wrong("a machine can be in one private network only".to_owned()));
    }
    match primary {
        Some(network) if network.project != spec.project => Err(wrong(format!(
            "private network {:?} belongs to project {:?}, not to {:?}",
            network.id, network.project, spec.project
        ))),
        _ => Ok(()),
    }
}

/// Gives each address to its network; that network then acquires none by itself.
fn attach_ips(
    snapshot: &Snapshot,
    spec: &Spec,
    ips: &[IpAddr],
    planned: &mut [Planned],
) -> Result<(), Error> {
    for address in ips {
        let ip = snapshot.find::<Ip>(&address.to_string())?;
        let refused = |why: String| Error::refused_field("ips", format!("{address} {why}"));
        if ip.project != spec.project {
            return Err(refused(format!("belongs to project {:?}, not to {:?}", ip.project, spec.project)));
        }
        let Some(network) = planned.iter_mut().find(|planned| planned.network.id == ip.network) else {
            return Err(refused(format!("is of network {:?}, which is not among the networks", ip.network)));
        };
        if ip.scope() == IpScope::None {
            return Err(refused("is owned by no project and cannot be given to a machine".to_owned()));
        }
        network.auto = false;
        network.ips.push(ip.clone());
    }
    Ok(())
}

fn check_private(spec: &Spec, planned: &[Planned]) -> Result<(), Error> {
    for Planned { network, auto, ips, .. } in planned.iter().filter(|planned| planned.kind.is_private()) {
        if network.partition != spec.partition {
            return Err(wrong(format!(
                "private network {:?} is in partition {:?}, the machine in {:?}",
                network.id, network.partition, spec.partition
            )));
        }
        if !auto && ips.is_empty() {
            return Err(wrong(format!(
                "private network {:?} acquires no address and none of ips is in it",
                network.id
            )));
        }
    }
    Ok(())
}
