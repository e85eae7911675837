//! The agent's parts on a real kernel.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod filter;
mod linux;
mod linux_frr;
