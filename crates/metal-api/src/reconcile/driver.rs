//! Runs the tasks and keeps what they say: one loop for each, a board for all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::select_all;
use jiff::{SignedDuration, Timestamp};
use metal_model::agent::TaskStatus;
use metal_model::v1::TaskResponse;
use metal_plan::{Env, Snapshot, Tx};
use metal_runtime::TaskTree;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, watch};
use tracing::Instrument as _;

use super::{Reconciler, Scope, Summary, election};
use crate::agent::hub::{Listener, Topic};
use crate::app::App;
use crate::coalesce;

/// Changes that wake a task are collected for this long.
const COLLECT: Duration = Duration::from_secs(1);

/// The status document of a task that has nothing new to say is written this often.
const WRITE_AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// And never more often than this.
const WRITE_AT_MOST: SignedDuration = SignedDuration::from_mins(1);

/// What the background tasks of this replica tell about themselves.
#[derive(Debug)]
pub struct Board {
    entries: Mutex<BTreeMap<&'static str, Entry>>,
    leads: watch::Sender<bool>,
    metrics: Metrics,
}

impl Default for Board {
    fn default() -> Self {
        Self { entries: Mutex::default(), leads: watch::Sender::new(false), metrics: Metrics::default() }
    }
}

#[derive(Debug, Clone, Default)]
struct Metrics {
    activations: Family<TaskLabel, Counter>,
    failures: Family<TaskLabel, Counter>,
    last_seconds: Family<TaskLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    leads: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: &'static str,
}

impl Metrics {
    fn register(&self, app: &App) {
        let registry = &app.registry;
        registry.register("metal_api_task_runs", "runs of background tasks", self.activations.clone());
        registry.register(
            "metal_api_task_failures",
            "failed runs of background tasks",
            self.failures.clone(),
        );
        registry.register(
            "metal_api_task_last_duration_seconds",
            "duration of the last run of a background task",
            self.last_seconds.clone(),
        );
        registry.register(
            "metal_api_leader",
            "1 on the replica that runs the background tasks",
            self.leads.clone(),
        );
    }
}

/// What is known about one task.
#[derive(Debug, Clone)]
struct Entry {
    description: &'static str,
    scope: Scope,
    /// None when it is switched off.
    period: Option<Duration>,
    poke: Arc<Notify>,
    is_running: bool,
    runs: u64,
    failures: u64,
    last: Option<Run>,
    /// What the status document says, and when it was written.
    written: Option<(Timestamp, String)>,
}

#[derive(Debug, Clone)]
struct Run {
    started: Timestamp,
    took: Duration,
    outcome: Result<Summary, String>,
}

impl Run {
    /// Text that tells whether there is news.
    fn digest(&self) -> String {
        match &self.outcome {
            Ok(summary) => summary.text.clone(),
            Err(error) => format!("failed: {error}"),
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a task run soon. False when there is no such task here.
    pub fn poke(&self, name: &str) -> bool {
        let poke = self.lock().get(name).map(|entry| Arc::clone(&entry.poke));
        if let Some(poke) = &poke {
            poke.notify_one();
        }
        poke.is_some()
    }

    /// Whether this replica leads.
    pub fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    /// How often a task has run here.
    pub fn runs(&self, name: &str) -> u64 {
        self.lock().get(name).map_or(0, |entry| entry.runs)
    }

    fn enter(&self, task: &dyn Reconciler, period: Option<Duration>) -> Arc<Notify> {
        let poke = Arc::new(Notify::new());
        let entry = Entry {
            description: task.description(),
            scope: task.scope(),
            period,
            poke: Arc::clone(&poke),
            is_running: false,
            runs: 0,
            failures: 0,
            last: None,
            written: None,
        };
        self.lock().insert(task.name(), entry);
        poke
    }

    fn begin(&self, name: &str) {
        if let Some(entry) = self.lock().get_mut(name) {
            entry.is_running = true;
        }
    }

    /// Takes note of a run; gives the document to write, if it is time for one.
    fn end(&self, name: &'static str, replica: &str, run: Run) -> Option<TaskStatus> {
        let label = TaskLabel { task: name };
        self.metrics.activations.get_or_create(&label).inc();
        self.metrics.last_seconds.get_or_create(&label).set(run.took.as_secs_f64());
        let mut entries = self.lock();
        let entry = entries.get_mut(name)?;
        entry.is_running = false;
        entry.runs += 1;
        if run.outcome.is_err() {
            entry.failures += 1;
            self.metrics.failures.get_or_create(&label).inc();
        }
        let digest = run.digest();
        let is_due = entry.written.as_ref().is_none_or(|(when, said)| {
            let age = run.started.duration_since(*when);
            age >= WRITE_AGAIN || (*said != digest && age >= WRITE_AT_MOST)
        });
        let status = (is_due && entry.scope == Scope::Leader).then(|| TaskStatus {
            id: name.to_owned(),
            replica: replica.to_owned(),
            started: run.started,
            took_ms: u64::try_from(run.took.as_millis()).unwrap_or(u64::MAX),
            summary: run.outcome.as_ref().map(|summary| summary.text.clone()).unwrap_or_default(),
            error: run.outcome.as_ref().err().cloned(),
            activations: entry.runs,
        });
        if status.is_some() {
            entry.written = Some((run.started, digest));
        }
        entry.last = Some(run);
        status
    }
}

/// Starts the election and a loop for each task.
pub(super) fn start(app: &Arc<App>, tasks: &TaskTree, all: Vec<Arc<dyn Reconciler>>) {
    let board = &app.reconcilers;
    board.metrics.register(app);
    tasks.spawn_essential("election", election::run(Arc::clone(app), board.leads.clone(), tasks.clone()));
    tasks.spawn("last-flush", last_flush(Arc::clone(app), tasks.clone()));
    for task in all {
        let configured = app.config.reconcile.periods.get(task.name());
        let period = configured.copied().unwrap_or(Some(task.period()));
        let poke = board.enter(&*task, period);
        let Some(period) = period else { continue };
        let name = task.name();
        let listeners = task.wakes_on().iter().map(|kind| app.agents.hub.listen(Topic::Kind(kind))).collect();
        let worker = Worker {
            app: Arc::clone(app),
            tasks: tasks.clone(),
            leads: board.leads.subscribe(),
            task,
            period,
            poke,
            listeners,
        };
        tasks.spawn_essential(name, worker.run());
    }
}

/// Agents are gone by the time background tasks end; what they said last is written before the store closes.
async fn last_flush(app: Arc<App>, tasks: TaskTree) {
    tasks.cancelled().await;
    if let Err(error) = coalesce::flush(&app, true).await {
        tracing::warn!(error = metal_runtime::chain(&error), "the last signs of life are lost");
    }
}

struct Worker {
    app: Arc<App>,
    tasks: TaskTree,
    leads: watch::Receiver<bool>,
    task: Arc<dyn Reconciler>,
    period: Duration,
    poke: Arc<Notify>,
    listeners: Vec<Listener>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            if !self.may_run().await {
                return;
            }
            self.activate().await;
            let changed = async {
                if self.listeners.is_empty() {
                    std::future::pending::<()>().await;
                }
                select_all(self.listeners.iter_mut().map(|listener| listener.heard().boxed())).await;
                tokio::time::sleep(COLLECT).await;
            };
            tokio::select! {
                () = tokio::time::sleep(self.period) => {}
                () = self.poke.notified() => {}
                () = changed => {}
                () = self.tasks.cancelled() => return,
            }
        }
    }

