//! Start-up skeleton shared by the binaries: task tree, clock, tracing, TLS, secrets, metrics, shutdown.
//!
//! Everything a daemon needs before it does anything of its own lives here once, so that all of them start,
//! log, end and fail in the same way. It knows nothing about machines or networks.

pub mod clock;
pub mod config;
pub mod error;
pub mod file;
pub mod log;
pub mod metrics;
pub mod pki;
pub mod secret;
pub mod signal;
pub mod task;
pub mod tls;

pub use clock::Clock;
pub use error::chain;
pub use secret::Secret;
pub use task::{ShutdownReport, TaskTree};
