//! The task that owns a replica's place in the chain: it commits this process's groups and takes over what other
//! replicas have written, one at a time, so that there is never a question what the local state contains.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use etcd_client::TxnOp;
use metal_model::document::{Revision, State};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Keys;
use super::fresh::PATIENCE;
use super::head::Head;
use super::members::{Backoff, Fault, HeadRead, Members, jitter};
use super::takeover;
use super::turn::Turn;
use super::watcher::Update;
use crate::config::Options;
use crate::decide::{Lifeline, Message};
use crate::group::{Group, Operation};
use crate::job::{Failure, Ticket};
use crate::shared::Shared;
use crate::store::Running;

/// How often a transaction may lose against other replicas.
const ATTEMPTS: u32 = 200;

/// Where in etcd's history the local state stands.
pub(crate) struct Position {
    /// The head's value.
    pub head: Head,
    /// etcd revision that last wrote the head.
    pub head_modified: i64,
    /// etcd revision up to which everything is contained.
    pub applied: i64,
}

pub(crate) struct Replica<S: State> {
    keys: Keys,
    members: Arc<Members>,
    options: Options,
    hurry: CancellationToken,
    kick: Arc<Notify>,
    updates: mpsc::Receiver<Update>,
    position: Position,
    shared: Arc<Shared<S>>,
    groups: mpsc::UnboundedReceiver<Group<S>>,
    lifeline: Lifeline<S>,
    /// This process among all that ever wrote.
    writer: String,
    /// Groups sent so far.
    sent: u64,
    turn: Turn,
}

/// What became of a group whose answer was lost.
enum Resolution {
    Committed,
    NotCommitted,
    Unknown,
}

/// The store is being closed and does not wait for an unreachable cluster.
#[derive(Debug, thiserror::Error)]
#[error("the store is closing")]
struct Closing;

/// The replica has not heard of a write that etcd says has happened.
#[derive(Debug, thiserror::Error)]
#[error("the watch on etcd did not deliver revision {0} in time")]
struct Silent(i64);

/// The replica does not follow its cluster any more.
#[derive(Debug, thiserror::Error)]
#[error("this replica has stopped following the store: {0}")]
struct Broken(String);

impl<S: State> Replica<S> {
    #[expect(clippy::too_many_arguments, reason = "the one caller assembles the parts of a replica here")]
    pub fn new(
        keys: Keys,
        members: Arc<Members>,
        options: Options,
        hurry: CancellationToken,
        kick: Arc<Notify>,
        updates: mpsc::Receiver<Update>,
        position: Position,
        running: Running<S>,
    ) -> Self {
        let writer = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
        let Running { shared, groups, sequencer } = running;
        let lifeline = Lifeline(sequencer);
        let (sent, turn) = (0, Turn::default());
        Self {
            keys,
            members,
            options,
            hurry,
            kick,
            updates,
            position,
            shared,
            groups,
            lifeline,
            writer,
            sent,
            turn,
        }
    }

    /// Runs until the sequencer has gone, then ends the other tasks.
    pub async fn run(mut self) {
        let _end_the_others = self.hurry.clone().drop_guard();
        let mut compaction = interval(self.options.compact_after.unwrap_or(Duration::from_secs(3600)));
        compaction.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compact_to = 0;
        loop {
            tokio::select! {
                biased;
                Some(update) = self.updates.recv() => self.take_over(update),
                group = self.groups.recv() => match group {
                    Some(group) => self.commit(group).await,
                    None => return,
                },
                _ = compaction.tick(), if self.options.compact_after.is_some() => {
                    self.compact(compact_to).await;
                    compact_to = self.position.applied;
                }
            }
        }
    }

    /// Makes a group durable, gives it back to be decided again, or fails it.
    async fn commit(&mut self, group: Group<S>) {
        if let Some(why) = self.shared.broken() {
            return self.fail(group, Arc::new(Broken(why)));
        }
        if self.hurry.is_cancelled() {
            return self.fail(group, Arc::new(Closing));
        }
        if !group.is_read_only() {
            self.hold_back().await;
        }
        if group.base != self.shared.snapshot().revision {
            return self.give_back(group);
        }
        let started = Instant::now();
        if group.is_read_only() {
            return self.confirm(group, started).await;
        }
        self.sent += 1;
        let head = self.position.head.next(&self.writer, self.sent, group.revision);
        let mut backoff = Backoff::default();
        let answer = loop {
            let operations = self.operations(&group);
            let write = self.members.write(&self.keys, self.position.head_modified, operations, &head);
            match self.hurry.run_until_cancelled(write).await {
                Some(Err(Fault::NotSent { .. })) if started.elapsed() < self.options.deadline => {
                    backoff.wait().await;
                }
                answer => break answer,
            }
        };
        match answer {
            Some(Ok(Ok(revision))) => {
                self.position = Position { head, head_modified: revision, applied: revision };
                self.succeed(group, started);
            }
            Some(Ok(Err(other))) => self.conflict(group, other, started).await,
            Some(Err(fault @ (Fault::Lost { .. } | Fault::TimedOut { .. }))) => {
                tracing::warn!(error = %fault, revision = group.revision, "lost the answer to a commit; finding out");
                self.settle(group, head, fault, started).await;
            }
            Some(Err(fault)) => self.fail(group, Arc::new(fault)),
            None => self.settle_closing(group),
        }
    }

