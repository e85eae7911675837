//! Follows the prefix: turns etcd's events into one [`Update`] for each etcd revision, in order and without gaps,
//! whatever happens to the connection, the leader or the history.
//!
//! After a lost connection the watch resumes behind the last revision delivered. When that part of the history
//! has been compacted, everything is listed again.

use std::collections::VecDeque;
use std::sync::Arc;

use etcd_client::{Event, EventType, WatchOptions, WatchResponse};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Keys;
use super::head::Head;
use super::members::{Backoff, Fault, Link, Members};
use super::setup::{Listing, list};
use crate::error::Cause;
use crate::stored::Meta;

/// What the replica has to take over.
pub(crate) enum Update {
    /// The events of one etcd revision.
    Batch(Batch),
    /// Everything anew, because the history in between is gone.
    Listing(Listing),
    /// The prefix is in a state nobody can follow.
    Fatal(String),
}

/// The events of one etcd revision below the prefix.
#[derive(Default)]
pub(crate) struct Batch {
    pub revision: i64,
    pub head: Option<Head>,
    /// The meta record says that the store is being restored.
    pub restoring: bool,
    /// The writer that asks for a turn.
    pub turn: Option<String>,
    /// Key and stored value; `None` for a deletion.
    pub documents: Vec<(String, Option<Vec<u8>>)>,
}

/// How following ended.
enum End {
    Lost(Cause),
    Compacted,
    Kicked,
    Gone,
}

pub(crate) struct Watcher {
    keys: Keys,
    members: Members,
    updates: mpsc::Sender<Update>,
    kick: Arc<Notify>,
    hurry: CancellationToken,
    /// The next etcd revision to ask for.
    next: i64,
}

impl Watcher {
    pub fn new(
        keys: Keys,
        members: Members,
        updates: mpsc::Sender<Update>,
        kick: Arc<Notify>,
        hurry: CancellationToken,
        next: i64,
    ) -> Self {
        Self { keys, members, updates, kick, hurry, next }
    }

    /// Runs until the store is closed.
    pub async fn run(mut self) {
        let hurry = self.hurry.clone();
        hurry.run_until_cancelled_owned(self.follow_forever()).await;
    }

    async fn follow_forever(&mut self) {
        let mut backoff = Backoff::default();
        let mut reached = self.next;
        loop {
            match self.follow().await {
                End::Lost(error) => {
                    tracing::warn!(error = %metal_runtime::chain(&*error), revision = self.next, "lost the watch on etcd; trying again");
                    if std::mem::replace(&mut reached, self.next) != self.next {
                        backoff = Backoff::default();
                    }
                    backoff.wait().await;
                }
                End::Kicked => {
                    tracing::warn!(revision = self.next, "the watch on etcd is silent; starting it anew");
                }
                End::Compacted => {
                    tracing::warn!(
                        revision = self.next,
                        "history was compacted; listing all documents again"
                    );
                    if !self.list().await {
                        return;
                    }
                }
                End::Gone => return,
            }
        }
    }

    async fn follow(&mut self) -> End {
        let Link { client, generation, member } = match self.members.link().await {
            Ok(link) => link,
            Err(fault) => return End::Lost(fault.into()),
        };
        let options = WatchOptions::new().with_prefix().with_start_revision(self.next).with_progress_notify();
        let mut watch = client.watch_client().max_decoding_message_size(usize::MAX);
        let started =
            timeout(self.members.request_timeout, watch.watch(self.keys.all(), Some(options))).await;
        let end = match started {
            Err(_) => {
                let waited = self.members.request_timeout;
                End::Lost(Fault::TimedOut { member, waited }.into())
            }
            Ok(Err(source)) => End::Lost(Fault::Lost { member, source }.into()),
            Ok(Ok(mut stream)) => loop {
                let message = tokio::select! {
                    message = stream.message() => message,
                    () = self.kick.notified() => break End::Kicked,
                };
                match message {
                    Ok(Some(response)) => {
                        if let Err(end) = self.take(&response).await {
                            break end;
                        }
                    }
                    Ok(None) => break End::Lost("the watch has ended".into()),
                    Err(source) => break End::Lost(Fault::Lost { member, source }.into()),
                }
            },
        };
        if !matches!(end, End::Compacted | End::Gone) {
            self.members.leave(generation).await;
        }
        end
    }

    async fn take(&mut self, response: &WatchResponse) -> Result<(), End> {
        if response.compact_revision() > 0 {
            return Err(End::Compacted);
        }
        if response.canceled() {
            return Err(End::Lost(format!("the watch was cancelled: {}", response.cancel_reason()).into()));
        }
        if response.events().is_empty() && !response.created() {
            // Progress: nothing has happened below the prefix up to here.
            let reached = response.header().map_or(0, |header| header.revision());
            self.next = self.next.max(reached + 1);
        }
        for update in self.batches(response.events()) {
            let reached = if let Update::Batch(batch) = &update { batch.revision } else { self.next };
            self.updates.send(update).await.map_err(|_| End::Gone)?;
            self.next = self.next.max(reached + 1);
        }
        Ok(())
    }

    /// Groups events by etcd revision. They arrive in order.
    fn batches(&self, events: &[Event]) -> VecDeque<Update> {
        let mut updates = VecDeque::new();
        let mut batch = Batch::default();
        for event in events {
            let Some(kv) = event.kv() else { continue };
            if kv.mod_revision() < self.next {
                continue;
            }
            if kv.mod_revision() != batch.revision {
                if batch.revision > 0 {
                    updates.push_back(Update::Batch(std::mem::take(&mut batch)));
                }
                batch.revision = kv.mod_revision();
            }
            let value = (event.event_type() == EventType::Put).then(|| kv.value());
            if let Err(why) = self.add(&mut batch, kv.key(), value) {
                updates.push_back(Update::Fatal(why));
                return updates;
            }
        }
        if batch.revision > 0 {
            updates.push_back(Update::Batch(batch));
        }
        updates
    }

    fn add(&self, batch: &mut Batch, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        let key = std::str::from_utf8(key).map_err(|e| format!("a key is not text: {e}"))?;
        if let Some(document) = key.strip_prefix(&self.keys.documents()) {
            batch.documents.push((document.to_owned(), value.map(<[u8]>::to_vec)));
        } else if key == self.keys.head() {
            let value = value.ok_or("the head key was deleted")?;
            batch.head = Some(Head::parse(value)?);
        } else if key == self.keys.turn() {
            batch.turn = value.map(|writer| String::from_utf8_lossy(writer).into_owned());
        } else if key == self.keys.meta() {
            let meta = Meta::parse(value.ok_or("the meta record was deleted")?)?;
            batch.restoring = meta.restoring;
        }
        Ok(())
    }

    /// False when the replica has gone.
    async fn list(&mut self) -> bool {
        let mut backoff = Backoff::default();
        loop {
            match list(&self.members, &self.keys).await {
                Ok(listing) => {
                    self.next = listing.revision + 1;
                    return self.updates.send(Update::Listing(listing)).await.is_ok();
                }
                Err(error) => {
                    tracing::warn!(error = %metal_runtime::chain(&error), "could not list all documents; trying again");
                    backoff.wait().await;
                }
            }
        }
    }
}
