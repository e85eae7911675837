//! Network configuration as types: what a switch or a machine shall be, and how that reads in FRR, in the Linux data
//! plane, in SONiC and in Cumulus.
//!
//! Everything begins with an [`intent`]: free of any operating system, made only of names and numbers that have been
//! checked ([`name`]). Each dialect turns the same intent into its own form, and compares it with what a device has
//! *now* to find the few steps between. No text from outside reaches a configuration except through a type that cannot
//! hold a line break, a blank or a quote. Nothing here does input or output.

pub mod cumulus;
pub mod frr;
pub mod intent;
pub mod linux;
pub mod name;
pub mod nftables;
pub mod sonic;
pub mod vlan_pool;
