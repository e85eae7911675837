//! Counters of a running store, cheap enough to be always on. The metrics endpoint polls [`Stats`]; nothing in
//! here decides anything.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use metal_model::document::Revision;

/// A reading of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Revision of the local snapshot.
    pub revision: Revision,
    /// Transactions of this process made durable.
    pub commits: u64,
    /// Groups (fsyncs, etcd transactions) they took.
    pub groups: u64,
    /// Commits of other replicas applied.
    pub foreign_commits: u64,
    /// Groups recomputed because another replica was faster.
    pub conflicts: u64,
    /// Groups whose commit failed, or whose answer was lost.
    pub failures: u64,
    /// Those of them that turned out to be committed.
    pub recovered: u64,
    /// Transactions accepted and not yet answered.
    pub queue: u64,
    /// Time the last group took to become durable.
    pub last_commit: Duration,
    /// Time all groups together took to become durable.
    pub total_commit: Duration,
}

/// Where the counting happens.
#[derive(Default)]
pub(crate) struct Counters {
    pub commits: AtomicU64,
    pub groups: AtomicU64,
    pub foreign_commits: AtomicU64,
    pub conflicts: AtomicU64,
    pub failures: AtomicU64,
    pub recovered: AtomicU64,
    last_commit_micros: AtomicU64,
    total_commit_micros: AtomicU64,
}

impl Counters {
    /// One group of `commits` transactions is durable.
    pub fn committed(&self, commits: usize, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(commits as u64, Relaxed);
        self.groups.fetch_add(1, Relaxed);
        self.last_commit_micros.store(micros, Relaxed);
        self.total_commit_micros.fetch_add(micros, Relaxed);
    }

    /// A reading, with what others know filled in.
    pub fn read(&self, revision: Revision, queue: u64) -> Stats {
        Stats {
            revision,
            queue,
            commits: self.commits.load(Relaxed),
            groups: self.groups.load(Relaxed),
            foreign_commits: self.foreign_commits.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            failures: self.failures.load(Relaxed),
            recovered: self.recovered.load(Relaxed),
            last_commit: Duration::from_micros(self.last_commit_micros.load(Relaxed)),
            total_commit: Duration::from_micros(self.total_commit_micros.load(Relaxed)),
        }
    }
}
