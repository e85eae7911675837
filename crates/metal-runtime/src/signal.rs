//! Ending on request: the first SIGTERM or SIGINT drains, the second one stops waiting.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::task::{ShutdownReport, TaskTree};

/// Signals that ask the process to end.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts catching; from here on the process no longer dies of SIGTERM or SIGINT by itself.
    ///
    /// # Errors
    /// Fails when the handlers cannot be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next request to end and names the signal.
    pub async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Lets the tree work until a signal arrives or the tree cancels itself, then shuts it down within `deadline`.
    /// A second signal shortens the deadline to nothing.
    pub async fn run(mut self, tree: &TaskTree, deadline: Duration) -> ShutdownReport {
        tokio::select! {
            signal = self.recv() => tracing::info!(reason = signal, "shutting down"),
            () = tree.cancelled() => tracing::info!(reason = "cancelled", "shutting down"),
        }
        let again = async move {
            let signal = self.recv().await;
            tracing::warn!(reason = signal, "told twice, not waiting for tasks");
        };
        tree.shutdown_unless(deadline, again).await
    }
}
