//! Taking an address out of a network.

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::id::ProjectId;
use metal_model::network::{AddressFamily, Ip, IpType, Network};
use metal_model::project::Project;
use metal_model::v1;

use super::{machine_tag, sorted};
use crate::ipam::Space;
use crate::ipam::block::{Block, address, number};
use crate::{Env, Error, Snapshot, Tx};

/// Which address is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The lowest free one of this family, prefixes in the order of the network.
    Lowest(AddressFamily),
    /// This one.
    Specific(IpAddr),
}

/// What is recorded with an acquired address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Owner.
    pub project: ProjectId,
    /// Ephemeral or static.
    pub kind: IpType,
    /// In any order.
    pub tags: Vec<String>,
}

/// Takes an address out of a network, for an allocation or after [`allocate`] has checked the request.
pub fn acquire(
    tx: &mut Tx,
    env: &mut Env,
    network: &Network,
    choice: Choice,
    details: Details,
) -> Result<Arc<Ip>, Error> {
    let (address, block) = match choice {
        Choice::Lowest(family) => lowest(tx.state(), network, family)?,
        Choice::Specific(address) => specific(tx.state(), network, address)?,
    };
    tx.create(Ip {
        address,
        allocation_uuid: env.uuid(),
        created: env.now,
        changed: env.now,
        name: details.name,
        description: details.description,
        parent_prefix: block.prefix(),
        network: network.id.clone(),
        project: details.project,
        kind: details.kind,
        tags: sorted(details.tags),
    })
}

fn lowest(snapshot: &Snapshot, network: &Network, family: AddressFamily) -> Result<(IpAddr, Block), Error> {
    let pool = snapshot.index.ipam.pool(network.id.as_str());
    let mut has_children = None;
    for prefix in network.prefixes.iter().filter(|prefix| AddressFamily::of(prefix) == family) {
        let block = Block::of(prefix);
        let Some(space) = pool.and_then(|pool| pool.space(&block)) else { continue };
        if space.children() > 0 {
            has_children = Some(block);
        } else if let Some(address) = lowest_in(snapshot, space) {
            return Ok((address, block));
        }
    }
    Err(match has_children {
        Some(block) => no_addresses_beside_children(&block),
        None => Error::internal("cannot allocate free ip in ipam, no ips left"),
    })
}

fn lowest_in(snapshot: &Snapshot, space: &Space) -> Option<IpAddr> {
    let family = space.block().family;
    let mut from = space.block().first;
    loop {
        let free = space.free_address(from)?;
        let candidate = address(family, free);
        // An address is taken when its document exists, even one that claims to come from elsewhere.
        if !snapshot.ips.contains(&candidate.to_string()) {
            return Some(candidate);
        }
        from = free.checked_add(1)?;
    }
}

fn specific(snapshot: &Snapshot, network: &Network, address: IpAddr) -> Result<(IpAddr, Block), Error> {
    let pool = snapshot.index.ipam.pool(network.id.as_str());
    let space = pool
        .and_then(|pool| pool.containing(AddressFamily::of_ip(&address), number(address)))
        .ok_or_else(|| {
            let why = format!("{address} is not in any prefix of network {:?}", network.id);
            Error::refused_field("ipaddress", why)
        })?;
    if !space.is_free(number(address)) || snapshot.ips.contains(&address.to_string()) {
        let why = format!("ip already allocated: {address}");
        return Err(Error { field: Some("ipaddress"), ..Error::conflict(why) });
    }
    if space.children() > 0 {
        return Err(no_addresses_beside_children(&space.block()));
    }
    Ok((address, space.block()))
}

fn no_addresses_beside_children(block: &Block) -> Error {
    let why = format!("prefix {} has child prefixes and therefore gives no addresses", block.prefix());
    Error::refused_field("networkid", why)
}

/// Acquires an address on request of a user.
pub fn allocate(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::IpAllocateRequest,
    specific: Option<&str>,
) -> Result<Arc<Ip>, Error> {
    if req.networkid.is_empty() {
        return Err(Error::invalid("networkid", "must be given"));
    }
    if req.projectid.is_empty() {
        return Err(Error::invalid("projectid", "must be given"));
    }
    let network = tx.state().find::<Network>(&req.networkid)?.clone();
    if network.prefixes.is_empty() {
        let why = format!("network {:?} has no prefixes", network.id);
        return Err(Error::refused_field("networkid", why));
    }
    let family = family(req, &network, specific)?;
    let project = tx.state().find::<Project>(&req.projectid)?.id.clone();
    usable_by(&network, &project)?;
    let choice = match specific {
        None => Choice::Lowest(family),
        Some(text) => Choice::Specific(
            text.parse()
                .map_err(|_| Error::refused_field("ipaddress", format!("{text:?} is not an IP address")))?,
        ),
    };
    let machine = req.machineid.as_deref().filter(|id| !id.is_empty());
    let details = Details {
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        project,
        kind: if req.kind == "static" { IpType::Static } else { IpType::Ephemeral },
        tags: req.tags.iter().cloned().chain(machine.map(machine_tag)).collect(),
    };
    acquire(tx, env, &network, choice, details)
}

/// The family asked for, or else the only one of the network, or else IPv4.
fn family(
    req: &v1::IpAllocateRequest,
    network: &Network,
    specific: Option<&str>,
) -> Result<AddressFamily, Error> {
    let has = |family| network.prefixes.iter().any(|prefix| AddressFamily::of(prefix) == family);
    let Some(text) = req.addressfamily.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(if has(AddressFamily::V4) { AddressFamily::V4 } else { AddressFamily::V6 });
    };
    let family = AddressFamily::parse(text)
        .ok_or_else(|| Error::refused_field("addressfamily", format!("{text:?} is neither IPv4 nor IPv6")))?;
    if !has(family) {
        let why = format!("network {:?} has no {} prefix", network.id, family.wire());
        return Err(Error::invalid("addressfamily", why));
    }
    if specific.is_some() {
        return Err(Error::invalid("addressfamily", "cannot be combined with a specific address"));
    }
    Ok(family)
}

/// Child networks that are not shared are for their project; all others are open.
fn usable_by(network: &Network, project: &ProjectId) -> Result<(), Error> {
    if network.parent.is_some() && !network.shared && network.project != *project {
        let why =
            format!("network {:?} belongs to project {:?} and is not shared", network.id, network.project);
        return Err(Error::refused_field("projectid", why));
    }
    Ok(())
}
