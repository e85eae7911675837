//! Free blocks of a prefix that hands out child prefixes: a buddy system whose free blocks are ordered so that the
//! best fit is one lookup.
//!
//! Free blocks are as large as alignment permits (two free halves are always merged), so equal free space is an equal
//! value, whatever the history.

use std::cmp::Reverse;

use imbl::OrdSet;

use super::block::{Block, width};

/// The free part of one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    whole: Block,
    /// Longest first, then by address.
    free: OrdSet<(Reverse<u8>, u128)>,
    /// How many blocks with two host bits would fit.
    smallest: u128,
}

/// How many blocks with two host bits fit into a block.
pub fn smallest_in(block: &Block) -> u128 {
    block.host_bits().checked_sub(2).map_or(0, |bits| 1_u128 << bits)
}

impl Blocks {
    /// All of a prefix is free.
    pub fn new(whole: Block) -> Self {
        let mut blocks = Self { whole, free: OrdSet::new(), smallest: 0 };
        blocks.insert(whole);
        blocks
    }

    /// How many blocks with two host bits would fit.
    pub fn smallest(&self) -> u128 {
        self.smallest
    }

    /// The block of this length to hand out next: cut from the longest free block that holds it, lowest address first.
    pub fn best_fit(&self, len: u8) -> Option<Block> {
        if len > width(self.whole.family) {
            return None;
        }
        let (_, first) = self.free.get_next(&(Reverse(len), 0))?;
        Some(Block { first: *first, len, ..self.whole })
    }

    /// Takes a block out; false, and nothing changed, when it was not entirely free.
    pub fn take(&mut self, block: Block) -> bool {
        let Some(from) =
            (self.whole.len..=block.len).rev().map(|len| block.widened(len)).find(|b| self.is_free(b))
        else {
            return false;
        };
        self.remove(from);
        // The halves that are not needed stay free.
        for len in from.len + 1..=block.len {
            self.insert(block.widened(len).buddy());
        }
        true
    }

    /// Gives a block back that was taken, and merges halves.
    pub fn give(&mut self, block: Block) {
        let mut merged = block;
        while merged.len > self.whole.len && self.is_free(&merged.buddy()) {
            self.remove(merged.buddy());
            merged = merged.widened(merged.len - 1);
        }
        self.insert(merged);
    }

    fn is_free(&self, block: &Block) -> bool {
        self.free.contains(&(Reverse(block.len), block.first))
    }

    fn insert(&mut self, block: Block) {
        self.free.insert((Reverse(block.len), block.first));
        self.smallest += smallest_in(&block);
    }

    fn remove(&mut self, block: Block) {
        self.free.remove(&(Reverse(block.len), block.first));
        self.smallest -= smallest_in(&block);
    }
}
