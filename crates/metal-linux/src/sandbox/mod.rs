//! Processes that vanish completely when their owner dies, however it dies.
//!
//! The lab's switches and machines are processes in namespaces of their own. All of one lab live in one process-id
//! namespace whose first process holds the read end of a pipe the lab holds the other end of: when the lab is gone the
//! pipe closes, the first process ends, and the kernel kills the rest and frees their namespaces, devices and mounts.
//! Nothing is given a name on the host, so nothing is left to be cleaned up.

mod enter;
mod init;
mod node;
mod pid;
mod process;

pub use enter::enter;
pub use init::run_init;
pub use node::{Bind, Root, enter_root};
pub use pid::{PidNamespace, Unshare};
pub use process::Process;

/// What could not be done for a sandbox.
#[derive(Debug, thiserror::Error)]
#[error("{action} {object}")]
pub struct SandboxError {
    /// What was tried, for example `mount`.
    pub action: &'static str,
    /// On what, for example `/proc`.
    pub object: String,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

/// Says what was tried when the operating system refuses.
trait Attempt<T> {
    fn attempt(self, action: &'static str, object: impl std::fmt::Display) -> Result<T, SandboxError>;
}

impl<T, E: Into<std::io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, action: &'static str, object: impl std::fmt::Display) -> Result<T, SandboxError> {
        self.map_err(|error| SandboxError { action, object: object.to_string(), source: error.into() })
    }
}
