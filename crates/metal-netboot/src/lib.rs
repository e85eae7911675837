//! Network boot protocols: what is said, apart from the sockets it is said on.
//!
//! So far the relay's part of DHCPv4. Everything here is pure: bytes in, a decision or bytes out.

pub mod dhcp;
pub mod relay;
