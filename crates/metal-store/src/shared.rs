//! What the sequencer, the engine and all handles see together: the newest durable snapshot, the ring of
//! commits, the counters, and whether the replica still follows its cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use metal_model::document::{Revision, State};
use tokio::sync::watch;

use crate::config::Options;
use crate::feed::{Commit, Ring};
use crate::stats::Counters;

/// A consistent picture of all documents at one revision. Everything in it is durable.
#[derive(Debug)]
pub struct Published<S> {
    /// Revision of the last commit contained.
    pub revision: Revision,
    /// The documents and their indexes.
    pub state: S,
}

pub(crate) struct Shared<S: State> {
    snapshot: ArcSwap<Published<S>>,
    ring: Mutex<Ring<S::Doc>>,
    reached: watch::Sender<Revision>,
    pub counters: Counters,
    broken: ArcSwapOption<String>,
    ended: AtomicBool,
}

impl<S: State> Shared<S> {
    pub fn new(state: S, revision: Revision, options: &Options) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Published { revision, state }),
            ring: Mutex::new(Ring::new(revision, options.feed_commits, options.feed_bytes)),
            reached: watch::Sender::new(revision),
            counters: Counters::default(),
            broken: ArcSwapOption::empty(),
            ended: AtomicBool::new(false),
        }
    }

    pub fn snapshot(&self) -> Arc<Published<S>> {
        self.snapshot.load_full()
    }

    pub fn ring(&self) -> MutexGuard<'_, Ring<S::Doc>> {
        // The ring is consistent between any two of its statements that can panic, so a poisoned lock is fine.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.reached.subscribe()
    }

    /// Makes durable commits visible: the snapshot first, so that whoever hears of a commit can read it; both
    /// under the ring's lock, so that a feed started from the new snapshot finds its place.
    pub fn publish(
        &self,
        state: S,
        revision: Revision,
        commits: impl IntoIterator<Item = Arc<Commit<S::Doc>>>,
    ) {
        let mut ring = self.ring();
        self.snapshot.store(Arc::new(Published { revision, state }));
        for commit in commits {
            ring.push(commit);
        }
        drop(ring);
        self.reached.send_replace(revision);
    }

    /// Why this replica cannot follow its cluster any more, if so.
    pub fn broken(&self) -> Option<String> {
        self.broken.load_full().map(|why| why.as_ref().clone())
    }

    pub fn break_off(&self, why: String) {
        tracing::error!(reason = %why, "the store has stopped following its cluster");
        self.broken.store(Some(Arc::new(why)));
        self.reached.send_modify(|_| {});
    }

    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The sequencer is gone: nothing will be published any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.reached.send_modify(|_| {});
    }
}
