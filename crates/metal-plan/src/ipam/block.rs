//! A prefix as arithmetic: family, first address, length. Two blocks are nested or disjoint, never half overlapping.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use metal_model::network::AddressFamily;

/// A masked prefix. IPv4 addresses are numbers below 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// IPv4 or IPv6.
    pub family: AddressFamily,
    /// The network address.
    pub first: u128,
    /// Number of fixed bits.
    pub len: u8,
}

/// Bits of an address.
pub fn width(family: AddressFamily) -> u8 {
    match family {
        AddressFamily::V4 => 32,
        AddressFamily::V6 => 128,
    }
}

/// An address as a number.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// A number as an address; numbers beyond the family are clamped.
pub fn address(family: AddressFamily, number: u128) -> IpAddr {
    match family {
        AddressFamily::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        AddressFamily::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// The lowest `bits` bits.
fn ones(bits: u8) -> u128 {
    1_u128.checked_shl(u32::from(bits)).map_or(u128::MAX, |power| power - 1)
}

impl Block {
    /// A block of a family around an address; `len` beyond the width of the family is clamped.
    pub fn around(family: AddressFamily, number: u128, len: u8) -> Self {
        let len = len.min(width(family));
        Self { family, first: number & !ones(width(family) - len), len }
    }

    /// The block of a prefix, host bits dropped.
    pub fn of(prefix: &IpNet) -> Self {
        Self::around(AddressFamily::of(prefix), number(prefix.addr()), prefix.prefix_len())
    }

    /// The prefix of the block.
    pub fn prefix(&self) -> IpNet {
        match address(self.family, self.first) {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new(v4, self.len).expect("the length fits the family")),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new(v6, self.len).expect("the length fits the family")),
        }
    }

    /// Bits that are free to choose.
    pub fn host_bits(&self) -> u8 {
        width(self.family) - self.len
    }

    /// The last address.
    pub fn last(&self) -> u128 {
        self.first | ones(self.host_bits())
    }

    /// Is the address in it?
    pub fn contains(&self, number: u128) -> bool {
        (self.first..=self.last()).contains(&number)
    }

    /// Is the other block this one or inside it?
    pub fn holds(&self, other: &Self) -> bool {
        self.family == other.family && self.len <= other.len && self.contains(other.first)
    }

    /// The block of the same family and `len` that holds this one.
    pub fn widened(&self, len: u8) -> Self {
        Self::around(self.family, self.first, len.min(self.len))
    }

    /// The other half of the block one bit shorter.
    pub fn buddy(&self) -> Self {
        Self { first: self.first ^ (ones(self.host_bits()).wrapping_add(1)), ..*self }
    }

    /// How many leading bits two blocks of one family share, at most the shorter length.
    pub fn shared_bits(&self, other: &Self) -> u8 {
        let same = (self.first ^ other.first).leading_zeros() - (128 - u32::from(width(self.family)));
        u8::try_from(same).unwrap_or(u8::MAX).min(self.len).min(other.len)
    }
}
