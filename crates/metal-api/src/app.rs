//! What every part of the server shares: the store, the clock, the configuration and the long-lived helpers.
//!
//! [`App::transact`] is the one way a decision becomes durable and [`App::fresh`] the one way to read; nothing else
//! touches the store. [`Builder`] puts an `App` together, for the process and for tests alike.

use std::sync::Arc;

use metal_model::document::Revision;
use metal_plan::{Caller, Env, Error, Snapshot, Tx};
use metal_runtime::metrics::Registry;
use metal_runtime::{Clock, TaskTree, clock};
use metal_store::{Committed, EngineConfig, FreshError, OpenError, Options, Published, TransactError};
use tokio::sync::Semaphore;

use crate::audit::{self, Log};
use crate::authn::Authenticator;
use crate::authz::limit::RateLimit;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::outbound::Outbound;

/// The store of this control plane.
pub type Store = metal_store::Store<Snapshot>;

/// What every part of the server shares.
pub struct App {
    /// How the server was told to behave.
    pub config: Config,
    /// The documents.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Root of everything spawned.
    pub tasks: TaskTree,
    /// Everything that accepts or answers requests: cancelled first when the server ends.
    pub edges: TaskTree,
    /// Everything that works by itself: cancelled when no requests are left.
    pub background: TaskTree,
    /// Where metrics are registered.
    pub registry: Registry,
    /// Metrics of the interfaces.
    pub metrics: Metrics,
    /// The audit log, unless switched off.
    pub audit: Option<Log>,
    /// Name of this replica, unique among all.
    pub replica: String,
    /// Requests to other servers: issuers of tokens, image servers.
    pub outbound: Outbound,
    /// Who asks.
    pub authenticator: Authenticator,
    /// How often each may ask.
    pub rate_limit: RateLimit,
    /// Room for streams of changes.
    pub streams: Arc<Semaphore>,
    /// What the agents' API remembers between calls.
    pub agents: crate::agent::Memory,
    /// What the background tasks tell about themselves.
    pub reconcilers: crate::reconcile::Board,
}

/// An [`App`] could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store did not open.
    #[error("open the store")]
    Store(#[source] OpenError),
    /// The audit log did not open.
    #[error("open the audit log")]
    Audit(#[source] audit::OpenError),
    /// The first documents could not be written.
    #[error("set up the store")]
    SetUp(#[source] TransactError<Error>),
}

/// Puts an [`App`] together. Everything has a default fit for tests: memory, keys nobody knows, no listener.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Clock,
    tasks: Option<TaskTree>,
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl Builder {
    /// Starts from a configuration.
    pub fn new(config: Config) -> Self {
        Self { config, clock: Clock::system(), tasks: None, options: Options::default() }
    }

    /// Keeps documents in memory only, whatever the configuration says.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.config.engine = EngineConfig::Memory;
        self
    }

    /// Changes the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Uses this clock instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Spawns below this tree instead of one of its own.
    #[must_use]
    pub fn tasks(mut self, tasks: TaskTree) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// Bounds of the store.
    #[must_use]
    pub fn store_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Opens the store, writes the documents every installation has, and puts the rest together.
    pub async fn build(self) -> Result<Arc<App>, BuildError> {
        metal_runtime::tls::install_provider();
        let Self { config, clock, tasks, options } = self;
        let tasks = tasks.unwrap_or_else(|| TaskTree::root("metal-api"));
        let below = tasks.child("store");
        let spawn = |name: &'static str, future| {
            below.spawn(name, future);
        };
        let engine = config.engine.clone();
        let store = Store::open_with(engine, options, &spawn).await.map_err(BuildError::Store)?;
        let audit = match &config.audit {
            Some(settings) => Some(Log::open(settings, &clock, &tasks).map_err(BuildError::Audit)?),
            None => None,
        };
        let registry = Registry::new();
        let outbound = Outbound::new(config.trusted_ca.clone());
        let app = Arc::new(App {
            metrics: Metrics::new(&registry),
            authenticator: Authenticator::new(&config, outbound.clone()),
            rate_limit: RateLimit::new(config.limits.rate, config.limits.burst),
            streams: Arc::new(Semaphore::new(config.limits.streams)),
            replica: replica_name(),
            agents: crate::agent::Memory::default(),
            reconcilers: crate::reconcile::Board::default(),
            config,
            store,
            clock,
            edges: tasks.child("edge"),
            background: tasks.child("background"),
            tasks,
            registry,
            audit,
            outbound,
        });
        crate::metrics::register_store(&app.registry, &app.store);
        app.set_up().await.map_err(BuildError::SetUp)?;
        Ok(app)
    }
}

