//! Address management without a state of its own: what is free follows from the network, address and claim documents.
//!
//! The structures here are indexes of the snapshot. They are persistent (a clone costs nothing), kept right by each
//! put and remove of a document, and a function of the *set* of documents: the order in which documents are loaded
//! does not matter, an address may come before its network and a child before its parent.
//!
//! - [`Pool`]: per network, the [`Space`] of each prefix. Free addresses are ranges (the lowest one in O(log n)), free
//!   child prefixes a buddy system ordered for best fit.
//! - All prefixes of all networks in one ordered set, for the overlap check.
//! - The free VRF and AS numbers.

pub mod block;
mod blocks;
mod ranges;
mod space;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use metal_model::id::{NetworkId, PartitionId};
use metal_model::network::{ASN_BASE, AddressFamily, AsnClaim, Ip, Network, POOL, VrfClaim};

use block::{Block, number};
use ranges::Ranges;
pub use space::{Pool, Space, Usage};

/// Free space of everything that is handed out by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipam {
    pools: OrdMap<NetworkId, Arc<Pool>>,
    /// Every prefix of every network.
    prefixes: OrdSet<(Block, NetworkId)>,
    private_supers: OrdSet<(PartitionId, NetworkId)>,
    underlays: OrdSet<(PartitionId, NetworkId)>,
    vrfs: Ranges,
    asns: Ranges,
}

impl Default for Ipam {
    fn default() -> Self {
        let numbers = Ranges::new(u128::from(*POOL.start()), u128::from(*POOL.end()));
        Self {
            pools: OrdMap::default(),
            prefixes: OrdSet::default(),
            private_supers: OrdSet::default(),
            underlays: OrdSet::default(),
            vrfs: numbers.clone(),
            asns: numbers,
        }
    }
}

impl Ipam {
    /// The spaces of a network.
    pub fn pool(&self, network: &str) -> Option<&Pool> {
        self.pools.get(network).map(Arc::as_ref)
    }

    /// A prefix that overlaps this one, and its network; only networks that `counts` says.
    pub fn overlapping(
        &self,
        block: &Block,
        counts: impl Fn(&NetworkId) -> bool,
    ) -> Option<(Block, &NetworkId)> {
        // Prefixes that begin inside.
        let begin = (Block { len: 0, ..*block }, NetworkId::default());
        let inside = self
            .prefixes
            .range(begin..)
            .take_while(|(other, _)| other.family == block.family && other.first <= block.last())
            .find(|(_, owner)| counts(owner));
        if let Some((other, owner)) = inside {
            return Some((*other, owner));
        }
        // Prefixes around it. Any such prefix also surrounds the closest one before, which shortens it each time.
        let mut before = (Block { len: block.len + 1, ..*block }, NetworkId::default());
        loop {
            let (other, owner) = self.prefixes.range(..before).next_back()?;
            if other.family != block.family {
                return None;
            }
            if !other.holds(block) {
                let len = block.shared_bits(other);
                before = (Block { len: len + 1, ..block.widened(len) }, NetworkId::default());
            } else if counts(owner) {
                return Some((*other, owner));
            } else {
                before = (*other, owner.clone());
            }
        }
    }

