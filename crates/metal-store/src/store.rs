//! The handle: opens an engine, starts the sequencer, and is what everybody else calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::future::BoxFuture;
use metal_model::document::{Changes, Revision, State};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::{EngineConfig, Limits, Options};
use crate::decide::{Message, Sequencer};
use crate::error::{FreshError, OpenError, TransactError, WatchError};
use crate::etcd::fresh::Freshness;
use crate::feed::Feed;
use crate::group::Group;
use crate::job::{Ticket, Typed};
use crate::migrate::Formats;
use crate::shared::{Published, Shared};
use crate::stats::Stats;
use crate::{dump, embedded, etcd};

/// How a store starts its tasks: a name and a future that runs until the store is closed. The embedded engine
/// starts none.
pub type Spawn<'a> = &'a (dyn Fn(&'static str, BoxFuture<'static, ()>) + Sync);

/// A transaction that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// Its revision; for one that wrote nothing, the revision it has read.
    pub revision: Revision,
    /// What the callback gave.
    pub value: T,
}

/// A store of typed documents; a cheap handle. It ends with [`Store::close`], or when the last handle is
/// dropped.
pub struct Store<S: State> {
    inner: Arc<Inner<S>>,
}

impl<S: State> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<S: State> {
    shared: Arc<Shared<S>>,
    inbox: Sender<Message<S>>,
    places: Arc<Semaphore>,
    options: Options,
    freshness: Option<Freshness>,
    is_closing: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Ends waiting for an unreachable cluster.
    hurry: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl<S: State> Drop for Inner<S> {
    fn drop(&mut self) {
        // The committer holds a sender too, so the sequencer must be told.
        let _ = self.inbox.send(Message::Close);
    }
}

/// What an engine needs to run.
pub(crate) struct Running<S: State> {
    pub shared: Arc<Shared<S>>,
    /// Decided groups, in order.
    pub groups: mpsc::UnboundedReceiver<Group<S>>,
    /// The way back to the sequencer.
    pub sequencer: Sender<Message<S>>,
}

impl<S: State> Store<S> {
    /// Opens a store with default bounds. `spawn` starts the tasks of the etcd engine.
    pub async fn open(config: EngineConfig, spawn: Spawn<'_>) -> Result<Self, OpenError> {
        Self::open_with(config, Options::default(), spawn).await
    }

    /// Opens a store.
    pub async fn open_with(
        config: EngineConfig,
        options: Options,
        spawn: Spawn<'_>,
    ) -> Result<Self, OpenError> {
        match config {
            EngineConfig::Embedded { dir } => {
                let place = embedded::Place::Directory(dir);
                Self::open_embedded(place, options, Formats::RELEASE).await
            }
            EngineConfig::Memory => {
                Self::open_embedded(embedded::Place::Memory, options, Formats::RELEASE).await
            }
            EngineConfig::Etcd(config) => Self::open_etcd(config, options, Formats::RELEASE, spawn).await,
        }
    }

