//! Leaf switches: their registration, what is connected to them, and what they are told to configure.

mod connect;
pub mod port_name;

pub use connect::{Neighbor, Nic, connect, disconnect, set_vrf};
