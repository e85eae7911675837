//! The agent on a switch.
//!
//! It registers its switch, receives the whole wanted configuration on a stream, compares it with what the device
//! actually is, and closes the difference as one transaction: checked, applied, confirmed, otherwise rolled back and
//! reported. It keeps no state it could not lose: killed at any moment and started again, it ends in the same place.

pub mod driver;
pub mod frr;
