//! Nouns of the bare-metal cloud: stored documents, their identifiers, and the wire forms of the public API.
//! No IO, no clock, no randomness.

pub mod agent;
pub mod doc;
pub mod document;
pub mod event_log;
pub mod filesystem_layout;
pub mod id;
pub mod image;
pub mod machine;
pub mod network;
pub mod partition;
pub mod project;
pub mod size;
pub mod switch;
pub mod v1;
