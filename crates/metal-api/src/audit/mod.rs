//! The audit log: who did what, from where, with which result. Append-only, bounded in size, searchable.
//!
//! Traces are lines of JSON in segment files; the oldest segment goes when all of them together grow too large. A
//! request's trace is handed to the operating system before the request is acted upon ([`Log::record`]) and reaches
//! the disk at most a second later; many requests share one write. When a trace cannot be stored the request must
//! not happen: that is the caller's duty, and why [`Log::record`] can fail.

mod search;
mod segment;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use metal_model::v1::{AuditFindRequest, AuditResponse, Time};
use metal_runtime::{Clock, TaskTree};
use tokio::sync::{mpsc, oneshot};

use crate::config;
use writer::{Message, Writer};

/// Traces waiting to be written; more wait at the door.
const QUEUE: usize = 4096;

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("open the audit log in {}", dir.display())]
pub struct OpenError {
    dir: PathBuf,
    #[source]
    source: io::Error,
}

/// A trace was not stored, or the log not searched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The file system refused.
    #[error("write the audit log")]
    Write(#[source] Arc<io::Error>),
    /// The file system refused.
    #[error("read the audit log")]
    Read(#[source] Arc<io::Error>),
    /// The log has been closed.
    #[error("the audit log is closed")]
    Closed,
}

/// The audit log; a cheap handle.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    clock: Clock,
    sender: Mutex<Option<mpsc::Sender<Message>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Log {
    /// Opens or creates the log and starts its writer below `tasks`. The writer ends with [`Log::close`], not when
    /// the tree is cancelled: requests that are still being answered then want to be traced too.
    pub fn open(settings: &config::Audit, clock: &Clock, tasks: &TaskTree) -> Result<Self, OpenError> {
        let dir = settings.dir.clone();
        let writer = Writer::open(&dir, settings.max_bytes);
        let writer = writer.map_err(|source| OpenError { dir: dir.clone(), source })?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let (ended_tx, ended) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        tasks.spawn_blocking("audit", move || {
            writer.run(messages, &runtime);
            let _ = ended_tx.send(());
        });
        let inner = Inner {
            dir,
            clock: clock.clone(),
            sender: Mutex::new(Some(sender)),
            ended: Mutex::new(Some(ended)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stores a trace; on return it is out of this process. The time is filled in.
    pub async fn record(&self, trace: AuditResponse) -> Result<(), AuditError> {
        let (stored, answer) = oneshot::channel();
        self.send(Message::Line { line: self.line(trace), stored: Some(stored) }).await?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// Stores a trace soon; waits only when the writer is far behind.
    pub async fn note(&self, trace: AuditResponse) -> Result<(), AuditError> {
        self.send(Message::Line { line: self.line(trace), stored: None }).await
    }

    /// Traces that match, ascending in time; when there are more than the limit, the newest.
    pub async fn search(&self, query: AuditFindRequest) -> Result<Vec<AuditResponse>, AuditError> {
        // Whatever was noted before the question is to be found by it.
        let (reached, answer) = oneshot::channel();
        self.send(Message::Barrier(reached)).await?;
        answer.await.map_err(|_| AuditError::Closed)?;
        let (dir, now) = (self.inner.dir.clone(), self.inner.clock.now());
        let found = tokio::task::spawn_blocking(move || search::run(&dir, &query, now)).await;
        found.map_err(|_| AuditError::Closed)?.map_err(|e| AuditError::Read(Arc::new(e)))
    }

    /// Writes what was accepted, durably, and ends. Later traces are refused.
    pub async fn close(&self) {
        self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // An error means that the writer died, and then it has ended too.
            let _ = ended.await;
        }
    }

    async fn send(&self, message: Message) -> Result<(), AuditError> {
        let sender = self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.ok_or(AuditError::Closed)?.send(message).await.map_err(|_| AuditError::Closed)
    }

    fn line(&self, mut trace: AuditResponse) -> Vec<u8> {
        trace.timestamp = Time(self.inner.clock.now());
        let mut line = serde_json::to_vec(&trace).expect("a trace of strings and numbers always serialises");
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests;
