//! Ordered key space with atomic transactions, immutable snapshots and a change feed, on an embedded file
//! (redb) or on etcd. It knows keys, revisions and bytes; what a document means is the [`State`]'s business.
//!
//! One process is one *sequencer*: transactions are pure functions, run one after the other against a
//! speculative head that already contains everything decided before them, and whatever has queued up is made
//! durable together. So within a process there are no conflicts, and concurrent callers share one fsync or one
//! etcd transaction. A caller is answered only when everything its decision has *read* is durable.
//!
//! Where to look: [`store`] is the handle; `decide` the sequencer; `embedded` and `etcd` make groups durable;
//! `feed` is the change feed; `stored` and `migrate` own the stored form; `dump` and `restore` move a store
//! from one engine to the other.

mod config;
mod decide;
mod dump;
mod embedded;
mod error;
mod etcd;
mod feed;
mod group;
mod job;
mod load;
mod migrate;
mod restore;
mod shared;
mod stats;
pub mod store;
mod stored;

pub use config::{EngineConfig, EtcdConfig, Options, TlsFiles};
pub use dump::DumpSummary;
pub use error::{DumpError, FeedError, FreshError, OpenError, RestoreError, TransactError, WatchError};
pub use feed::{Change, Commit, Feed};
pub use restore::{RestoreSummary, restore};
pub use shared::Published;
pub use stats::Stats;
pub use store::{Committed, Spawn, Store};

pub use metal_model::document::{Changes, DecodeError, Revision, State, Write};

#[cfg(test)]
#[path = "../tests/it/registers.rs"]
mod registers;
#[cfg(test)]
#[path = "../tests/it/server.rs"]
mod server;
