//! The etcd engine: several replicas share one key prefix, each holding the whole state in memory.
//!
//! # Why this is strictly serialisable
//!
//! Below the prefix stand the documents (`doc/<key>`), one meta record (`meta`) and one *head* key (`head`) with
//! the revision of the last transaction. Every group is one etcd transaction that compares the head's
//! `mod_revision` with the one its decisions were made on, writes the documents *and* the head. So
//!
//! 1. two groups decided on the same head cannot both commit: all groups of all replicas form one chain, and a
//!    group's decisions have read exactly the state its predecessor in the chain has left;
//! 2. the transactions of a group were decided one after the other on one speculative state, which makes the
//!    chain of groups a chain of transactions, numbered by their revisions;
//! 3. etcd orders its transactions in real time: a transaction that starts after another was acknowledged comes
//!    later in the chain. Transactions that only read are checked against the head with a linearizable read
//!    before they are answered, so the same holds for them.
//!
//! A total order that agrees with real time and in which every transaction reads what its predecessors wrote is
//! what strict serialisability means. The price is that replicas compete for one key; since a replica commits
//! in groups, that costs a recomputation now and then and no throughput.
//!
//! # Following
//!
//! A watch on the prefix keeps each replica current ([`watcher`]). etcd delivers the events of one revision
//! together, and the replica applies them as one commit. [`fresh`] asks for the head's revision with a
//! linearizable read and waits until the replica has reached it.
//!
//! # Taking turns
//!
//! A replica that commits without a pause would always win the next round too, because it knows of its own
//! commit first. So one that has lost repeatedly writes its name into `turn`; the others hear of it through
//! their watch and hold back until it has committed, or for a moment at most ([`turn`]). Correctness does not
//! depend on it.
//!
//! # Lost answers
//!
//! When the answer to a commit is lost, the commit may have happened, not have happened, or still happen. A
//! *fence* settles it: the head is rewritten under the same comparison. If that succeeds, the lost transaction
//! can never succeed again; if not, the head's new value says who wrote it, with the last groups of the recent
//! writers, and so whether ours is among them ([`head`], [`replica`]).

pub(crate) mod fill;
pub(crate) mod fresh;
mod head;
mod members;
mod replica;
mod setup;
mod takeover;
mod turn;
mod watcher;

use std::sync::Arc;

use metal_model::document::{Revision, State};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{EtcdConfig, Options};
use crate::error::OpenError;
use crate::load;
use crate::migrate::Formats;
use crate::store::{Running, Spawn, off_thread};

use fresh::{Freshness, Reader};
use members::Members;
use replica::{Position, Replica};
use watcher::Watcher;

/// Updates a replica may be behind its watcher.
const UPDATES: usize = 1024;

/// The names of the keys.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        Self { prefix: if prefix.is_empty() { "metal" } else { prefix }.to_owned() }
    }

    pub fn all(&self) -> String {
        format!("{}/", self.prefix)
    }

    pub fn head(&self) -> String {
        format!("{}/head", self.prefix)
    }

    pub fn meta(&self) -> String {
        format!("{}/meta", self.prefix)
    }

    pub fn turn(&self) -> String {
        format!("{}/turn", self.prefix)
    }

    pub fn documents(&self) -> String {
        format!("{}/doc/", self.prefix)
    }

    pub fn document(&self, key: &str) -> String {
        format!("{}/doc/{key}", self.prefix)
    }

    /// For messages.
    pub fn place(&self) -> String {
        format!("etcd prefix {:?}", self.prefix)
    }
}

/// A loaded replica that does not run yet.
pub(crate) struct Opened<S> {
    pub state: S,
    pub revision: Revision,
    pub freshness: Freshness,
    reader: Reader,
    position: Position,
    keys: Keys,
    members: Arc<Members>,
    /// The watch has its own connection, so that a slow one does not hold up the other.
    watch_members: Members,
    options: Options,
    hurry: CancellationToken,
    kick: Arc<Notify>,
}

/// Connects, creates or checks the store, loads it.
pub(crate) async fn open<S: State>(
    config: EtcdConfig,
    options: Options,
    formats: Formats,
    hurry: CancellationToken,
) -> Result<Opened<S>, OpenError> {
    let keys = Keys::new(&config.prefix);
    let members = Arc::new(Members::new(&config, &options)?);
    let watch_members = Members::new(&config, &options)?;
    setup::ensure(&members, &keys, formats).await?;
    let listing = setup::list(&members, &keys).await?;
    let (head, position) = (listing.head.clone(), listing.revision);
    let documents = listing.documents;
    let load = move || {
        load::load::<S>(move |each| {
            let _ = documents.into_iter().all(each);
            Ok(())
        })
    };
    let state = off_thread(load).await??;
    let kick = Arc::new(Notify::new());
    let (freshness, reader) =
        fresh::channel(Arc::clone(&members), keys.clone(), hurry.clone(), Arc::clone(&kick));
    let revision = head.revision;
    let position = Position { head, head_modified: listing.head_modified, applied: position };
    Ok(Opened {
        state,
        revision,
        freshness,
        reader,
        position,
        keys,
        members,
        watch_members,
        options,
        hurry,
        kick,
    })
}

impl<S: State> Opened<S> {
    /// Starts the replica's tasks. They end when the sequencer does.
    pub fn start(self, running: Running<S>, spawn: Spawn<'_>) {
        let (tx, updates) = mpsc::channel(UPDATES);
        let watcher = Watcher::new(
            self.keys.clone(),
            self.watch_members,
            tx,
            Arc::clone(&self.kick),
            self.hurry.clone(),
            self.position.applied + 1,
        );
        let replica = Replica::new(
            self.keys,
            self.members,
            self.options,
            self.hurry,
            self.kick,
            updates,
            self.position,
            running,
        );
        spawn("store-watch", Box::pin(watcher.run()));
        spawn("store-fresh", Box::pin(self.reader.run()));
        spawn("store-replica", Box::pin(replica.run()));
    }
}
