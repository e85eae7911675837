//! What the API tells about a network.

use metal_model::network::{AddressFamily, Network};
use metal_model::v1;

use super::rules;
use crate::ipam::Usage;
use crate::{Error, Snapshot};

/// The answer about a network. Consumption is empty for one that is not in the snapshot any more.
pub fn response(snapshot: &Snapshot, network: &Network) -> Result<v1::NetworkResponse, Error> {
    Ok(list_response(snapshot, network))
}

/// The answer about a network in a list; it refers to nothing that could be missing.
pub fn list_response(snapshot: &Snapshot, network: &Network) -> v1::NetworkResponse {
    let consumption = consumption(snapshot, network);
    let usage = consumption.ipv4.clone().unwrap_or_default();
    let lengths = &network.default_child_prefix_length;
    v1::NetworkResponse {
        id: String::from(&network.id),
        name: network.name.clone(),
        description: network.description.clone(),
        partitionid: String::from(&network.partition),
        projectid: String::from(&network.project),
        labels: network.labels.clone(),
        shared: network.shared,
        prefixes: network.prefixes.iter().map(ToString::to_string).collect(),
        destinationprefixes: network.destination_prefixes.iter().map(ToString::to_string).collect(),
        defaultchildprefixlength: (!lengths.is_empty())
            .then(|| lengths.iter().map(|(family, length)| (family.wire().to_owned(), *length)).collect()),
        nat: network.nat,
        privatesuper: network.private_super,
        underlay: network.underlay,
        vrf: Some(u64::from(network.vrf)),
        vrfshared: None,
        parentnetworkid: network.parent.as_ref().map(String::from),
        additional_announcable_cidrs: network.additional_announcable_cidrs.clone(),
        networktype: Some(network.kind().to_owned()),
        nattype: Some(network.nat_kind().to_owned()),
        consumption,
        usage,
        created: network.created.into(),
        changed: network.changed.into(),
    }
}

/// How much of a network is used, by address family.
pub fn consumption(snapshot: &Snapshot, network: &Network) -> v1::NetworkConsumption {
    let mut consumption = v1::NetworkConsumption::default();
    if !snapshot.networks.contains(network.id.as_str()) {
        return consumption;
    }
    let Some(pool) = snapshot.index.ipam.pool(network.id.as_str()) else { return consumption };
    for family in rules::families(&network.prefixes) {
        let mut sum = Usage::default();
        for space in pool.listed().filter(|space| space.block().family == family) {
            sum += space.usage();
        }
        let usage = Some(v1::NetworkUsage {
            available_ips: sum.available_ips,
            used_ips: sum.used_ips,
            available_prefixes: sum.available_prefixes,
            used_prefixes: sum.used_prefixes,
        });
        match family {
            AddressFamily::V4 => consumption.ipv4 = usage,
            AddressFamily::V6 => consumption.ipv6 = usage,
        }
    }
    consumption
}
