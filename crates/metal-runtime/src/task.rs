//! One tree of tasks per process: everything spawned has a name, a parent and an end.
//!
//! Cancelling a node cancels its descendants; [`TaskTree::shutdown`] waits for each of them and tells by name which
//! ended and which had to be aborted. A panic never goes unnoticed: it is logged and reported, and where the task
//! was essential it takes the whole tree down in order, as does an essential task that simply ends.
//!
//! Cancellation is cooperative: a task watches [`TaskTree::cancelled`] and ends where it is safe to.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// A node of the tree; clones are the same node.
#[derive(Clone, Debug)]
pub struct TaskTree {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    path: String,
    /// The ids of this node and everything above it, root first.
    lineage: Vec<u64>,
    token: CancellationToken,
    root: CancellationToken,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Changes whenever a task ends.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    running: BTreeMap<u64, Running>,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Running {
    name: String,
    lineage: Vec<u64>,
    /// Missing between registration and spawn, and for blocking work, which cannot be aborted.
    abort: Option<AbortHandle>,
}

/// A task that ended in a way it should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The task's full name.
    pub task: String,
    /// What it did.
    pub what: FaultKind,
}

/// How a task misbehaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It panicked with this message.
    Panicked(String),
    /// It was essential and ended although nobody asked.
    EndedEarly,
}

/// What became of the tasks that were running when the shutdown began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Ended by themselves.
    pub ended: Vec<String>,
    /// Did not end in time and were aborted (or, for blocking work, left behind).
    pub aborted: Vec<String>,
    /// Misbehaved at any time in the tree's life.
    pub faults: Vec<Fault>,
}

impl ShutdownReport {
    /// Whether every task ended by itself and none ever misbehaved.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.aborted.is_empty() && self.faults.is_empty()
    }
}

/// A hold on one spawned task.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    abort: AbortHandle,
}

impl TaskHandle {
    /// Ends the task at its next await. Prefer a child node and its cancellation where state could be left half-way.
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.abort.is_finished()
    }
}

impl TaskTree {
    /// The root, created once in `main` (and by tests).
    #[must_use]
    pub fn root(name: &str) -> Self {
        let token = CancellationToken::new();
        let shared = Arc::new(Shared {
            state: Mutex::new(State { next_id: 1, ..State::default() }),
            ended: watch::Sender::new(0),
        });
        let node = Node { path: name.to_owned(), lineage: vec![0], root: token.clone(), token, shared };
        Self { node: Arc::new(node) }
    }

