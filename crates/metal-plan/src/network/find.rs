//! Searching networks.

use std::sync::Arc;

use ipnet::IpNet;
use metal_model::id::NetworkId;
use metal_model::network::{AddressFamily, Network};
use metal_model::v1;

use super::rules;
use crate::ipam::block::Block;
use crate::{Error, Snapshot};

/// Networks that meet all criteria, in the order of their ids.
pub fn find(snapshot: &Snapshot, req: &v1::NetworkFindRequest) -> Result<Vec<Arc<Network>>, Error> {
    let criteria = Criteria {
        req,
        prefixes: rules::parse_prefixes("prefixes", &req.prefixes)?,
        destinations: rules::parse_prefixes("destinationprefixes", &req.destinationprefixes)?,
        family: rules::given(req.addressfamily.as_deref())
            .map(|text| rules::parse_family("addressfamily", text))
            .transpose()?,
    };
    if let Some(id) = &req.id {
        let network = snapshot.networks.get(id).filter(|network| criteria.admit(network));
        return Ok(network.into_iter().cloned().collect());
    }
    let index = &snapshot.index;
    let sets = [
        req.projectid.as_deref().map(|id| index.networks_by_project.set(id)),
        req.partitionid.as_deref().map(|id| index.networks_by_partition.set(id)),
        // An empty parent asks for networks without one, which no index lists.
        rules::given(req.parentnetworkid.as_deref()).map(|id| index.networks_by_parent.set(id)),
    ];
    let sets: Option<Vec<_>> = sets.into_iter().flatten().collect();
    // A criterion nothing meets.
    let Some(sets) = sets else { return Ok(Vec::new()) };
    let named = |id: &NetworkId| snapshot.networks.get(id.as_str());
    let candidates: Box<dyn Iterator<Item = &Arc<Network>>> =
        match sets.into_iter().min_by_key(|set| set.len()) {
            Some(smallest) => Box::new(smallest.iter().filter_map(named)),
            None => Box::new(snapshot.networks.iter()),
        };
    Ok(candidates.filter(|network| criteria.admit(network)).cloned().collect())
}

struct Criteria<'a> {
    req: &'a v1::NetworkFindRequest,
    prefixes: Vec<IpNet>,
    destinations: Vec<IpNet>,
    family: Option<AddressFamily>,
}

impl Criteria<'_> {
    fn admit(&self, network: &Network) -> bool {
        let req = self.req;
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let parent = network.parent.as_ref().map_or("", |parent| parent.as_str());
        is(&req.name, &network.name)
            && is(&req.partitionid, network.partition.as_str())
            && is(&req.projectid, network.project.as_str())
            && is(&req.parentnetworkid, parent)
            && req.nat.is_none_or(|nat| nat == network.nat)
            && req.privatesuper.is_none_or(|is| is == network.private_super)
            && req.underlay.is_none_or(|is| is == network.underlay)
            && req.vrf.is_none_or(|vrf| vrf == i64::from(network.vrf))
            && req.labels.iter().all(|(key, value)| network.labels.get(key) == Some(value))
            && self.prefixes.iter().all(|prefix| has(&network.prefixes, prefix))
            && self.destinations.iter().all(|prefix| has(&network.destination_prefixes, prefix))
            && self.family.is_none_or(|family| rules::families(&network.prefixes).contains(&family))
    }
}

/// Is the prefix one of these? Host bits do not tell prefixes apart.
fn has(prefixes: &[IpNet], wanted: &IpNet) -> bool {
    prefixes.iter().any(|prefix| Block::of(prefix) == Block::of(wanted))
}
