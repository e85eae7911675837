//! The two engines behind one face, so that one suite runs on both; and the small things every test needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metal_store::{EngineConfig, EtcdConfig, Options, Store};
use tokio_util::task::TaskTracker;

use crate::registers::Registers;
use crate::server;

/// How often to do what is worth repeating: `METAL_SOAK=20` runs twenty times as long.
pub fn soak() -> u64 {
    std::env::var("METAL_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

/// Patient: a busy machine is no reason to fail.
fn patient() -> Options {
    Options { deadline: Duration::from_secs(60), ..Options::default() }
}

/// A place for a store that outlives the store.
pub struct Target {
    pub config: EngineConfig,
    pub options: Options,
    pub tasks: TaskTracker,
    _dir: Option<tempfile::TempDir>,
}

impl Target {
    /// A directory on a real disk.
    pub fn embedded() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = EngineConfig::Embedded { dir: dir.path().join("store") };
        Self { config, options: patient(), tasks: TaskTracker::new(), _dir: Some(dir) }
    }

    /// A prefix of its own in the shared etcd.
    pub fn etcd() -> Self {
        Self::etcd_at(vec![server::shared().to_owned()])
    }

    /// A prefix of its own in some etcd.
    pub fn etcd_at(endpoints: Vec<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let config = EngineConfig::Etcd(EtcdConfig { endpoints, prefix, ..EtcdConfig::default() });
        Self { config, options: patient(), tasks: TaskTracker::new(), _dir: None }
    }

    /// The etcd part of the configuration.
    pub fn etcd_config(&self) -> &EtcdConfig {
        match &self.config {
            EngineConfig::Etcd(config) => config,
            other => panic!("not etcd: {other:?}"),
        }
    }

    pub async fn open(&self) -> Store<Registers> {
        self.try_open().await.expect("the store opens")
    }

    pub async fn try_open(&self) -> Result<Store<Registers>, metal_store::OpenError> {
        open(&self.config, &self.options, &self.tasks).await
    }

    /// Handles of as many replicas as the engine can have.
    pub async fn replicas(&self, count: usize) -> Vec<Store<Registers>> {
        let first = self.open().await;
        let mut stores = vec![first];
        for _ in 1..count {
            let next = match self.config {
                EngineConfig::Etcd(_) => self.open().await,
                _ => stores[0].clone(),
            };
            stores.push(next);
        }
        stores
    }
}

/// Opens a store whose tasks run in `tasks`.
pub async fn open(
    config: &EngineConfig,
    options: &Options,
    tasks: &TaskTracker,
) -> Result<Store<Registers>, metal_store::OpenError> {
    let spawn = |_: &'static str, task| {
        tasks.spawn(task);
    };
    Store::open_with(config.clone(), options.clone(), &spawn).await
}

/// Random enough for tests, and the same every time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Sets one register, whatever it holds.
pub async fn set(store: &Store<Registers>, key: &str, text: &str) -> u64 {
    let (key, text): (String, Arc<str>) = (key.to_owned(), text.into());
    let done = store.transact("set", move |state: &Registers, _| {
        let mut changes = metal_store::Changes::default();
        state.set(&mut changes, &key, text.clone());
        Ok::<_, std::convert::Infallible>((changes, ()))
    });
    done.await.expect("setting a register succeeds").revision
}

/// Runs each suite function on both engines.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        $(
            mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn embedded() {
                    super::$name($crate::target::Target::embedded()).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn etcd() {
                    super::$name($crate::target::Target::etcd()).await;
                }
            }
        )*
    };
}
