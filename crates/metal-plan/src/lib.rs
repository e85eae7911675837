//! Decisions of the control plane: snapshot, time and seed in; changes or a refusal out.
//!
//! Nothing here waits, reads a clock or a file, or knows a database. Each resource has one module; a decision is
//! a function over [`Tx`] that either returns `Ok` with its writes collected, or an [`Error`] and then nothing
//! of the transaction is committed.

pub mod allocation;
pub mod asn;
pub mod command;
mod env;
mod error;
pub mod event;
pub mod filesystem_layout;
pub mod image;
pub mod ip;
pub mod ipam;
pub mod isolation;
pub mod issue;
pub mod lease;
pub mod machine;
pub mod network;
pub mod partition;
pub mod placement;
pub mod project;
pub mod reconcile;
mod record;
pub mod registration;
pub mod size;
pub mod size_image_constraint;
pub mod size_reservation;
mod state;
pub mod switch;
pub mod tenant;
#[cfg(test)]
mod testbed;
pub mod version;
pub mod vrf;

pub use env::{Caller, Env, Rng};
pub use error::{Class, Error};
pub use state::{Indexes, Multi, Row, Snapshot, Stored, Table, Tx};
