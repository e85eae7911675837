//! A transaction in the making: writes against a snapshot, visible to the decision that makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_model::doc::Doc;
use metal_model::document::{Changes, Revision, State, Write};

use super::{Snapshot, Stored, entity};
use crate::Error;

/// Collects the writes of one decision. Later steps of the decision see earlier ones through [`Tx::state`].
#[derive(Debug, Clone)]
pub struct Tx {
    base: Snapshot,
    state: Snapshot,
    writes: BTreeMap<String, Write<Doc>>,
}

/// Revision that uncommitted rows carry inside a transaction.
const UNCOMMITTED: Revision = Revision::MAX;

impl Tx {
    /// Starts from a snapshot; O(1).
    pub fn new(snapshot: &Snapshot) -> Self {
        Self { base: snapshot.clone(), state: snapshot.clone(), writes: BTreeMap::new() }
    }

    /// The snapshot with the writes made so far.
    pub fn state(&self) -> &Snapshot {
        &self.state
    }

    /// Adds a document; refused with the 409 clients know when its key exists.
    pub fn create<D: Stored>(&mut self, doc: D) -> Result<Arc<D>, Error> {
        if D::table(&self.state).contains(&doc.id()) {
            return Err(Error::exists(&entity::<D>(), doc.id()));
        }
        Ok(self.put(doc))
    }

    /// Replaces a document, or adds it when absent.
    pub fn put<D: Stored>(&mut self, doc: D) -> Arc<D> {
        let doc = Arc::new(doc);
        let key = doc.key();
        let write = match self.base.get(&key) {
            Some((seen, _)) => Write::Update { seen, doc: D::wrap(doc.clone()) },
            None => Write::Create(D::wrap(doc.clone())),
        };
        self.state.put(&key, UNCOMMITTED, D::wrap(doc.clone()));
        self.writes.insert(key, write);
        doc
    }

    /// Changes a document in place; 404 when absent.
    pub fn modify<D: Stored>(&mut self, id: &str, change: impl FnOnce(&mut D)) -> Result<Arc<D>, Error> {
        let mut doc = D::clone(self.state.find::<D>(id)?);
        change(&mut doc);
        Ok(self.put(doc))
    }

    /// Removes a document; absent ids are ignored.
    pub fn delete<D: Stored>(&mut self, id: &str) {
        let key = D::key_of(id);
        self.state.remove(&key);
        match self.base.get(&key) {
            Some((seen, _)) => {
                self.writes.insert(key, Write::Delete { seen });
            }
            None => {
                self.writes.remove(&key);
            }
        }
    }

    /// The writes to commit.
    pub fn finish(self) -> Changes<Doc> {
        Changes { writes: self.writes }
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
