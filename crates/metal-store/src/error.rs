//! Everything that can go wrong, one type per operation. The messages name the file, key or member concerned
//! and leave the cause to the source chain, because the reader is on call and has not seen this crate.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use metal_model::document::{DecodeError, Revision};

/// A boxed cause from one of the engines.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be created, read or written.
    #[error("open store at {}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("store at {} is in use by another process{holder}", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// ` (pid 123)` when known.
        holder: String,
    },
    /// The file is shorter than it was.
    #[error("store file {} is truncated ({why}); it has been left as it is, restore a copy or a dump", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The file or key prefix holds something else.
    #[error("{place} is not a store of this system ({why}); it has been left as it is")]
    Foreign {
        /// File or prefix.
        place: String,
        /// How we know.
        why: String,
    },
    /// The engine's own structures are damaged.
    #[error("store file {} is damaged ({why}); it has been left as it is, restore a copy or a dump", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// Written by a newer release that this one cannot read.
    #[error("{place} has format {stored}, this release reads up to {known}: start the newer release")]
    NewerFormat {
        /// File or prefix.
        place: String,
        /// Format found.
        stored: u32,
        /// Newest format this release reads.
        known: u32,
    },
    /// A stored document cannot be read.
    #[error("read stored document")]
    Document(#[source] DecodeError),
    /// A stored value is not in the store's form.
    #[error("stored value at {key:?} is malformed: {why}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// A step to a newer stored form failed; the old form is still there.
    #[error("migrate {place} to format {to}: {why}")]
    Migration {
        /// File or prefix.
        place: String,
        /// Format the step leads to.
        to: u32,
        /// What went wrong.
        why: String,
    },
    /// A restore was interrupted.
    #[error("{place} holds half of an interrupted restore: run the restore again")]
    HalfRestored {
        /// File or prefix.
        place: String,
    },
    /// The etcd configuration makes no sense.
    #[error("etcd configuration: {0}")]
    Config(String),
    /// No etcd member answers.
    #[error("reach etcd at {endpoints}")]
    Unreachable {
        /// What was tried.
        endpoints: String,
        /// The last failure.
        #[source]
        source: Cause,
    },
    /// The engine failed at something.
    #[error("{doing}")]
    Engine {
        /// What we were doing.
        doing: String,
        /// What it said.
        #[source]
        source: Cause,
    },
}

/// A transaction did not commit, or it is unknown whether it did.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The callback refused. What it has read is durable.
    #[error("transaction refused")]
    Refused(#[source] E),
    /// An expectation did not hold: the writes were prepared from an older state. Nothing was written.
    #[error("document {key:?} has revision {found:?}, the transaction expected {expected:?}")]
    Conflict {
        /// First key whose expectation failed.
        key: String,
        /// Revision the write relied on; `None` for a key that must not exist.
        expected: Option<Revision>,
        /// Revision it has; `None` when absent.
        found: Option<Revision>,
    },
    /// More than one transaction of the engine can take. Nothing was written.
    #[error(
        "transaction writes {operations} documents and {bytes} bytes; the limit is {max_operations} and {max_bytes}"
    )]
    TooLarge {
        /// Documents written.
        operations: usize,
        /// Bytes written.
        bytes: usize,
        /// Documents allowed.
        max_operations: usize,
        /// Bytes allowed.
        max_bytes: usize,
    },
    /// The callback panicked: a bug. Nothing was written.
    #[error("transaction {name} panicked: {message}")]
    Panicked {
        /// Name given to the transaction.
        name: &'static str,
        /// The panic's message.
        message: String,
    },
    /// Other replicas always were faster. Nothing was written.
    #[error("transaction lost against other replicas {attempts} times")]
    Contended {
        /// How often it was decided.
        attempts: u32,
    },
    /// The engine cannot write now: disk full, no quorum, no connection. Nothing was written.
    #[error("commit to the store: nothing was written")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The connection was lost or the engine failed mid-commit, and asking again was not possible either. The
    /// transaction may have been committed.
    #[error("commit to the store: it is unknown whether it was written")]
    Unknown(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The store is closed. Nothing was written.
    #[error("the store is closed")]
    Closed,
}

/// A linearizable read was not possible.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FreshError {
    /// No member of the cluster answered in time.
    #[error("ask etcd for its latest revision")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The replica did not catch up in time.
    #[error("this replica is at revision {reached}, the cluster at {wanted}, and the deadline has passed")]
    Behind {
        /// Revision of the local snapshot.
        reached: Revision,
        /// Revision of the cluster when asked.
        wanted: Revision,
    },
    /// The replica cannot follow the cluster any more.
    #[error("this replica has stopped following the store: {0}")]
    Broken(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// A feed cannot start where it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Commits after this revision have been dropped already: take a snapshot and start from there.
    #[error("changes after revision {after} are no longer kept; the oldest possible start is {oldest}")]
    TooOld {
        /// Revision asked for.
        after: Revision,
        /// Oldest revision a feed can start after.
        oldest: Revision,
    },
    /// The revision has not happened here: another store, or a replica that is behind (ask for a fresh
    /// snapshot first).
    #[error("revision {after} has not happened here, the latest is {latest}")]
    Ahead {
        /// Revision asked for.
        after: Revision,
        /// Latest revision here.
        latest: Revision,
    },
}

/// A feed ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The consumer was slower than the ring is long: take a snapshot and start over.
    #[error("the consumer fell behind: changes after revision {last} have been dropped")]
    Lagged {
        /// Revision of the last commit delivered, or where the feed started.
        last: Revision,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A dump could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write dump")]
pub struct DumpError(#[from] pub(crate) io::Error);

/// A restore failed. An embedded store is as empty as before; a half restored prefix in etcd is marked and
/// refuses to open until a restore succeeds.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The target cannot be opened.
    #[error("open the store to restore into")]
    Open(#[from] OpenError),
    /// The target holds documents or has been written to.
    #[error("{place} is not empty (revision {revision}): restore only into a new store")]
    NotEmpty {
        /// File or prefix.
        place: String,
        /// Its revision.
        revision: Revision,
    },
    /// The stream cannot be read.
    #[error("read dump")]
    Read(#[source] io::Error),
    /// The stream does not say what it should.
    #[error("dump line {line}: {why}")]
    Malformed {
        /// Line number from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The stream ends before its trailer.
    #[error("the dump is truncated: it ends after {documents} documents without a trailer")]
    Truncated {
        /// Documents read.
        documents: u64,
    },
    /// The stream was altered.
    #[error("the dump is damaged: {why}")]
    Damaged {
        /// Which check failed.
        why: String,
    },
    /// Written by a newer release.
    #[error("the dump has version {found}, this release reads up to {known}")]
    NewerFormat {
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// A document is of no use to this release.
    #[error("read dumped document")]
    Document(#[source] DecodeError),
    /// A document is larger than the engine takes.
    #[error("document {key:?} with {bytes} bytes is larger than the engine takes")]
    TooLarge {
        /// The key.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// The engine failed.
    #[error("{doing}")]
    Engine {
        /// What we were doing.
        doing: String,
        /// What it said.
        #[source]
        source: Cause,
    },
}
