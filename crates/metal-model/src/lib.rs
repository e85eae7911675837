//! Nouns of the bare-metal cloud: stored documents, their identifiers, and the wire forms of the public API.
//! No IO, no clock, no randomness.

pub mod document;
