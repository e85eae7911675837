//! Decisions: (snapshot, time, seed) in, changes out. No IO, no clock, no randomness.
