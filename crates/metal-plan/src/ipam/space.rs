//! What is used of one prefix of a network, and of all prefixes of a network.
//!
//! A space exists while its network lists the prefix or an address was taken from it, whichever document came first;
//! what it contains follows from the set of documents alone. The structures for addresses and for child prefixes
//! are made on first use, because most prefixes never need one of them.

use std::sync::Arc;

use imbl::OrdMap;
use metal_model::network::AddressFamily;

use super::block::Block;
use super::blocks::{Blocks, smallest_in};
use super::ranges::Ranges;

/// One prefix of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    block: Block,
    listed: bool,
    /// Addresses in use; `addresses` is set while there are any.
    used: u64,
    addresses: Option<Ranges>,
    /// Child prefixes in use; `blocks` is set while there are any.
    children: u64,
    blocks: Option<Blocks>,
}

impl Space {
    fn new(block: Block, children: &OrdMap<Block, u32>) -> Self {
        let mut space = Self { block, listed: false, used: 0, addresses: None, children: 0, blocks: None };
        space.rebuild_children(children);
        space
    }

    /// The prefix.
    pub fn block(&self) -> Block {
        self.block
    }

    /// Addresses in use, without the reserved ones.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Child prefixes in use.
    pub fn children(&self) -> u64 {
        self.children
    }

    /// The lowest free address that is at least `from`. None when all are in use.
    pub fn free_address(&self, from: u128) -> Option<u128> {
        match &self.addresses {
            Some(ranges) => ranges.at_or_after(from),
            None => self.usable().at_or_after(from),
        }
    }

    /// Is the address free? Reserved ones never are.
    pub fn is_free(&self, number: u128) -> bool {
        self.free_address(number) == Some(number)
    }

    /// The child prefix to hand out next.
    pub fn free_block(&self, len: u8) -> Option<Block> {
        match &self.blocks {
            Some(blocks) => blocks.best_fit(len),
            None => Blocks::new(self.block).best_fit(len),
        }
    }

    /// The network address is reserved, for IPv4 also the broadcast address.
    fn reserved(&self) -> u64 {
        match self.block.family {
            AddressFamily::V4 if self.block.len < 32 => 2,
            AddressFamily::V4 | AddressFamily::V6 => 1,
        }
    }

    fn usable(&self) -> Ranges {
        let first = self.block.first.checked_add(1);
        let last = match self.block.family {
            AddressFamily::V4 => self.block.last().checked_sub(1),
            AddressFamily::V6 => Some(self.block.last()),
        };
        match (first, last) {
            (Some(first), Some(last)) => Ranges::new(first, last),
            _ => Ranges::default(),
        }
    }

    /// Numbers of this prefix as clients know them, capped where they always were.
    pub fn usage(&self) -> Usage {
        const CAP: u64 = 2_147_483_647;
        let host_bits = self.block.host_bits();
        let smallest =
            self.blocks.as_ref().map_or_else(|| smallest_in(&self.block), super::blocks::Blocks::smallest);
        Usage {
            available_ips: if host_bits > 31 { CAP } else { 1 << host_bits },
            used_ips: self.used + self.reserved(),
            available_prefixes: u64::try_from(smallest).unwrap_or(CAP).min(CAP),
            used_prefixes: self.children,
        }
    }

    fn take_address(&mut self, number: u128) {
        if self.addresses.is_none() {
            self.addresses = Some(self.usable());
        }
        if self.addresses.as_mut().is_some_and(|ranges| ranges.take(number)) {
            self.used += 1;
        } else if self.used == 0 {
            self.addresses = None;
        }
    }

    fn give_address(&mut self, number: u128) {
        if !self.usable().contains(number)
            || !self.addresses.as_mut().is_some_and(|ranges| ranges.give(number))
        {
            return;
        }
        self.used -= 1;
        if self.used == 0 {
            self.addresses = None;
        }
    }

    /// A child prefix appeared; `children` contains it already.
    fn take_block(&mut self, block: Block, children: &OrdMap<Block, u32>) {
        let taken = self.blocks.get_or_insert_with(|| Blocks::new(self.block)).take(block);
        if taken {
            self.children += 1;
        } else {
            self.rebuild_children(children);
        }
    }

    /// A child prefix is gone; `children` does not contain it any more.
    fn give_block(&mut self, block: Block, children: &OrdMap<Block, u32>) {
        // Overlapping children exist only in documents that were not made by decisions, but then counting is not
        // enough to know what is free.
        if overlapping(children, block) {
            self.rebuild_children(children);
            return;
        }
        if let Some(blocks) = &mut self.blocks {
            blocks.give(block);
        }
        self.children = self.children.saturating_sub(1);
        if self.children == 0 {
            self.blocks = None;
        }
    }