    /// Opens the embedded engine, away from the async threads because loading takes a while.
    pub(crate) async fn open_embedded(
        place: embedded::Place,
        options: Options,
        formats: Formats,
    ) -> Result<Self, OpenError> {
        let (engine, state, revision) = off_thread(move || embedded::open::<S>(place, formats)).await??;
        let hurry = CancellationToken::new();
        let (inner, running) = Inner::start(state, revision, options, Limits::EMBEDDED, None, hurry)?;
        let committer = start_thread("store-commit", move || embedded::commit::run(engine, running))?;
        inner.threads.lock().unwrap_or_else(PoisonError::into_inner).push(committer);
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) async fn open_etcd(
        config: crate::config::EtcdConfig,
        options: Options,
        formats: Formats,
        spawn: Spawn<'_>,
    ) -> Result<Self, OpenError> {
        let hurry = CancellationToken::new();
        let opened = etcd::open::<S>(config, options.clone(), formats, hurry.clone()).await?;
        let (state, revision, freshness) = (opened.state.clone(), opened.revision, opened.freshness.clone());
        let (inner, running) = Inner::start(state, revision, options, Limits::ETCD, Some(freshness), hurry)?;
        opened.start(running, spawn);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The newest durable snapshot of this process. Lock-free.
    pub fn snapshot(&self) -> Arc<Published<S>> {
        self.inner.shared.snapshot()
    }

    /// A snapshot that contains every write acknowledged, by any replica, before the call began.
    pub async fn fresh(&self) -> Result<Arc<Published<S>>, FreshError> {
        match &self.inner.freshness {
            // One process owns the file: whatever was acknowledged has been published before.
            None => Ok(self.snapshot()),
            Some(freshness) => freshness.wait(&self.inner.shared, &self.inner.options).await,
        }
    }

    /// Runs `decide` on the newest state and makes its changes durable, all or nothing. The callback gets the
    /// state and its revision; it must be pure, because it may be called again on a newer state. Empty changes
    /// and refusals are answered too only when what was read is durable.
    ///
    /// Dropping the future before the transaction is decided abandons it; afterwards it commits all the same.
    pub async fn transact<F, T, E>(
        &self,
        name: &'static str,
        decide: F,
    ) -> Result<Committed<T>, TransactError<E>>
    where
        F: FnMut(&S, Revision) -> Result<(Changes<S::Doc>, T), E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        if self.inner.is_closing.load(Ordering::Acquire) {
            return Err(TransactError::Closed);
        }
        let place =
            Arc::clone(&self.inner.places).acquire_owned().await.map_err(|_| TransactError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let work = Typed { callback: decide, decided: None, answer };
        let ticket = Ticket::new(name, Box::new(work), place);
        self.inner.inbox.send(Message::Submit(ticket)).map_err(|_| TransactError::Closed)?;
        answered.await.unwrap_or(Err(TransactError::Closed))
    }

    /// The change feed: commits after `after`, or from now on. With several replicas a revision from elsewhere
    /// may be ahead of this one; [`Store::fresh`] first.
    pub fn watch(&self, after: Option<Revision>) -> Result<Feed<S>, WatchError> {
        Feed::new(Arc::clone(&self.inner.shared), after)
    }

    /// A reading of the counters.
    pub fn stats(&self) -> Stats {
        let queue = self.inner.options.queue.saturating_sub(self.inner.places.available_permits());
        self.inner.shared.counters.read(self.snapshot().revision, queue as u64)
    }

    /// Why this store cannot serve any more, if so: it lost its cluster for good or has been closed.
    pub fn fault(&self) -> Option<String> {
        let ended = || self.inner.shared.is_ended().then(|| "the store is closed".to_owned());
        self.inner.shared.broken().or_else(ended)
    }

    /// Writes everything to an engine-independent stream. Takes a while and does not wait: call it where
    /// blocking is allowed.
    pub fn dump(&self, to: impl std::io::Write) -> Result<dump::DumpSummary, crate::DumpError> {
        let snapshot = self.snapshot();
        dump::write(&snapshot.state, snapshot.revision, to)
    }

    /// Finishes what was accepted, refuses what comes later, and ends all threads and tasks. The second caller
    /// waits for nothing.
    pub async fn close(&self) {
        self.inner.is_closing.store(true, Ordering::Release);
        self.inner.places.close();
        let _ = self.inner.inbox.send(Message::Close);
        let ended = self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut ended) = ended {
            // The embedded engine always ends by itself; a cluster without quorum never answers.
            if tokio::time::timeout(self.inner.options.deadline, &mut ended).await.is_err() {
                self.inner.hurry.cancel();
                let _ = ended.await;
            }
        }
        self.inner.hurry.cancel();
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // They have nothing left to do but return.
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
    }
}

impl<S: State> Inner<S> {
    fn start(
        state: S,
        revision: Revision,
        options: Options,
        limits: Limits,
        freshness: Option<Freshness>,
        hurry: CancellationToken,
    ) -> Result<(Self, Running<S>), OpenError> {
        let shared = Arc::new(Shared::new(state, revision, &options));
        let (inbox, messages) = std::sync::mpsc::channel();
        let (groups_tx, groups) = mpsc::unbounded_channel();
        let (ended_tx, ended) = oneshot::channel();
        let sequencer = Sequencer::new(messages, groups_tx, Arc::clone(&shared), limits);
        let thread = start_thread("store-decide", move || {
            sequencer.run();
            let _ = ended_tx.send(());
        })?;
        let running = Running { shared: Arc::clone(&shared), groups, sequencer: inbox.clone() };
        let inner = Self {
            shared,
            inbox,
            places: Arc::new(Semaphore::new(options.queue)),
            options,
            freshness,
            is_closing: AtomicBool::new(false),
            threads: Mutex::new(vec![thread]),
            hurry,
            ended: Mutex::new(Some(ended)),
        };
        Ok((inner, running))
    }
}

fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread
        .map_err(|source| OpenError::Engine { doing: format!("start thread {name}"), source: source.into() })
}

/// Runs something long away from the async threads.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OpenError> {
    let (tx, rx) = oneshot::channel();
    start_thread("store-load", move || {
        // Nobody waits any more when the opening was given up.
        let _ = tx.send(work());
    })?;
    rx.await.map_err(|_| OpenError::Engine {
        doing: "load the store".to_owned(),
        source: "the thread that loads it has panicked".into(),
    })
}
