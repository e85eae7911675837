//! Faults of the embedded engine that only a made-up backend can produce.
