//! The agent on a switch.
//!
//! It registers its switch, receives the whole wanted configuration on a stream, compares it with what the device
//! actually is, and closes the difference as one transaction: checked, applied, confirmed, otherwise rolled back and
//! reported. It keeps no state it could not lose: killed at any moment and started again, it ends in the same place.

pub mod agent;
pub mod classify;
pub mod command;
pub mod config;
pub mod desired;
pub mod driver;
pub mod frr;
pub mod metrics;
pub mod neighbor;
pub mod reconcile;
pub mod relay;
pub mod select;
