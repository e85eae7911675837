//! Applies what the watcher delivers to the local state. Pure apart from publishing; knows by the store's own
//! revision what is contained already, so that it does not matter how often something is delivered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use metal_model::document::{Revision, State};

use super::replica::Position;
use super::setup::Listing;
use super::watcher::{Batch, Update};
use crate::feed::{Change, Commit};
use crate::load::decode;
use crate::shared::Shared;

/// Applies one update; true when the state has changed. The error is a reason to stop following.
pub(super) fn apply<S: State>(
    shared: &Shared<S>,
    position: &mut Position,
    update: Update,
) -> Result<bool, String> {
    match update {
        Update::Fatal(why) => Err(why),
        Update::Batch(batch) => apply_batch(shared, position, batch),
        Update::Listing(listing) => apply_listing(shared, position, listing),
    }
}

fn apply_batch<S: State>(shared: &Shared<S>, position: &mut Position, batch: Batch) -> Result<bool, String> {
    if batch.restoring {
        return Err("the store is being restored: start this replica again afterwards".to_owned());
    }
    if batch.revision <= position.applied {
        return Ok(false);
    }
    position.applied = batch.revision;
    let Some(head) = batch.head else {
        return match batch.documents.first() {
            None => Ok(false),
            Some((key, _)) => {
                Err(format!("document {key:?} was written past the head key, by something else"))
            }
        };
    };
    position.head_modified = batch.revision;
    let revision = head.revision;
    position.head = head;
    let durable = shared.snapshot();
    if revision <= durable.revision && batch.documents.is_empty() {
        return Ok(false);
    }
    let mut change = Building::new(durable.state.clone());
    for (key, value) in batch.documents {
        change.set(key, value.as_deref())?;
    }
    if revision == durable.revision && change.changes.is_empty() {
        return Ok(false);
    }
    change.publish(shared, durable.revision, revision);
    Ok(true)
}

fn apply_listing<S: State>(
    shared: &Shared<S>,
    position: &mut Position,
    listing: Listing,
) -> Result<bool, String> {
    if listing.revision <= position.applied {
        return Ok(false);
    }
    let Listing { head, head_modified, revision, documents } = listing;
    let durable = shared.snapshot();
    let mut gone = BTreeSet::new();
    durable.state.visit(&mut |key, _, _| {
        gone.insert(key.to_owned());
    });
    let mut change = Building::new(durable.state.clone());
    for (key, value) in documents {
        gone.remove(&key);
        change.set(key, Some(&value))?;
    }
    for key in gone {
        change.set(key, None)?;
    }
    let (before, after) = (durable.revision, head.revision);
    *position = Position { head, head_modified, applied: revision };
    if after == before && change.changes.is_empty() {
        return Ok(false);
    }
    change.publish(shared, before, after);
    Ok(true)
}

/// A state on its way to the next revision.
struct Building<S: State> {
    state: S,
    changes: Vec<Change<S::Doc>>,
    weight: usize,
}

impl<S: State> Building<S> {
    fn new(state: S) -> Self {
        Self { state, changes: Vec::new(), weight: 0 }
    }

    /// Puts a stored value or removes the key; does nothing where the state has it already.
    fn set(&mut self, key: String, value: Option<&[u8]>) -> Result<(), String> {
        let old = self.state.get(&key);
        let new = match value {
            None if old.is_none() => return Ok(()),
            None => {
                self.state.remove(&key);
                None
            }
            Some(bytes) => {
                let (revision, document) = decode::<S>(&key, bytes).map_err(|e| chain(&e))?;
                if old.as_ref().is_some_and(|(had, _)| *had == revision) {
                    return Ok(());
                }
                self.state.put(&key, revision, document.clone());
                self.weight += bytes.len();
                Some(document)
            }
        };
        self.changes.push(Change { key, old: old.map(|(_, document)| document), new });
        Ok(())
    }

    fn publish(self, shared: &Shared<S>, before: Revision, revision: Revision) {
        shared.counters.foreign_commits.fetch_add(revision.saturating_sub(before), Relaxed);
        let commit = Commit { revision, changes: self.changes, weight: self.weight };
        shared.publish(self.state, revision, [Arc::new(commit)]);
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_each() {
        let inner = std::io::Error::other("inner");
        let outer = crate::error::DumpError::from(inner);
        assert_eq!(chain(&outer), "write dump: inner");
    }
}
