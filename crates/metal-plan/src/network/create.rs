//! Creating a network. The order of the checks is part of the API: applying an existing network again must reach the
//! conflict before any check the network itself would fail.

use std::sync::Arc;

use ipnet::IpNet;
use metal_model::id::{NetworkId, PartitionId, ProjectId};
use metal_model::network::Network;
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::v1;

use super::rules::{self, Lengths};
use crate::{Class, Env, Error, Snapshot, Tx, vrf};

/// Creates a private super network, an underlay or an external network.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::NetworkCreateRequest) -> Result<Arc<Network>, Error> {
    let snapshot = tx.state();
    let project = project(snapshot, req)?;
    let (prefixes, destination_prefixes, lengths) = address_plan(req)?;
    let id = match rules::given(req.id.as_deref()) {
        Some(id) if snapshot.networks.contains(id) => {
            return Err(Error { field: Some("id"), ..Error::exists("network", id) });
        }
        Some(id) => NetworkId::from(id),
        None => NetworkId::from(env.uuid()),
    };
    rules::check_disjoint(&prefixes)?;
    rules::check_overlaps(snapshot, &prefixes, None)?;
    let partition = partition(snapshot, req)?;
    if req.nat && (req.privatesuper || req.underlay) {
        return Err(Error::invalid("nat", "a private super network or an underlay cannot have nat"));
    }
    let vrf = claim_vrf(tx, req, &id)?;
    tx.create(Network {
        id,
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        partition,
        project,
        labels: req.labels.clone().unwrap_or_default(),
        // Only child networks can be shared; the others are open to all projects anyway.
        shared: false,
        prefixes,
        destination_prefixes,
        default_child_prefix_length: lengths,
        nat: req.nat,
        private_super: req.privatesuper,
        underlay: req.underlay,
        vrf,
        parent: None,
        additional_announcable_cidrs: req.additional_announcable_cidrs.clone(),
    })
}

fn project(snapshot: &Snapshot, req: &v1::NetworkCreateRequest) -> Result<ProjectId, Error> {
    let Some(id) = rules::given(req.projectid.as_deref()) else { return Ok(ProjectId::default()) };
    let found = snapshot.find::<Project>(id);
    Ok(found.map_err(|e| rules::on_field("projectid", Class::NotFound, e))?.id.clone())
}

fn address_plan(req: &v1::NetworkCreateRequest) -> Result<(Vec<IpNet>, Vec<IpNet>, Lengths), Error> {
    if req.prefixes.is_empty() {
        return Err(Error::invalid("prefixes", "at least one is needed"));
    }
    let lengths = req.defaultchildprefixlength.as_ref();
    if !req.privatesuper && lengths.is_some_and(|lengths| !lengths.is_empty()) {
        let why = "can only be set on a private super network";
        return Err(Error::invalid("defaultchildprefixlength", why));
    }
    let lengths = rules::parse_lengths("defaultchildprefixlength", lengths)?;
    let prefixes = rules::parse_prefixes("prefixes", &req.prefixes)?;
    let destinations = rules::parse_prefixes("destinationprefixes", &req.destinationprefixes)?;
    rules::check_destinations(&prefixes, &destinations)?;
    if req.privatesuper {
        rules::check_lengths(&prefixes, &lengths)?;
    }
    rules::check_announcable(&req.additional_announcable_cidrs, req.privatesuper)?;
    Ok((prefixes, destinations, lengths))
}

/// A given partition must exist, even an empty one, and has room for one network of each special kind.
fn partition(snapshot: &Snapshot, req: &v1::NetworkCreateRequest) -> Result<PartitionId, Error> {
    let Some(id) = &req.partitionid else { return Ok(PartitionId::default()) };
    let found = snapshot.find::<Partition>(id);
    let id = found.map_err(|e| rules::on_field("partitionid", Class::NotFound, e))?.id.clone();
    if req.privatesuper
        && let Some(other) = super::private_super(snapshot, &id)
    {
        let why = format!("partition {id:?} already has the private super network {:?}", other.id);
        return Err(Error::invalid("privatesuper", why));
    }
    if req.underlay
        && let Some(other) = super::underlays(snapshot, &id).next()
    {
        let why = format!("partition {id:?} already has the underlay network {:?}", other.id);
        return Err(Error::refused_field("underlay", why));
    }
    Ok(id)
}

fn claim_vrf(tx: &mut Tx, req: &v1::NetworkCreateRequest, network: &NetworkId) -> Result<u32, Error> {
    let number = req.vrf.unwrap_or_default();
    if number == 0 {
        return Ok(0);
    }
    // A number that does not fit is out of range like the greatest one.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    vrf::acquire(tx, number, network, req.vrfshared.unwrap_or_default())?;
    Ok(number)
}
