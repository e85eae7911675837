//! The control plane as its clients see it: the real router over a real store, most tests without a socket.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![expect(clippy::disallowed_methods, reason = "simulated peers are no part of the server's task tree")]

mod agent_denied;
mod agent_events;
mod agent_join;
mod agent_life;
mod agent_replicas;
mod agent_streams;
mod agent_world;
mod api;
mod audit;
mod bad_input;
mod identity;
mod image;
mod ip;
mod issuer;
mod layout;
mod machine;
mod network;
mod openapi;
mod partition;
mod project;
mod reconcile_tasks;
mod roles;
mod size;
mod switch;
mod transport;
mod watch;
mod wire;
