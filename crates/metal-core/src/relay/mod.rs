//! The DHCP relay of the PXE network: machines broadcast on the leaf, the boot service answers from wherever it is.
//!
//! What to do with a message is decided in `metal-netboot`; here are the sockets. One is bound to the interface towards
//! the machines and hears their broadcasts; the other is bound to that interface's address and talks with the servers.
//! The interface may appear later, lose its address, or be made anew: the sockets follow. A machine that floods is
//! slowed down by its hardware address before anything is sent on its behalf.

mod counters;
mod limit;
mod socket;
mod task;

use std::net::Ipv4Addr;

pub use counters::Counters;
pub use task::Relay;

/// What to relay, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// The interface towards the machines, for example `vlan4000`.
    pub interface: String,
    /// The servers; each gets every request. Replies from anybody else are dropped.
    pub servers: Vec<Ipv4Addr>,
    /// Who we are, for the servers: the switch.
    pub remote_id: String,
    /// Requests that passed this many relays are dropped.
    pub most_hops: u8,
}

impl RelaySettings {
    /// The usual ones.
    #[must_use]
    pub fn new(interface: &str, servers: Vec<Ipv4Addr>, remote_id: &str) -> Self {
        Self { interface: interface.to_owned(), servers, remote_id: remote_id.to_owned(), most_hops: 4 }
    }
}
