//! Networks: what operators create (private super networks, underlays, external networks) and the child networks
//! projects take out of a private super network.
//!
//! A network document is the only record of its prefixes; what is free in them is derived by [`crate::ipam`]. Every
//! decision is one transaction, so a refusal leaves no prefix and no VRF behind.

mod allocate;
mod create;
mod find;
mod remove;
mod response;
mod rules;
mod update;

use std::sync::Arc;

use metal_model::id::PartitionId;
use metal_model::network::Network;

use crate::Snapshot;

pub use allocate::allocate;
pub use create::create;
pub use find::find;
pub use remove::{delete, free};
pub use response::{consumption, list_response, response};
pub use update::update;

/// The private super network of a partition.
pub fn private_super<'a>(snapshot: &'a Snapshot, partition: &PartitionId) -> Option<&'a Arc<Network>> {
    snapshot.index.ipam.private_supers(partition).find_map(|id| snapshot.networks.get(id.as_str()))
}

/// The underlay networks of a partition; a usable partition has exactly one.
pub fn underlays<'a>(
    snapshot: &'a Snapshot,
    partition: &PartitionId,
) -> impl Iterator<Item = &'a Arc<Network>> + use<'a> {
    snapshot.index.ipam.underlays(partition).filter_map(|id| snapshot.networks.get(id.as_str()))
}

/// Is it a child of a private super network, of whichever partition?
pub fn is_private(snapshot: &Snapshot, network: &Network) -> bool {
    let parent = network.parent.as_ref().and_then(|parent| snapshot.networks.get(parent.as_str()));
    parent.is_some_and(|parent| parent.private_super)
}
