//! Cumulus Linux: a switch is configured by one file, `/etc/network/interfaces`, which `ifreload` carries out.
//!
//! [`render`] writes the whole file for an intent. [`Stanzas`] reads such a file: from the one that is in place come the
//! VLANs tenants have already, and the difference between two files is what will change. A port that shall be off is
//! left out of the file altogether: `ifreload` then takes it down. The file is wholly ours; what others want to configure
//! goes to `/etc/network/interfaces.d/`.
//!
//! FRR's part is rendered by [`crate::frr`].

mod render;
mod stanza;

#[cfg(test)]
mod tests;

pub use render::{Actual, Fault, render, staying};
pub use stanza::{Change, Stanzas};
