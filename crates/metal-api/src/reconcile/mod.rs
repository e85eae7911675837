//! Background tasks: what must become true by itself.
//!
//! Each task looks at what is, never at what it was told. It runs on its period, when somebody pokes it, and when a
//! kind of document it cares about has changed; none of these carries an argument, so a lost wake-up costs a period
//! and nothing else, and a task that runs twice in a row finds nothing to do the second time. There is one way through
//! a task for good and for bad days: the scan that repairs after a crash is the scan that runs every minute.
//!
//! What a task decides is a function of `metal-plan` in a transaction, so it does not matter that its snapshot was
//! old, that two replicas believe to lead at once, or that it dies half-way. Tasks that scan everything run only on
//! the replica that leads (see [`election`]); tasks about this process's memory run on every one.
//!
//! A new task is a file with a type that implements [`Reconciler`] and a line in [`all`]. What it returns is kept for
//! operators: `GET /v1/task`, `metalctl`, metrics, and a document that survives the replica.

mod certificates;
mod commands;
mod driver;
pub mod election;
mod flush;
mod image_expiry;
mod liveliness;
mod orphans;
mod resurrection;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use metal_model::v1::TaskResponse;
use metal_plan::Snapshot;
use metal_runtime::TaskTree;
use metal_store::{EngineConfig, TransactError};

use crate::app::App;

pub use driver::Board;

/// Where a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On the replica that leads.
    Leader,
    /// On each replica: the task is about the replica's own memory.
    Replica,
}

/// What an activation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// One line for operators; equal lines mean that nothing is new.
    pub text: String,
    /// The same for programs.
    pub status: serde_json::Value,
}

impl Summary {
    /// From the line and its numbers.
    pub fn new(text: impl Into<String>, status: serde_json::Value) -> Self {
        Self { text: text.into(), status }
    }
}

/// Why an activation failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct ReconcileError {
    /// What was tried.
    pub doing: &'static str,
    /// Why it failed.
    #[source]
    pub source: TransactError<metal_plan::Error>,
}

/// For `map_err`: tells what was tried.
pub(crate) fn failed(doing: &'static str) -> impl FnOnce(TransactError<metal_plan::Error>) -> ReconcileError {
    move |source| ReconcileError { doing, source }
}

/// The outcome of an activation.
pub type Activation<'a> = BoxFuture<'a, Result<Summary, ReconcileError>>;

/// A background task.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name, one word with dashes.
    fn name(&self) -> &'static str;
    /// What it is for, one sentence.
    fn description(&self) -> &'static str;
    /// Time between activations, unless configured otherwise.
    fn period(&self) -> Duration;
    /// Where it runs.
    fn scope(&self) -> Scope {
        Scope::Leader
    }
    /// Kinds of documents whose change wakes it.
    fn wakes_on(&self) -> &'static [&'static str] {
        &[]
    }
    /// Looks, and does what is to be done.
    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a>;
}

/// All tasks, in the order operators see them.
pub fn all() -> Vec<Arc<dyn Reconciler>> {
    vec![
        Arc::new(flush::Flush),
        Arc::new(liveliness::LivelinessTask),
        Arc::new(resurrection::Resurrection),
        Arc::new(image_expiry::ImageExpiry),
        Arc::new(orphans::OrphanDetection),
        Arc::new(commands::StaleCommands),
        Arc::new(certificates::Certificates),
        Arc::new(waiting::StaleWaiting::default()),
    ]
}

/// How the background tasks run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Periods other than the default, by name of the task; none switches the task off.
    pub periods: BTreeMap<String, Option<Duration>>,
    /// How long leadership lasts without renewal.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { periods: BTreeMap::new(), lease: Duration::from_secs(10) }
    }
}

impl Settings {
    /// Reads `liveliness=30s` or `orphans=off` and adds it.
    pub fn set(&mut self, setting: &str) -> Result<(), String> {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("{setting:?} is not of the form <task>=<period>|off"))?;
        if !all().iter().any(|task| task.name() == name) {
            let known: Vec<_> = all().iter().map(|task| task.name()).collect();
            return Err(format!("there is no task {name:?}, only {}", known.join(", ")));
        }
        let period = match value {
            "off" => None,
            given => {
                let parsed: jiff::SignedDuration =
                    given.parse().map_err(|error| format!("period of task {name}: {error}"))?;
                let parsed =
                    Duration::try_from(parsed).ok().filter(|period| *period >= Duration::from_secs(1));
                Some(parsed.ok_or_else(|| format!("period of task {name}: at least a second is needed"))?)
            }
        };
        self.periods.insert(name.to_owned(), period);
        Ok(())
    }
}

/// Whether no other process can have this store open.
pub(crate) fn is_alone(app: &App) -> bool {
    match app.config.engine {
        EngineConfig::Embedded { .. } | EngineConfig::Memory => true,
        EngineConfig::Etcd(_) => false,
    }
}

/// Starts all background tasks below `tasks`; they end when it is cancelled.
pub fn start(app: &Arc<App>, tasks: &TaskTree) {
    driver::start(app, &tasks.child("reconcile"), all());
}

/// All background tasks and what they did last, for operators.
pub fn list(app: &App, snapshot: &Snapshot) -> Vec<TaskResponse> {
    driver::list(app, snapshot)
}

/// Activates a task once, whoever leads; for tests and for `metal-api` sub-commands that old cron jobs call.
pub async fn activate(app: &App, name: &str) -> Option<Result<Summary, ReconcileError>> {
    let task = all().into_iter().find(|task| task.name() == name)?;
    Some(task.activate(app).await)
}