    /// Waits until this replica is to run the task; false when the end came first.
    async fn may_run(&mut self) -> bool {
        if self.task.scope() == Scope::Replica {
            return !self.tasks.is_cancelled();
        }
        tokio::select! {
            leads = self.leads.wait_for(|leads| *leads) => leads.is_ok(),
            () = self.tasks.cancelled() => false,
        }
    }

    async fn activate(&self) {
        let (app, name) = (&self.app, self.task.name());
        let board = &app.reconcilers;
        board.metrics.leads.set(i64::from(board.leads()));
        board.begin(name);
        let (started, timer) = (app.clock.now(), metal_runtime::clock::monotonic());
        let span = tracing::info_span!("reconcile", task = name);
        let outcome = self.task.activate(app).instrument(span).await;
        let outcome = outcome.map_err(|error| {
            let error = metal_runtime::chain(&error);
            tracing::warn!(task = name, error = error.as_str(), "background task failed, will try again");
            error
        });
        let run = Run { started, took: timer.elapsed(), outcome };
        let Some(status) = board.end(name, &app.replica, run) else { return };
        let decide = move |tx: &mut Tx, _: &mut Env| {
            tx.put(status.clone());
            Ok(())
        };
        if let Err(error) = app.transact("task status", &app.system_caller(), decide).await {
            tracing::warn!(task = name, error = metal_runtime::chain(&error), "cannot store a task's status");
        }
    }
}

/// All tasks of this replica; of those that run elsewhere, what their document says.
pub(super) fn list(app: &App, snapshot: &Snapshot) -> Vec<TaskResponse> {
    let board = &app.reconcilers;
    let leads = board.leads();
    let entries = board.lock();
    let names = super::all();
    let known = names.iter().filter_map(|task| Some((task.name(), entries.get(task.name())?)));
    known.map(|(name, entry)| response(app, snapshot, leads, name, entry)).collect()
}

fn response(app: &App, snapshot: &Snapshot, leads: bool, name: &str, entry: &Entry) -> TaskResponse {
    let is_here = leads || entry.scope == Scope::Replica;
    let state = match (entry.period, is_here, entry.is_running) {
        (None, ..) => "off",
        (Some(_), false, _) => "standby",
        (Some(_), true, true) => "running",
        (Some(_), true, false) => "idle",
    };
    let mut response = TaskResponse {
        name: name.to_owned(),
        description: entry.description.to_owned(),
        replica: app.replica.clone(),
        state: state.to_owned(),
        period: entry.period.map_or(0, nanoseconds),
        runs: entry.runs,
        failures: entry.failures,
        ..TaskResponse::default()
    };
    match (&entry.last, snapshot.task_statuses.get(name)) {
        (Some(run), _) if is_here => {
            response.last_started = run.started.into();
            response.last_duration = nanoseconds(run.took);
            response.last_error = run.outcome.as_ref().err().cloned();
            if let Ok(summary) = &run.outcome {
                response.status = with_text(summary);
            }
        }
        (_, Some(stored)) if !is_here => {
            response.replica.clone_from(&stored.replica);
            response.runs = stored.activations;
            response.last_started = stored.started.into();
            response.last_duration =
                i64::try_from(stored.took_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            response.last_error.clone_from(&stored.error);
            response.status = serde_json::json!({ "summary": stored.summary });
        }
        _ => {}
    }
    response
}

fn with_text(summary: &Summary) -> serde_json::Value {
    let mut status = summary.status.clone();
    if let Some(members) = status.as_object_mut() {
        members.insert("summary".to_owned(), summary.text.clone().into());
    }
    status
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
