//! What must be true after every decision, checked from the documents and nothing else.

use std::collections::BTreeMap;

use ipnet::IpNet;
use metal_model::document::State;
use metal_model::id::NetworkId;
use metal_model::network::{AddressFamily, POOL};
use metal_plan::Snapshot;

/// Nothing is owned twice, nothing leaked, and all references hold.
pub fn check(snapshot: &Snapshot) {
    prefixes(snapshot);
    addresses(snapshot);
    vrfs(snapshot);
}

fn prefixes(snapshot: &Snapshot) {
    let all: Vec<(&NetworkId, Option<&NetworkId>, IpNet)> = snapshot
        .networks
        .iter()
        .flat_map(|network| {
            network.prefixes.iter().map(|prefix| (&network.id, network.parent.as_ref(), prefix.trunc()))
        })
        .collect();
    for (i, (id, parent, prefix)) in all.iter().enumerate() {
        for (other_id, other_parent, other) in &all[i + 1..] {
            let is_family = *parent == Some(*other_id) && other.contains(prefix)
                || *other_parent == Some(*id) && prefix.contains(other);
            let overlap = prefix.contains(other) || other.contains(prefix);
            assert!(!overlap || is_family, "{prefix} of {id} and {other} of {other_id}");
        }
        if let Some(parent) = parent {
            let parent = snapshot.networks.get(parent.as_str()).expect("the parent exists");
            assert!(parent.private_super);
        }
    }
    for network in snapshot.networks.iter().filter(|network| network.private_super) {
        for prefix in &network.prefixes {
            let length = network.default_child_prefix_length[&AddressFamily::of(prefix)];
            assert!(length > prefix.prefix_len());
        }
    }
}

fn addresses(snapshot: &Snapshot) {
    for ip in snapshot.ips.iter() {
        let network = snapshot.networks.get(ip.network.as_str()).expect("the network of an address exists");
        let prefix = ip.parent_prefix;
        assert!(prefix.contains(&ip.address) && prefix == prefix.trunc());
        assert!(
            network.prefixes.iter().any(|listed| listed.trunc() == prefix),
            "{} of {}",
            ip.address,
            network.id
        );
        assert_ne!(ip.address, prefix.network());
        assert!(ip.address.is_ipv6() || ip.address != prefix.broadcast());
        assert!(ip.tags.windows(2).all(|pair| pair[0] < pair[1]));
        let children = snapshot.index.networks_by_parent.get(&network.id);
        let beside =
            children.filter_map(|id| snapshot.networks.get(id.as_str())).flat_map(|child| &child.prefixes);
        assert!(beside.into_iter().all(|child| !prefix.contains(child)));
    }
}

fn vrfs(snapshot: &Snapshot) {
    let mut claimed: BTreeMap<u32, Vec<&NetworkId>> = BTreeMap::new();
    for network in snapshot.networks.iter().filter(|network| network.vrf != 0) {
        claimed.entry(network.vrf).or_default().push(&network.id);
    }
    for claim in snapshot.vrfs.iter() {
        assert!(POOL.contains(&claim.vrf));
        let mut networks: Vec<_> = claim.networks.iter().collect();
        networks.sort_unstable();
        assert_eq!(claimed.remove(&claim.vrf), Some(networks), "vrf {}", claim.vrf);
    }
    assert!(claimed.is_empty(), "{claimed:?}");
}

/// The indexes are those of a snapshot that is loaded from the documents in an order that `seed` picks.
pub fn check_rebuilt(snapshot: &Snapshot, seed: u64) {
    let mut documents = Vec::new();
    snapshot.visit(&mut |key, revision, doc| documents.push((key.to_owned(), revision, doc.clone())));
    let mut rng = metal_plan::Rng::new(u128::from(seed));
    let mut rebuilt = Snapshot::default();
    while !documents.is_empty() {
        let (key, revision, doc) = documents.swap_remove(rng.below(documents.len()));
        rebuilt.put(&key, revision, doc);
    }
    let (index, again) = (&snapshot.index, &rebuilt.index);
    assert_eq!(index.ipam, again.ipam);
    let text = |index: &metal_plan::Indexes| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            index.networks_by_parent,
            index.networks_by_partition,
            index.networks_by_project,
            index.ips_by_network,
            index.ips_by_project,
            index.ips_by_machine
        )
    };
    assert_eq!(text(index), text(again));
}
