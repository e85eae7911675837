//! The agents' API: what machines, switches and partitions say to the control plane over gRPC.
//!
//! The `.proto` files beside this crate's sources are the contract; this crate holds the code generated from them
//! and the one error type both the agents' and the public API answer with.

mod error;
#[expect(clippy::too_many_lines, reason = "generated code")]
pub mod v1;

pub use error::{ApiError, Cause};
