//! Looking up and searching addresses.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use metal_model::network::{AddressFamily, Ip};
use metal_model::v1;

use super::machine_tag;
use crate::ipam::block::Block;
use crate::{Error, Snapshot};

/// The address with this text, in any spelling of it.
pub fn get<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a Arc<Ip>, Error> {
    by_text(snapshot, id).ok_or_else(|| Error::not_found("ip", id))
}

/// The address document of an address.
pub fn by_address<'a>(snapshot: &'a Snapshot, address: &IpAddr) -> Option<&'a Arc<Ip>> {
    snapshot.ips.get(&address.to_string())
}

fn by_text<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Arc<Ip>> {
    by_address(snapshot, &id.parse().ok()?)
}

/// Addresses that meet all criteria.
pub fn find(snapshot: &Snapshot, req: &v1::IpFindRequest) -> Result<Vec<Arc<Ip>>, Error> {
    let criteria = Criteria::new(req)?;
    let index = &snapshot.index;
    let named = |address: &IpAddr| by_address(snapshot, address);
    // The narrowest index first.
    let candidates: Box<dyn Iterator<Item = &Arc<Ip>>> = if let Some(address) = &req.ipaddress {
        Box::new(by_text(snapshot, address).into_iter())
    } else if let Some(machine) = &req.machineid {
        Box::new(index.ips_by_machine.get(machine.as_str()).filter_map(named))
    } else {
        let project = req.projectid.as_deref().map(|id| index.ips_by_project.set(id));
        let network = req.networkid.as_deref().map(|id| index.ips_by_network.set(id));
        match (project, network) {
            (None, None) => Box::new(snapshot.ips.iter()),
            (Some(None), _) | (_, Some(None)) => Box::new(std::iter::empty()),
            (Some(Some(one)), None) | (None, Some(Some(one))) => Box::new(one.iter().filter_map(named)),
            (Some(Some(project)), Some(Some(network))) => {
                let smaller = if project.len() <= network.len() { project } else { network };
                Box::new(smaller.iter().filter_map(named))
            }
        }
    };
    Ok(candidates.filter(|ip| criteria.admit(ip)).cloned().collect())
}

struct Criteria<'a> {
    req: &'a v1::IpFindRequest,
    prefix: Option<Block>,
    family: Option<AddressFamily>,
    machine_tag: Option<String>,
}

impl<'a> Criteria<'a> {
    fn new(req: &'a v1::IpFindRequest) -> Result<Self, Error> {
        let prefix = req.networkprefix.as_deref().filter(|text| !text.is_empty());
        let prefix = prefix.map(|text| match text.parse::<IpNet>() {
            Ok(prefix) => Ok(Block::of(&prefix)),
            Err(_) => Err(Error::invalid("networkprefix", format!("{text:?} is not a prefix"))),
        });
        let family = req.addressfamily.as_deref().filter(|text| !text.is_empty());
        let family = family.map(|text| {
            AddressFamily::parse(text)
                .ok_or_else(|| Error::invalid("addressfamily", format!("{text:?} is neither IPv4 nor IPv6")))
        });
        Ok(Self {
            req,
            prefix: prefix.transpose()?,
            family: family.transpose()?,
            machine_tag: req.machineid.as_deref().map(machine_tag),
        })
    }

    fn admit(&self, ip: &Ip) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.req.allocationuuid, &ip.allocation_uuid)
            && is(&self.req.name, &ip.name)
            && is(&self.req.networkid, ip.network.as_str())
            && is(&self.req.projectid, ip.project.as_str())
            && is(&self.req.kind, ip.kind.wire())
            && self.prefix.is_none_or(|prefix| prefix == Block::of(&ip.parent_prefix))
            && self.family.is_none_or(|family| family == AddressFamily::of_ip(&ip.address))
            && self.req.tags.iter().chain(&self.machine_tag).all(|tag| ip.tags.contains(tag))
    }
}
