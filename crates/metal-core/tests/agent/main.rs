//! The agent from outside: a device in memory that fails when told, and a control plane on a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod control_plane;
mod device;
mod engine;
mod property;
mod whole;