    /// The private super networks of a partition; at most one, decisions take care of that.
    pub fn private_supers<'a>(
        &'a self,
        partition: &PartitionId,
    ) -> impl Iterator<Item = &'a NetworkId> + use<'a> {
        of_partition(&self.private_supers, partition)
    }

    /// The underlay networks of a partition.
    pub fn underlays<'a>(&'a self, partition: &PartitionId) -> impl Iterator<Item = &'a NetworkId> + use<'a> {
        of_partition(&self.underlays, partition)
    }

    /// A free VRF number: the first one that is at least `from`, or else the lowest.
    pub fn free_vrf(&self, from: u32) -> Option<u32> {
        free_number(&self.vrfs, from)
    }

    /// A free AS number, chosen by the pool number `from` like a VRF.
    pub fn free_asn(&self, from: u32) -> Option<u32> {
        free_number(&self.asns, from).map(|number| ASN_BASE + number)
    }

    pub(crate) fn network_changed(&mut self, old: Option<&Network>, new: Option<&Network>) {
        if let (Some(old), Some(new)) = (old, new)
            && old.prefixes == new.prefixes
            && old.parent == new.parent
            && (old.private_super, old.underlay) == (new.private_super, new.underlay)
            && old.partition == new.partition
        {
            return;
        }
        // Children after their parent's own prefixes would be the same; a prefix listed twice counts once.
        if let Some(old) = old {
            for block in blocks_of(old) {
                self.prefixes.remove(&(block, old.id.clone()));
                self.with_pool(&old.id, |pool| pool.list(block, false));
                if let Some(parent) = &old.parent {
                    self.with_pool(parent, |pool| pool.remove_child(block));
                }
            }
            self.private_supers.remove(&(old.partition.clone(), old.id.clone()));
            self.underlays.remove(&(old.partition.clone(), old.id.clone()));
        }
        if let Some(new) = new {
            for block in blocks_of(new) {
                self.prefixes.insert((block, new.id.clone()));
                self.with_pool(&new.id, |pool| pool.list(block, true));
                if let Some(parent) = &new.parent {
                    self.with_pool(parent, |pool| pool.add_child(block));
                }
            }
            if new.private_super {
                self.private_supers.insert((new.partition.clone(), new.id.clone()));
            }
            if new.underlay {
                self.underlays.insert((new.partition.clone(), new.id.clone()));
            }
        }
    }

    pub(crate) fn ip_changed(&mut self, old: Option<&Ip>, new: Option<&Ip>) {
        if let (Some(old), Some(new)) = (old, new)
            && (old.address, old.parent_prefix, &old.network)
                == (new.address, new.parent_prefix, &new.network)
        {
            return;
        }
        if let Some((old, block)) = old.and_then(|ip| Some((ip, block_of_ip(ip)?))) {
            self.with_pool(&old.network, |pool| pool.give_address(block, number(old.address)));
        }
        if let Some((new, block)) = new.and_then(|ip| Some((ip, block_of_ip(ip)?))) {
            self.with_pool(&new.network, |pool| pool.take_address(block, number(new.address)));
        }
    }

    pub(crate) fn vrf_changed(&mut self, old: Option<&VrfClaim>, new: Option<&VrfClaim>) {
        if let Some(old) = old {
            give_number(&mut self.vrfs, old.vrf);
        }
        if let Some(new) = new {
            self.vrfs.take(u128::from(new.vrf));
        }
    }

    pub(crate) fn asn_changed(&mut self, old: Option<&AsnClaim>, new: Option<&AsnClaim>) {
        if let Some(number) = old.and_then(|claim| claim.asn.checked_sub(ASN_BASE)) {
            give_number(&mut self.asns, number);
        }
        if let Some(number) = new.and_then(|claim| claim.asn.checked_sub(ASN_BASE)) {
            self.asns.take(u128::from(number));
        }
    }

    fn with_pool(&mut self, network: &NetworkId, change: impl FnOnce(&mut Pool)) {
        let Some(pool) = self.pools.get_mut(network) else {
            let mut pool = Pool::default();
            change(&mut pool);
            if !pool.is_empty() {
                self.pools.insert(network.clone(), Arc::new(pool));
            }
            return;
        };
        let pool = Arc::make_mut(pool);
        change(pool);
        if pool.is_empty() {
            self.pools.remove(network);
        }
    }
}

/// Where to start looking for a free VRF or AS number: anywhere, so that concurrent decisions do not all want the same.
pub(crate) fn random_pool_number(rng: &mut crate::Rng) -> u32 {
    let size = POOL.end() - POOL.start() + 1;
    let offset = rng.below(usize::try_from(size).unwrap_or(usize::MAX));
    POOL.start() + u32::try_from(offset).unwrap_or_default()
}

/// Prefixes of a network, each once.
fn blocks_of(network: &Network) -> std::collections::BTreeSet<Block> {
    network.prefixes.iter().map(Block::of).collect()
}

/// The block an address was taken from. None when the document contradicts itself.
fn block_of_ip(ip: &Ip) -> Option<Block> {
    let block = Block::of(&ip.parent_prefix);
    (block.family == AddressFamily::of_ip(&ip.address) && block.contains(number(ip.address))).then_some(block)
}

fn of_partition<'a>(
    set: &'a OrdSet<(PartitionId, NetworkId)>,
    partition: &PartitionId,
) -> impl Iterator<Item = &'a NetworkId> + use<'a> {
    let partition = partition.clone();
    set.range((partition.clone(), NetworkId::default())..)
        .take_while(move |(of, _)| *of == partition)
        .map(|(_, network)| network)
}

fn free_number(numbers: &Ranges, from: u32) -> Option<u32> {
    let number = numbers.at_or_after(u128::from(from)).or_else(|| numbers.lowest())?;
    u32::try_from(number).ok()
}

/// Numbers outside the pool belong to foreign documents and are not handed out when those go.
fn give_number(numbers: &mut Ranges, number: u32) {
    if POOL.contains(&number) {
        numbers.give(u128::from(number));
    }
}
