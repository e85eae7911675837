//! What we ask of the Linux kernel: netlink, namespaces, LLDP sockets, sandboxes.
//!
//! The only crate with unsafe code, each piece small and with the reason why it is sound.

pub mod lldp;
pub mod namespace;
pub mod netlink;
pub mod sandbox;
pub mod sysctl;
