//! The committer thread of the embedded engine: one group, one redb transaction, one fsync.
//!
//! A write that fails leaves a question: the error may have come before or after the group became durable. So
//! the file is closed, opened again, and asked for the revision of its last group. Only when it cannot be
//! opened, "unknown" is the honest answer; then every later group tries again first, and a group that turns out
//! to be durable is published late.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use metal_model::document::State;

use super::Engine;
use crate::decide::{Lifeline, Message};
use crate::error::Cause;
use crate::group::{Group, Remains};
use crate::job::{Failure, Ticket};
use crate::store::Running;

/// Works until the sequencer has gone.
pub(crate) fn run<S: State>(engine: Engine, running: Running<S>) {
    let Running { shared, mut groups, sequencer } = running;
    let lifeline = Lifeline(sequencer);
    let mut committer = Committer { engine, shared, lifeline, unknown: None };
    while let Some(group) = groups.blocking_recv() {
        committer.commit(group);
    }
}

struct Committer<S: State> {
    engine: Engine,
    shared: Arc<crate::shared::Shared<S>>,
    lifeline: Lifeline<S>,
    /// A group of which nobody knows whether it is durable.
    unknown: Option<Remains<S>>,
}

impl<S: State> Committer<S> {
    fn commit(&mut self, group: Group<S>) {
        if group.is_read_only() && self.is_current(&group) {
            return self.succeed(group, Instant::now());
        }
        if !self.engine.is_open()
            && let Err(error) = self.recover()
        {
            return self.fail(group, &Failure::Unavailable(Arc::from(error)));
        }
        // A group thought lost may have been found as the file was opened again.
        if !self.is_current(&group) {
            return self.rebase(group.into_tickets());
        }
        let started = Instant::now();
        match self.engine.commit(&group.operations, group.revision) {
            Ok(()) => self.succeed(group, started),
            Err(error) => self.resolve(group, started, error),
        }
    }

    /// Whether a group was decided on what is durable.
    fn is_current(&self, group: &Group<S>) -> bool {
        group.base == self.shared.snapshot().revision
    }

    fn succeed(&self, group: Group<S>, started: Instant) {
        group.succeed(&self.shared, started.elapsed());
        self.tell(Message::Finished);
    }

    /// Finds out what a failed write has left behind.
    fn resolve(&mut self, group: Group<S>, started: Instant, error: Cause) {
        self.shared.counters.failures.fetch_add(1, Relaxed);
        tracing::error!(error = %metal_runtime::chain(&*error), revision = group.revision, "a group could not be written; opening the store again");
        match self.engine.reopen() {
            Ok(revision) if revision == group.revision => {
                self.shared.counters.recovered.fetch_add(1, Relaxed);
                self.succeed(group, started);
            }
            Ok(_) => self.fail(group, &Failure::Unavailable(Arc::from(error))),
            Err(why) => {
                tracing::error!(error = %why, "the store could not be opened again after a failed write");
                let (remains, readers) = group.fail_unknown(&Failure::Unknown(Arc::from(error)));
                self.unknown = Some(remains);
                self.rebase(readers);
            }
        }
    }

    /// Opens the file after an earlier attempt has failed.
    fn recover(&mut self) -> Result<(), Cause> {
        let revision = self.engine.reopen()?;
        tracing::info!(revision, "the store is open again");
        if let Some(unknown) = self.unknown.take()
            && unknown.revision == revision
        {
            unknown.publish(&self.shared);
        }
        Ok(())
    }

    fn fail(&self, group: Group<S>, failure: &Failure) {
        let readers = group.fail(failure);
        self.rebase(readers);
    }

    /// Sends the sequencer back to what is durable.
    fn rebase(&self, returned: Vec<Ticket<S>>) {
        let durable = self.shared.snapshot();
        let (state, revision) = (durable.state.clone(), durable.revision);
        self.tell(Message::Rebase { state, revision, returned, released: true });
    }

    fn tell(&self, message: Message<S>) {
        // The sequencer outlives its committer, except when it has panicked; then there is nobody to tell.
        let _ = self.lifeline.0.send(message);
    }
}
