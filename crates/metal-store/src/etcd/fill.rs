//! Filling an empty prefix from a dump. That takes many transactions, so the meta record says "restoring" from
//! the first to the last of them: a half restored store does not open, and the next restore starts by clearing
//! it away. Each transaction compares the meta record, so two restores at once stop each other.

use etcd_client::{Compare, CompareOp, DeleteOptions, Txn, TxnOp};
use metal_model::document::Revision;

use super::Keys;
use super::head::Head;
use super::members::{Fault, Members};
use super::setup::{Found, Pages, census, fault_to_open, read_meta};
use crate::config::{EtcdConfig, Options};
use crate::error::{OpenError, RestoreError};
use crate::migrate::Formats;
use crate::stored::Meta;

/// Bytes collected before they are written.
const FLUSH: usize = 1 << 20;
/// Documents collected before they are written.
const FLUSH_DOCUMENTS: usize = 100;

/// A prefix being filled.
pub(crate) struct Filling {
    keys: Keys,
    members: Members,
    meta: Meta,
    /// etcd revision of the meta record that says "restoring".
    modified: i64,
    pending: Pages,
    bytes: usize,
    documents: usize,
}

impl Filling {
    /// Marks an empty prefix as being restored and clears what an earlier attempt has left.
    pub async fn begin(config: &EtcdConfig, options: &Options) -> Result<Self, RestoreError> {
        let keys = Keys::new(&config.prefix);
        let members = Members::new(config, options)?;
        let found = members.insist(|| read_meta(&members, &keys)).await;
        let found = found.map_err(|f| fault_to_open(&members, "look at the store", f))?;
        let found = found.transpose().map_err(|why| OpenError::Foreign { place: keys.place(), why })?;
        let counted = census(&members, &keys).await;
        let (revision, documents) = counted.map_err(|f| fault_to_open(&members, "count documents", f))?;
        let interrupted = found.as_ref().is_some_and(|found| found.meta.restoring);
        if !interrupted && (revision > 0 || documents > 0) {
            return Err(RestoreError::NotEmpty { place: keys.place(), revision });
        }
        let (mut meta, modified) = match found {
            Some(Found { meta, modified }) => (meta, modified),
            None => (Meta::new(Formats::RELEASE.current), 0),
        };
        meta.restoring = true;
        let mut filling =
            Self { keys, members, meta, modified, pending: Pages::default(), bytes: 0, documents: 0 };
        let mark = vec![
            TxnOp::put(filling.keys.meta(), filling.meta.to_bytes(), None),
            TxnOp::delete(filling.keys.head(), None),
            TxnOp::delete(filling.keys.documents(), Some(DeleteOptions::new().with_prefix())),
        ];
        filling.modified = filling.write("mark the store as being restored", mark).await?;
        Ok(filling)
    }

    /// Adds one document's stored value.
    pub async fn put(&mut self, key: &str, value: Vec<u8>) -> Result<(), RestoreError> {
        self.bytes += key.len() + value.len();
        self.documents += 1;
        self.pending.push(self.keys.document(key), value);
        if self.bytes >= FLUSH || self.documents >= FLUSH_DOCUMENTS { self.flush().await } else { Ok(()) }
    }

    /// Writes what is left and takes the mark away.
    pub async fn finish(mut self, revision: Revision) -> Result<(), RestoreError> {
        self.flush().await?;
        self.meta.restoring = false;
        let unmark = vec![
            TxnOp::put(self.keys.meta(), self.meta.to_bytes(), None),
            TxnOp::put(self.keys.head(), Head::at(revision).to_bytes(), None),
        ];
        self.write("finish the restore", unmark).await.map(|_| ())
    }

    /// Where the store is, for messages.
    pub fn place(&self) -> String {
        self.keys.place()
    }

    async fn flush(&mut self) -> Result<(), RestoreError> {
        (self.bytes, self.documents) = (0, 0);
        for page in std::mem::take(&mut self.pending).done {
            let puts = page.into_iter().map(|(key, value)| TxnOp::put(key, value, None)).collect();
            self.write("write documents", puts).await?;
        }
        Ok(())
    }

    /// One transaction under the mark. Writing the same again does no harm, so lost answers are repeated; only
    /// the transactions that change the mark itself cannot be, and then the restore is run again.
    async fn write(&self, doing: &str, operations: Vec<TxnOp>) -> Result<i64, RestoreError> {
        let failed = |source: Fault| RestoreError::Engine { doing: doing.to_owned(), source: source.into() };
        let send = || {
            let same_mark = Compare::mod_revision(self.keys.meta(), CompareOp::Equal, self.modified);
            self.members.txn(Txn::new().when([same_mark]).and_then(operations.clone()))
        };
        let answer = self.members.insist(send).await.map_err(failed)?;
        if !answer.succeeded() {
            let why = "the store was changed by somebody else in between: run the restore again".to_owned();
            return Err(failed(Fault::Unexpected(why)));
        }
        Ok(answer.header().map_or(0, |header| header.revision()))
    }
}
