//! The control plane: REST v1, agents' gRPC, authentication, reconcilers.
//!
//! Everything here is edge: it reads requests, asks `metal-plan` for a decision inside a store transaction, and
//! writes answers. Where to look: [`App`] is what every part shares, `serve` starts and ends the process, `rest`
//! is the public API, `agent` the one for agents, `reconcile` the background tasks.

pub mod agent;
pub mod app;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod coalesce;
mod command;
pub mod config;
pub mod metrics;
mod openapi;
mod outbound;
pub mod pki;
pub mod reconcile;
pub mod rest;
mod serve;
mod server;
mod watch;

pub use app::{App, Builder, Store};
pub use command::{Cli, run};
pub use config::Config;
pub use openapi::document as openapi;
pub use serve::Server;