    /// A node below this one: cancelled with it, and by itself.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut lineage = self.node.lineage.clone();
        lineage.push(self.node.shared.fresh_id());
        let node = Node {
            path: format!("{}/{name}", self.node.path),
            lineage,
            token: self.node.token.child_token(),
            root: self.node.root.clone(),
            shared: Arc::clone(&self.node.shared),
        };
        Self { node: Arc::new(node) }
    }

    /// The full name of this node.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.node.path
    }

    /// Spawns a task that may end whenever it is done.
    pub fn spawn(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.start(name, false, future)
    }

    /// Spawns a task the process cannot do without: if it ends before it is cancelled, or panics, the whole tree is
    /// cancelled and the fault is reported.
    pub fn spawn_essential(
        &self,
        name: &str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        self.start(name, true, future)
    }

    /// Runs blocking work on a thread where blocking is allowed. It cannot be aborted; it should watch
    /// [`TaskTree::is_cancelled`].
    pub fn spawn_blocking(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        let guard = self.register(name);
        let essential = false;
        let tree = self.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
            tree.judge(&guard.name, essential, outcome);
            drop(guard);
        });
    }

    /// Cancels this node and everything below it.
    pub fn cancel(&self) {
        self.node.token.cancel();
    }

    /// Resolves once this node is cancelled.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.node.token.cancelled()
    }

    /// Whether this node is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.token.is_cancelled()
    }

    /// This node's token, for APIs that want one.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.node.token.clone()
    }

    /// What has misbehaved so far, anywhere in the tree.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.node.shared.lock().faults.clone()
    }

    /// The full names of the tasks running in this node and below.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.running_below().into_values().collect()
    }

    /// Cancels this node and waits for its tasks; those that have not ended after `deadline` are aborted.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.shutdown_unless(deadline, std::future::pending()).await
    }

    /// As [`TaskTree::shutdown`], and stops waiting as soon as `hurry` resolves.
    pub async fn shutdown_unless(
        &self,
        deadline: Duration,
        hurry: impl Future<Output = ()>,
    ) -> ShutdownReport {
        let before = self.running_below();
        self.cancel();
        tokio::select! {
            () = self.idle() => {}
            () = tokio::time::sleep(deadline) => {}
            () = hurry => {}
        }
        let late = self.abort_below();
        // An aborted task ends at its next await; give those that do the time to run their destructors.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.idle()).await;
        let ended =
            before.into_iter().filter(|(id, _)| !late.contains_key(id)).map(|(_, name)| name).collect();
        let aborted = late.into_values().collect();
        ShutdownReport { ended, aborted, faults: self.faults() }
    }

    /// Resolves once nothing runs in this node and below.
    pub async fn idle(&self) {
        let mut ended = self.node.shared.ended.subscribe();
        while self.is_busy() {
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_busy(&self) -> bool {
        let id = self.id();
        self.node.shared.lock().running.values().any(|task| task.lineage.contains(&id))
    }

    fn id(&self) -> u64 {
        self.node.lineage.last().copied().unwrap_or_default()
    }

    fn running_below(&self) -> BTreeMap<u64, String> {
        let id = self.id();
        let state = self.node.shared.lock();
        let below = state.running.iter().filter(|(_, task)| task.lineage.contains(&id));
        below.map(|(id, task)| (*id, task.name.clone())).collect()
    }

    fn abort_below(&self) -> BTreeMap<u64, String> {
        let id = self.id();
        let state = self.node.shared.lock();
        let below = state.running.iter().filter(|(_, task)| task.lineage.contains(&id));
        below
            .map(|(id, task)| {
                if let Some(abort) = &task.abort {
                    abort.abort();
                }
                (*id, task.name.clone())
            })
            .collect()
    }

    fn register(&self, name: &str) -> Guard {
        let name = format!("{}/{name}", self.node.path);
        let mut state = self.node.shared.lock();
        let id = state.take_id();
        let running = Running { name: name.clone(), lineage: self.node.lineage.clone(), abort: None };
        state.running.insert(id, running);
        drop(state);
        Guard { id, name, shared: Arc::clone(&self.node.shared) }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    fn start(
        &self,
        name: &str,
        essential: bool,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        let guard = self.register(name);
        let id = guard.id;
        let tree = self.clone();
        let task = tokio::spawn(async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            tree.judge(&guard.name, essential, outcome);
            drop(guard);
        });
        let abort = task.abort_handle();
        if let Some(running) = self.node.shared.lock().running.get_mut(&id) {
            running.abort = Some(abort.clone());
        }
        TaskHandle { abort }
    }

    fn judge(&self, task: &str, essential: bool, outcome: Result<(), Box<dyn Any + Send>>) {
        let what = match outcome {
            Err(panic) => FaultKind::Panicked(panic_message(panic.as_ref())),
            Ok(()) if essential && !self.is_cancelled() => FaultKind::EndedEarly,
            Ok(()) => return,
        };
        match &what {
            FaultKind::Panicked(message) => {
                tracing::error!(task, essential, error = message.as_str(), "task panicked");
            }
            FaultKind::EndedEarly => tracing::error!(task, "essential task ended"),
        }
        self.node.shared.lock().faults.push(Fault { task: task.to_owned(), what });
        if essential {
            self.node.root.cancel();
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_id(&self) -> u64 {
        self.lock().take_id()
    }
}

impl State {
    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

/// Takes the task off the list however it ends, abortion included.
struct Guard {
    id: u64,
    name: String,
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().running.remove(&self.id);
        self.shared.ended.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests;
