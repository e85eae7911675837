//! What it means to be stored: documents with keys and revisions, writes with expectations, and the
//! in-memory state a store keeps up to date from them.
//!
//! This stands in the model because two crates that must not know each other meet here: `metal-plan`
//! builds [`Changes`] from a state and never does IO; `metal-store` commits [`Changes`] atomically and
//! never knows what a machine is.

use std::collections::BTreeMap;
use std::fmt;

/// Number of a commit. Grows by at least one with every committed transaction of the whole store; a document
/// carries the revision of the commit that last wrote it. 0 means "before the first commit".
pub type Revision = u64;

/// A stored document could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The key does not name a kind this release knows (written by a newer one, or foreign).
    #[error("document {key:?} is of a kind this release does not know")]
    UnknownKind {
        /// The whole key.
        key: String,
    },
    /// The value does not parse as its kind.
    #[error("document {key:?} does not parse: {why}")]
    Malformed {
        /// The whole key.
        key: String,
        /// What the parser said.
        why: String,
    },
}

/// What a transaction does to one key, and what it relied on. The store refuses the whole transaction when an
/// expectation does not hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Write<D> {
    /// The key must not exist. Uniqueness of addresses, VRFs and ASNs is exactly this.
    Create(D),
    /// The key must exist with this revision.
    Update {
        /// Revision of the document the decision was made from.
        seen: Revision,
        /// The new document.
        doc: D,
    },
    /// The key must exist with this revision.
    Delete {
        /// Revision of the document the decision was made from.
        seen: Revision,
    },
}

/// The writes of one transaction: all or nothing, at most one per key.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes<D> {
    /// Key to write, in key order.
    pub writes: BTreeMap<String, Write<D>>,
}

impl<D> Default for Changes<D> {
    fn default() -> Self {
        Self { writes: BTreeMap::new() }
    }
}

impl<D> Changes<D> {
    /// True when committing would do nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// The consistent picture of all documents, held in memory. Cloning must be O(1) (structurally shared maps):
/// each commit publishes a clone.
pub trait State: Clone + Default + Send + Sync + 'static {
    /// Any stored document; cheap to clone (an enum of `Arc`s).
    type Doc: Clone + fmt::Debug + Send + Sync + 'static;

    /// Reads the stored form of `key`. Must accept everything the previous release wrote.
    fn decode(key: &str, bytes: &[u8]) -> Result<Self::Doc, DecodeError>;
    /// Writes the stored form, self-describing.
    fn encode(doc: &Self::Doc) -> Vec<u8>;
    /// The document at `key` and the revision that wrote it.
    fn get(&self, key: &str) -> Option<(Revision, Self::Doc)>;
    /// Replaces or adds a document and keeps all indexes right. Never fails: the store has checked expectations.
    fn put(&mut self, key: &str, revision: Revision, doc: Self::Doc);
    /// Removes a document and keeps all indexes right. Absent keys are ignored.
    fn remove(&mut self, key: &str);
    /// Visits every document in key order (dump).
    fn visit(&self, each: &mut dyn FnMut(&str, Revision, &Self::Doc));
}
