//! A group: transactions decided one after the other on the same head, made durable together or not at all.
//!
//! Within a group a key may be written several times; only the last write reaches the engine, while each
//! transaction keeps its own entry for the feed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use metal_model::document::{Changes, Revision, State, Write};

use crate::config::{Limits, OPERATION_OVERHEAD};
use crate::feed::{Change, Commit};
use crate::job::{Failure, Ticket};
use crate::shared::Shared;
use crate::stored;

/// What the engine has to do to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Put(Vec<u8>),
    Delete,
}

impl Operation {
    /// Bytes it takes in a request.
    pub fn size(&self, key: &str) -> usize {
        OPERATION_OVERHEAD + key.len() + if let Self::Put(value) = self { value.len() } else { 0 }
    }
}

/// One transaction, checked and encoded, not yet applied.
pub(crate) struct Prepared<D> {
    revision: Revision,
    operations: BTreeMap<String, Operation>,
    bytes: usize,
    changes: Vec<Change<D>>,
}

impl<D: Clone> Prepared<D> {
    /// Checks the expectations of `changes` against `state` and encodes them for `revision`.
    pub fn new<S: State<Doc = D>>(
        state: &S,
        revision: Revision,
        changes: Changes<D>,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut prepared = Self {
            revision,
            operations: BTreeMap::new(),
            bytes: 0,
            changes: Vec::with_capacity(changes.writes.len()),
        };
        for (key, write) in changes.writes {
            let old = state.get(&key);
            let found = old.as_ref().map(|(revision, _)| *revision);
            let (expected, new) = match write {
                Write::Create(doc) => (None, Some(doc)),
                Write::Update { seen, doc } => (Some(seen), Some(doc)),
                Write::Delete { seen } => (Some(seen), None),
            };
            if expected != found {
                return Err(Failure::Conflict { key, expected, found });
            }
            let operation = match &new {
                Some(doc) => Operation::Put(stored::encode(revision, &S::encode(doc))),
                None => Operation::Delete,
            };
            prepared.bytes += operation.size(&key);
            prepared.operations.insert(key.clone(), operation);
            prepared.changes.push(Change { key, old: old.map(|(_, doc)| doc), new });
        }
        let (operations, bytes) = (prepared.operations.len(), prepared.bytes);
        if operations > limits.operations || bytes > limits.bytes {
            let (max_operations, max_bytes) = (limits.operations, limits.bytes);
            return Err(Failure::TooLarge { operations, bytes, max_operations, max_bytes });
        }
        Ok(prepared)
    }

    /// Brings a state to this transaction's revision.
    pub fn apply<S: State<Doc = D>>(&self, state: &mut S) {
        for change in &self.changes {
            match &change.new {
                Some(doc) => state.put(&change.key, self.revision, doc.clone()),
                None => state.remove(&change.key),
            }
        }
    }
}

/// Transactions that share one commit.
pub(crate) struct Group<S: State> {
    /// Revision of the state the first of them was decided on.
    pub base: Revision,
    /// Revision after the last of them.
    pub revision: Revision,
    /// State after the last of them.
    pub state: S,
    /// What the engine has to do.
    pub operations: BTreeMap<String, Operation>,
    bytes: usize,
    tickets: Vec<(Ticket<S>, Revision)>,
    commits: Vec<Arc<Commit<S::Doc>>>,
}

impl<S: State> Group<S> {
    /// An empty group on top of a state.
    pub fn new(base: Revision, state: S) -> Self {
        let (tickets, commits) = (Vec::new(), Vec::new());
        Self { base, revision: base, state, operations: BTreeMap::new(), bytes: 0, tickets, commits }
    }

    /// Nobody waits for it.
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Nothing is written; the transactions in it have only read.
    pub fn is_read_only(&self) -> bool {
        self.commits.is_empty()
    }

    pub fn is_full(&self, limits: &Limits) -> bool {
        self.tickets.len() >= limits.group_transactions
    }

    /// Whether the group stays within its bounds with this transaction. An empty group takes anything.
    pub fn has_room(&self, prepared: &Prepared<S::Doc>, limits: &Limits) -> bool {
        let new_keys = prepared.operations.keys().filter(|key| !self.operations.contains_key(*key)).count();
        self.operations.is_empty()
            || (self.operations.len() + new_keys <= limits.group_operations
                && self.bytes + prepared.bytes <= limits.group_bytes)
    }

    /// Adds a transaction that writes and applies it to the group's state.
    pub fn add(&mut self, mut ticket: Ticket<S>, prepared: Prepared<S::Doc>) {
        prepared.apply(&mut self.state);
        self.revision = prepared.revision;
        for (key, operation) in prepared.operations {
            self.bytes += operation.size(&key);
            match self.operations.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(operation);
                }
                Entry::Occupied(mut entry) => {
                    self.bytes -= entry.get().size(entry.key());
                    entry.insert(operation);
                }
            }
        }
        let commit =
            Commit { revision: prepared.revision, changes: prepared.changes, weight: prepared.bytes };
        self.commits.push(Arc::new(commit));
        ticket.handed_over = true;
        self.tickets.push((ticket, prepared.revision));
    }

    /// Adds a transaction that has only read, or was refused.
    pub fn add_reader(&mut self, ticket: Ticket<S>) {
        self.tickets.push((ticket, self.revision));
    }

    /// The group is durable: publishes it and answers everybody.
    pub fn succeed(self, shared: &Shared<S>, took: Duration) {
        if !self.commits.is_empty() {
            shared.counters.committed(self.commits.len(), took);
            shared.publish(self.state, self.revision, self.commits);
        }
        for (ticket, revision) in self.tickets {
            ticket.done(revision);
        }
    }

    /// Nothing of the group is durable: tells those who wanted to write and gives the others back, to be
    /// decided on what is durable.
    pub fn fail(self, failure: &Failure) -> Vec<Ticket<S>> {
        let (writers, readers): (Vec<_>, Vec<_>) =
            self.tickets.into_iter().map(|(ticket, _)| ticket).partition(|ticket| ticket.handed_over);
        for ticket in writers {
            ticket.fail(failure.clone());
        }
        readers
    }

    /// Nobody knows whether the group is durable: tells those who wanted to write. What is left of it can be
    /// published if it turns out durable later; the others are given back.
    pub fn fail_unknown(mut self, failure: &Failure) -> (Remains<S>, Vec<Ticket<S>>) {
        let commits = std::mem::take(&mut self.commits);
        let remains = Remains { revision: self.revision, state: self.state.clone(), commits };
        (remains, self.fail(failure))
    }

    /// Nothing of the group is durable and it is to be decided again: gives the transactions back.
    pub fn into_tickets(self) -> Vec<Ticket<S>> {
        let give_back = |(mut ticket, _): (Ticket<S>, Revision)| {
            ticket.handed_over = false;
            ticket
        };
        self.tickets.into_iter().map(give_back).collect()
    }
}

/// A group whose callers have been answered "unknown".
pub(crate) struct Remains<S: State> {
    pub revision: Revision,
    state: S,
    commits: Vec<Arc<Commit<S::Doc>>>,
}

impl<S: State> Remains<S> {
    /// It was durable after all.
    pub fn publish(self, shared: &Shared<S>) {
        shared.publish(self.state, self.revision, self.commits);
    }
}