impl App {
    /// Starts to put one together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Decides and makes durable what was decided, all or nothing. `decide` may run more than once.
    pub async fn transact<T, F>(
        &self,
        name: &'static str,
        caller: &Caller,
        mut decide: F,
    ) -> Result<Committed<T>, TransactError<Error>>
    where
        F: FnMut(&mut Tx, &mut Env) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let (clock, caller, seed) = (self.clock.clone(), caller.clone(), clock::seed());
        let decide = move |snapshot: &Snapshot, revision: Revision| {
            let mut tx = Tx::new(snapshot);
            let mut env = Env::new(clock.now(), seed, caller.clone()).committed_as(revision + 1);
            let value = decide(&mut tx, &mut env)?;
            Ok((tx.finish(), value))
        };
        self.store.transact(name, decide).await
    }

    /// A snapshot that contains everything acknowledged before the call, by any replica.
    pub async fn fresh(&self) -> Result<Arc<Published<Snapshot>>, FreshError> {
        self.store.fresh().await
    }

    /// Time, seed and caller for a decision that only reads.
    pub fn env(&self, caller: &Caller) -> Env {
        Env::new(self.clock.now(), clock::seed(), caller.clone())
    }

    /// The caller of what the server does by itself.
    pub fn system_caller(&self) -> Caller {
        Caller {
            name: "metal-api".to_owned(),
            email: "metal-api@metal-stack.io".to_owned(),
            tenant: self.config.provider_tenant.clone(),
        }
    }

    /// Writes the documents every installation has: the provider's tenant.
    async fn set_up(&self) -> Result<(), TransactError<Error>> {
        let tenant = self.config.provider_tenant.clone();
        if self.store.snapshot().state.tenants.contains(&tenant) {
            return Ok(());
        }
        let decide = move |tx: &mut Tx, env: &mut Env| {
            if !tx.state().tenants.contains(&tenant) {
                tx.create(provider(&tenant, env))?;
            }
            Ok(())
        };
        self.transact("set up", &self.system_caller(), decide).await.map(drop)
    }

    /// Why this replica should get no requests; none when it should.
    pub fn not_ready(&self) -> Option<String> {
        if self.edges.is_cancelled() {
            return Some("the server is ending".to_owned());
        }
        self.store.fault()
    }

    /// Ends the store and the audit log, in this order, once nothing uses them any more.
    pub async fn close(&self) {
        self.store.close().await;
        if let Some(audit) = &self.audit {
            audit.close().await;
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("replica", &self.replica).finish_non_exhaustive()
    }
}

fn provider(id: &str, env: &Env) -> metal_model::project::Tenant {
    use metal_model::project::{Meta, Tenant};
    Tenant {
        id: id.into(),
        meta: Meta { created: env.now, updated: env.now, ..Meta::default() },
        name: id.to_owned(),
        description: "provider of this installation".to_owned(),
        ..Tenant::default()
    }
}

/// The host's name and something random: two replicas may share a host.
fn replica_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let [a, b, c, d] = clock::random::<4>();
    format!("{}-{a:02x}{b:02x}{c:02x}{d:02x}", host.trim())
}
