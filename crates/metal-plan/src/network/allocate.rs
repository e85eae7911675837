//! Taking a child network out of the private super network of a partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use metal_model::id::NetworkId;
use metal_model::network::{AddressFamily, Network};
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::v1;

use super::rules::{self, Lengths};
use crate::ipam::block::Block;
use crate::{Class, Env, Error, Snapshot, Tx, vrf};

/// Takes a prefix per address family and a VRF, as a network of a project.
pub fn allocate(tx: &mut Tx, env: &mut Env, req: &v1::NetworkAllocateRequest) -> Result<Arc<Network>, Error> {
    let snapshot = tx.state();
    let project = required("projectid", req.projectid.as_deref())?;
    let partition = required("partitionid", req.partitionid.as_deref())?;
    let project = snapshot.find::<Project>(project);
    let project = project.map_err(|e| rules::on_field("projectid", Class::NotFound, e))?.id.clone();
    let partition = snapshot.find::<Partition>(partition);
    let partition = partition.map_err(|e| rules::on_field("partitionid", Class::NotFound, e))?.id.clone();
    let destination_prefixes = rules::parse_prefixes("destinationprefixes", &req.destinationprefixes)?;
    let parent = super::private_super(snapshot, &partition).ok_or_else(|| Error {
        field: Some("partitionid"),
        ..Error::not_found("private super network of partition", &partition)
    })?;
    let lengths = lengths(parent, req)?;
    let prefixes = child_prefixes(snapshot, parent, &lengths)?;
    let network = Network {
        id: NetworkId::from(env.uuid()),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        partition,
        project,
        labels: req.labels.clone().unwrap_or_default(),
        shared: req.shared.unwrap_or_default(),
        prefixes,
        destination_prefixes,
        nat: req.nat.unwrap_or_default(),
        parent: Some(parent.id.clone()),
        ..Network::default()
    };
    let vrf = vrf::acquire_random(tx, env, &network.id)?;
    tx.create(Network { vrf, ..network })
}

fn required<'a>(field: &'static str, text: Option<&'a str>) -> Result<&'a str, Error> {
    rules::given(text).ok_or_else(|| Error::invalid(field, "must be given"))
}

/// The lengths of the parent, with those of the request instead where it has some, of the families that are wanted.
fn lengths(parent: &Network, req: &v1::NetworkAllocateRequest) -> Result<Lengths, Error> {
    let has: BTreeSet<_> = rules::families(&parent.prefixes);
    let mut lengths = parent.default_child_prefix_length.clone();
    lengths.retain(|family, _| has.contains(family));
    if lengths.is_empty() {
        let why = format!("private super network {:?} has no default child prefix length", parent.id);
        return Err(Error::internal(why));
    }
    lengths.extend(rules::parse_lengths("length", req.length.as_ref())?);
    if let Some(text) = rules::given(req.addressfamily.as_deref()) {
        let wanted = rules::parse_family("addressfamily", text)?;
        lengths.retain(|family, _| *family == wanted);
        if lengths.is_empty() {
            let why = format!("no child prefix length is known for {}", wanted.wire());
            return Err(Error::invalid("addressfamily", why));
        }
    }
    Ok(lengths)
}

fn child_prefixes(snapshot: &Snapshot, parent: &Network, lengths: &Lengths) -> Result<Vec<IpNet>, Error> {
    lengths.iter().map(|(family, length)| child_prefix(snapshot, parent, *family, *length)).collect()
}

/// The best fit in the first prefix of the parent that has room.
fn child_prefix(
    snapshot: &Snapshot,
    parent: &Network,
    family: AddressFamily,
    length: u8,
) -> Result<IpNet, Error> {
    let pool = snapshot.index.ipam.pool(parent.id.as_str());
    let spaces = parent.prefixes.iter().filter_map(|prefix| pool?.space(&Block::of(prefix)));
    let room = spaces
        .filter(|space| space.block().family == family && space.block().len < length && space.used() == 0)
        .find_map(|space| space.free_block(length));
    room.map(|block| block.prefix()).ok_or_else(|| {
        let (family, parent) = (family.wire(), &parent.id);
        Error::refused_field(
            "length",
            format!("no {family} prefix of length {length} is left in network {parent:?}"),
        )
    })
}