    fn operations(&self, group: &Group<S>) -> Vec<TxnOp> {
        let operation = |(key, operation): (&String, &Operation)| match operation {
            Operation::Put(value) => TxnOp::put(self.keys.document(key), value.as_slice(), None),
            Operation::Delete => TxnOp::delete(self.keys.document(key), None),
        };
        group.operations.iter().map(operation).collect()
    }

    /// Answers transactions that have only read, if what they read is still the newest.
    async fn confirm(&mut self, group: Group<S>, started: Instant) {
        let read = self.members.insist(|| self.members.read_head(&self.keys));
        match self.hurry.run_until_cancelled(read).await {
            Some(Ok(Some(read))) if read.modified == self.position.head_modified => {
                self.succeed(group, started);
            }
            Some(Ok(read)) => self.conflict(group, read, started).await,
            Some(Err(fault)) => self.fail(group, Arc::new(fault)),
            None => self.fail(group, Arc::new(Closing)),
        }
    }

    fn succeed(&self, group: Group<S>, started: Instant) {
        group.succeed(&self.shared, started.elapsed());
        self.tell(Message::Finished);
    }

    /// Somebody else has written: catches up and lets the group be decided again.
    async fn conflict(&mut self, group: Group<S>, other: Option<HeadRead>, started: Instant) {
        self.shared.counters.conflicts.fetch_add(1, Relaxed);
        let Some(other) = other else {
            self.shared.break_off("the head key has vanished".to_owned());
            return self.fail(group, Arc::new(Broken("the head key has vanished".to_owned())));
        };
        if let Err(error) = self.catch_up(other.modified, started).await {
            return self.fail(group, error);
        }
        let mut tickets = group.into_tickets();
        let attempts = tickets.iter().map(|ticket| ticket.attempts).max().unwrap_or(0);
        if Turn::is_due(attempts + 1) {
            self.ask_for_turn().await;
        } else {
            sleep(jitter(Duration::from_millis(1 << attempts.min(5)))).await;
        }
        while let Ok(update) = self.updates.try_recv() {
            self.take_over(update);
        }
        for ticket in &mut tickets {
            ticket.attempts += 1;
        }
        self.decide_again(tickets);
    }

    /// Lets a replica go first that has lost too often.
    async fn hold_back(&mut self) {
        while let Some(left) = self.turn.hold() {
            let hurry = self.hurry.clone();
            match timeout(left, hurry.run_until_cancelled(self.updates.recv())).await {
                Ok(Some(Some(update))) => self.take_over(update),
                _ => return,
            }
        }
    }

    /// Asks the others to hold back. If that fails, the next attempt is as good as the last.
    async fn ask_for_turn(&self) {
        let (key, writer) = (self.keys.turn(), self.writer.clone());
        let asked = self.members.request(|mut client| async move { client.put(key, writer, None).await });
        if let Err(fault) = asked.await {
            tracing::debug!(error = %fault, "could not ask for a turn");
        }
    }

