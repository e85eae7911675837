//! The agent's parts on a real kernel.

mod linux;
mod linux_frr;