    fn rebuild_children(&mut self, children: &OrdMap<Block, u32>) {
        let mut blocks = Blocks::new(self.block);
        self.children = 0;
        // Block order puts a wider block before those inside it.
        for (child, _) in children.range(self.block..).take_while(|(child, _)| self.block.holds(child)) {
            blocks.take(*child);
            self.children += 1;
        }
        self.blocks = (self.children > 0).then_some(blocks);
    }
}

/// Does any of the blocks overlap this one?
fn overlapping(blocks: &OrdMap<Block, u32>, block: Block) -> bool {
    let inside = blocks.get_next(&block).is_some_and(|(next, _)| block.holds(next));
    inside || (0..=block.len).any(|len| blocks.contains_key(&block.widened(len)))
}

/// Usage of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All addresses.
    pub available_ips: u64,
    /// Addresses in use, reserved ones included.
    pub used_ips: u64,
    /// Free blocks with two host bits.
    pub available_prefixes: u64,
    /// Child prefixes in use.
    pub used_prefixes: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.available_ips = self.available_ips.saturating_add(other.available_ips);
        self.used_ips = self.used_ips.saturating_add(other.used_ips);
        self.available_prefixes = self.available_prefixes.saturating_add(other.available_prefixes);
        self.used_prefixes = self.used_prefixes.saturating_add(other.used_prefixes);
    }
}

/// All prefixes of a network, and the child prefixes that name it as their parent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    spaces: OrdMap<Block, Arc<Space>>,
    /// How many networks have the prefix: one, except in documents that were not made by decisions.
    children: OrdMap<Block, u32>,
}

impl Pool {
    /// The space of a prefix.
    pub fn space(&self, block: &Block) -> Option<&Space> {
        self.spaces.get(block).map(Arc::as_ref)
    }

    /// The listed prefix that contains an address.
    pub fn containing(&self, family: AddressFamily, number: u128) -> Option<&Space> {
        let from = Block { family, first: number, len: u8::MAX };
        // Prefixes of a network do not overlap, so only the closest one can contain the address.
        let (_, space) = self.spaces.get_prev(&from)?;
        (space.listed && space.block.family == family && space.block.contains(number)).then_some(space)
    }

    /// All listed prefixes.
    pub fn listed(&self) -> impl Iterator<Item = &Space> {
        self.spaces.values().map(Arc::as_ref).filter(|space| space.listed)
    }

    /// Prefixes of child networks.
    pub fn children(&self) -> impl Iterator<Item = &Block> {
        self.children.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spaces.is_empty() && self.children.is_empty()
    }

    pub(super) fn list(&mut self, block: Block, listed: bool) {
        self.with_space(block, |space, _| space.listed = listed);
    }

    pub(super) fn take_address(&mut self, block: Block, number: u128) {
        self.with_space(block, |space, _| space.take_address(number));
    }

    pub(super) fn give_address(&mut self, block: Block, number: u128) {
        self.with_space(block, |space, _| space.give_address(number));
    }

    pub(super) fn add_child(&mut self, block: Block) {
        let count = self.children.entry(block).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.with_spaces_around(block, |space, children| space.take_block(block, children));
        }
    }

    pub(super) fn remove_child(&mut self, block: Block) {
        let Some(count) = self.children.get_mut(&block) else { return };
        *count -= 1;
        if *count == 0 {
            self.children.remove(&block);
            self.with_spaces_around(block, |space, children| space.give_block(block, children));
        }
    }

    fn with_space(&mut self, block: Block, change: impl FnOnce(&mut Space, &OrdMap<Block, u32>)) {
        if let Some(space) = self.spaces.get_mut(&block) {
            let space = Arc::make_mut(space);
            change(space, &self.children);
            if !space.listed && space.used == 0 {
                self.spaces.remove(&block);
            }
            return;
        }
        let mut space = Space::new(block, &self.children);
        change(&mut space, &self.children);
        if space.listed || space.used > 0 {
            self.spaces.insert(block, Arc::new(space));
        }
    }

    /// All spaces that hold a block: one, except in documents that were not made by decisions.
    fn with_spaces_around(&mut self, block: Block, mut change: impl FnMut(&mut Space, &OrdMap<Block, u32>)) {
        for len in 0..=block.len {
            let around = block.widened(len);
            if self.spaces.contains_key(&around) {
                self.with_space(around, &mut change);
            }
        }
    }
}