    /// Takes over updates until etcd revision `revision` is contained.
    async fn catch_up(
        &mut self,
        revision: i64,
        started: Instant,
    ) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        while self.position.applied < revision {
            let hurry = self.hurry.clone();
            match timeout(PATIENCE, hurry.run_until_cancelled(self.updates.recv())).await {
                Ok(Some(Some(update))) => self.take_over(update),
                Ok(Some(None) | None) => return Err(Arc::new(Closing)),
                Err(_) if started.elapsed() > self.options.deadline => {
                    return Err(Arc::new(Silent(revision)));
                }
                Err(_) => self.kick.notify_one(),
            }
            if let Some(why) = self.shared.broken() {
                return Err(Arc::new(Broken(why)));
            }
        }
        Ok(())
    }

    /// The answer to a commit was lost: finds out what became of it.
    async fn settle(&mut self, group: Group<S>, sent: Head, fault: Fault, started: Instant) {
        self.shared.counters.failures.fetch_add(1, Relaxed);
        match self.fence(started).await {
            (Resolution::Committed, Some(other)) => {
                // If others have written since, the watch delivers ours again, as something known, and theirs.
                let applied = if other.head == sent { other.modified } else { self.position.applied };
                self.position = Position { head: sent, head_modified: applied, applied };
                self.shared.counters.recovered.fetch_add(1, Relaxed);
                self.succeed(group, started);
                if let Err(error) = self.catch_up(other.modified, Instant::now()).await {
                    tracing::warn!(error = %metal_runtime::chain(&*error), "could not catch up after a lost answer");
                }
            }
            (Resolution::NotCommitted, Some(other)) => self.conflict(group, Some(other), started).await,
            (Resolution::NotCommitted, None) if started.elapsed() < self.options.deadline => {
                self.give_back(group);
            }
            (Resolution::NotCommitted, None) => self.fail(group, Arc::new(fault)),
            (Resolution::Unknown | Resolution::Committed, _) => {
                // If it has been committed, the watch delivers it as anybody's.
                let (_, readers) = group.fail_unknown(&Failure::Unknown(Arc::new(fault)));
                self.rebase(readers, true);
            }
        }
    }

    /// Makes sure that the group sent last either has happened or never will. Gives the head where another one
    /// was found.
    async fn fence(&mut self, started: Instant) -> (Resolution, Option<HeadRead>) {
        let until = started + self.options.deadline;
        let mut backoff = Backoff::default();
        while Instant::now() < until {
            let same = self.position.head.clone();
            let write = self.members.write(&self.keys, self.position.head_modified, Vec::new(), &same);
            match self.hurry.run_until_cancelled(write).await {
                None => break,
                Some(Ok(Ok(revision))) => {
                    (self.position.head_modified, self.position.applied) = (revision, revision);
                    return (Resolution::NotCommitted, None);
                }
                Some(Ok(Err(Some(other)))) => {
                    let resolution = match other.head.has(&self.writer, self.sent) {
                        Some(true) => Resolution::Committed,
                        Some(false) => Resolution::NotCommitted,
                        None => Resolution::Unknown,
                    };
                    return (resolution, Some(other));
                }
                Some(Ok(Err(None))) => {
                    self.shared.break_off("the head key has vanished".to_owned());
                    break;
                }
                Some(Err(fault)) => {
                    tracing::debug!(error = %fault, "could not set the fence yet");
                    backoff.wait().await;
                }
            }
        }
        (Resolution::Unknown, None)
    }

    /// Closed while a commit was under way.
    fn settle_closing(&self, group: Group<S>) {
        let (_, readers) = group.fail_unknown(&Failure::Unknown(Arc::new(Closing)));
        self.rebase(readers, true);
    }

    /// Takes over what others have written.
    fn take_over(&mut self, update: Update) {
        if let Update::Batch(batch) = &update {
            if let Some(writer) = batch.turn.as_ref().filter(|writer| **writer != self.writer) {
                self.turn.give(writer.clone());
            }
            if let Some(head) = &batch.head {
                self.turn.note(head);
            }
        }
        match takeover::apply(&self.shared, &mut self.position, update) {
            Ok(false) => {}
            Ok(true) => self.rebase(Vec::new(), false),
            Err(why) => self.shared.break_off(why),
        }
    }

    fn give_back(&self, group: Group<S>) {
        self.decide_again(group.into_tickets());
    }

    /// Returns transactions to the sequencer, unless they have been at it for too long.
    fn decide_again(&self, tickets: Vec<Ticket<S>>) {
        let too_late = |ticket: &Ticket<S>| {
            ticket.attempts >= ATTEMPTS || ticket.submitted.elapsed() >= self.options.deadline
        };
        let (lost, again): (Vec<_>, Vec<_>) = tickets.into_iter().partition(too_late);
        for ticket in lost {
            let attempts = ticket.attempts;
            ticket.fail(Failure::Contended { attempts });
        }
        self.rebase(again, true);
    }

    /// Nothing of the group has happened. Those who only read are told too: nobody can confirm what they read.
    fn fail(&self, group: Group<S>, cause: Arc<dyn std::error::Error + Send + Sync>) {
        let failure = Failure::Unavailable(cause);
        for reader in group.fail(&failure) {
            reader.fail(failure.clone());
        }
        self.rebase(Vec::new(), true);
    }

    fn rebase(&self, returned: Vec<Ticket<S>>, released: bool) {
        let durable = self.shared.snapshot();
        let (state, revision): (S, Revision) = (durable.state.clone(), durable.revision);
        self.tell(Message::Rebase { state, revision, returned, released });
    }

    fn tell(&self, message: Message<S>) {
        // The sequencer outlives this task, except when it has panicked; then there is nobody to tell.
        let _ = self.lifeline.0.send(message);
    }

    /// Lets etcd forget what no watch needs any more. All replicas do it; the slower ones are refused.
    async fn compact(&self, revision: i64) {
        if revision <= 0 {
            return;
        }
        let compacted =
            self.members.request(|mut client| async move { client.compact(revision, None).await });
        if let Err(fault) = compacted.await {
            tracing::debug!(error = %fault, revision, "could not compact etcd's history");
        }
    }
}
