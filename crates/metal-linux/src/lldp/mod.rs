//! LLDP: who is at the other end of a cable.
//!
//! [`Frame`] is what is said, apart from any socket; [`Socket`] says and hears it on one device; [`LinkWatch`] tells when
//! it is worth looking at the devices again. When to speak and what to believe is decided elsewhere.

mod frame;
mod link_watch;
mod ready;
mod socket;
#[cfg(test)]
mod tests;

pub use frame::{Capabilities, ChassisId, Frame, FrameError, PortId};
pub use link_watch::LinkWatch;
pub use ready::{Steady, register};
pub use socket::{Socket, SocketError};
