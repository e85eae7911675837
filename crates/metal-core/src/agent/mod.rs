//! The agent as a whole: its tasks and what they tell each other.
//!
//! ```text
//! device  ──ports──▶ wishes ──wanted──▶ engine ──outcome──▶ report ──▶ control plane
//! control plane ──stream──▶ desired ──▶ wishes        neighbours ──▶ report, phone-home
//! ```
//!
//! Each task holds only the newest of what it is told ([`tokio::sync::watch`]); nothing queues up but phone-homes, and those
//! are bounded. A spine or exit has the left half only: its configuration file says everything.

pub mod access;
mod phone_home;
mod ports;
mod probes;
mod queue;
mod registration;
mod report;
mod stream;
mod wishes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use metal_runtime::TaskTree;
use metal_runtime::metrics::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::config::{Config, Nos};
use crate::desired::{self, Desired};
use crate::driver::Driver;
use crate::metrics::Metrics;
use crate::neighbor::{Chassis, Identity, NeighborHandle, NeighborWatch, Pace, PortIdKind};
use crate::reconcile::{Device, Engine, Outcome, Parts, Settings, Wanted};
use crate::relay::{Counters, Relay, RelaySettings};
use crate::select;

pub use ports::PortMap;

/// What the tasks share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub config: Arc<Config>,
    pub device: Device,
    pub metrics: Metrics,
    /// The device's ports; nothing until it was read.
    pub ports: watch::Sender<Option<Arc<PortMap>>>,
    /// What the control plane wishes; nothing until it was heard once.
    pub desired: watch::Sender<Option<Arc<Desired>>>,
    /// Which stream of wishes is the current one.
    pub stream: Arc<AtomicU64>,
    pub wanted: watch::Sender<Option<Arc<Wanted>>>,
    pub outcome: watch::Sender<Outcome>,
    /// Whether the control plane knows this switch as it is.
    pub is_registered: watch::Sender<bool>,
    /// The device was disturbed.
    pub wake: Arc<Notify>,
}

impl Shared {
    fn new(config: Arc<Config>, driver: Arc<dyn Driver>, tree: &TaskTree) -> Self {
        Self {
            config,
            device: Device::new(driver, tree.child("driver")),
            metrics: Metrics::new(&Registry::new()),
            ports: watch::Sender::new(None),
            desired: watch::Sender::new(None),
            stream: Arc::default(),
            wanted: watch::Sender::new(None),
            outcome: watch::Sender::new(Outcome::default()),
            is_registered: watch::Sender::new(false),
            wake: Arc::default(),
        }
    }
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    shared: Shared,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
}

impl Agent {
    /// Starts everything as tasks of `tree`; cancelling it ends the agent and leaves the device as it is.
    ///
    /// `neighbors` are who announces itself on the ports; see [`neighbors`].
    ///
    /// # Errors
    /// Fails when the metrics' port is taken or kept state cannot be read.
    pub async fn start(
        config: Arc<Config>,
        driver: Arc<dyn Driver>,
        neighbors: Option<NeighborHandle>,
        tree: &TaskTree,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.state_dir)
            .with_context(|| format!("create {}", config.state_dir.display()))?;
        let shared = Shared::new(Arc::clone(&config), driver, tree);
        let kept: Option<Desired> = desired::read(&stream::file(&config))?;
        shared.desired.send_replace(kept.map(Arc::new));
        let engine = Engine::try_new(
            Settings {
                reconfigure: config.reconfigure,
                period: config.intervals.reconcile,
                confirm: config.intervals.confirm,
                state_dir: config.state_dir.clone(),
            },
            Parts {
                device: shared.device.clone(),
                wanted: shared.wanted.subscribe(),
                wake: Arc::clone(&shared.wake),
                outcome: shared.outcome.clone(),
                metrics: shared.metrics.clone(),
            },
        )?;
        let metrics = match config.metrics {
            Some(address) => Some(Self::serve_metrics(&shared, address, tree).await?),
            None => None,
        };
        tree.spawn_essential("ports", ports::run(shared.clone(), tree.clone()));
        tree.spawn_essential("wishes", wishes::run(shared.clone(), tree.clone()));
        tree.spawn_essential("engine", engine.run(tree.clone()));
        Self::start_control(&shared, neighbors, tree);
        Ok(Self { shared, metrics })
    }

    async fn serve_metrics(
        shared: &Shared,
        address: SocketAddr,
        tree: &TaskTree,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("listen for metrics on {address}"))?;
        let address = listener.local_addr().context("read the address of the metrics")?;
        tree.spawn_essential("metrics", probes::serve(listener, shared.clone(), tree.clone()));
        Ok(address)
    }

    /// Everything that talks to the control plane.
    fn start_control(shared: &Shared, neighbors: Option<NeighborHandle>, tree: &TaskTree) {
        let (seen, phone_homes) = match neighbors {
            Some(handle) => {
                tree.spawn_essential(
                    "neighbor-ports",
                    ports::follow(shared.clone(), handle.ports, handle.identity, tree.clone()),
                );
                (Some(handle.neighbors), Some(handle.phone_homes))
            }
            None => (None, None),
        };
        let Some(api) = &shared.config.api else { return };
        let access = access::Access::new(&shared.config, api);
        let endpoint = access.endpoint();
        tree.spawn_essential("access", access.run(tree.clone()));
        tree.spawn_essential(
            "registration",
            registration::run(shared.clone(), endpoint.clone(), tree.clone()),
        );
        tree.spawn_essential("stream", stream::run(shared.clone(), endpoint.clone(), tree.clone()));
        tree.spawn_essential("report", report::run(shared.clone(), endpoint.clone(), seen, tree.clone()));
        if let Some(phone_homes) = phone_homes {
            tree.spawn_essential(
                "phone-home",
                phone_home::run(shared.clone(), endpoint, phone_homes, tree.clone()),
            );
        }
    }

    /// Shows what the DHCP relay does among the metrics.
    pub fn show_relay(&self, counters: Arc<Counters>) {
        self.shared.metrics.relay(counters);
    }

    /// How the runs of the engine go.
    #[must_use]
    pub fn outcome(&self) -> watch::Receiver<Outcome> {
        self.shared.outcome.subscribe()
    }
}

/// Starts to announce the switch on its ports and to listen there; nothing if the configuration does not want it.
#[must_use]
pub fn neighbors(config: &Config, tree: &TaskTree) -> Option<NeighborHandle> {
    let pace = Pace { interval: config.lldp?, repeat: config.intervals.phone_home };
    let identity = Identity {
        chassis: Chassis::PortMac,
        port_id: PortIdKind::default(),
        system_name: config.hostname.to_string(),
        system_description: format!("metal-core {}", env!("CARGO_PKG_VERSION")),
    };
    let (watch, handle) = NeighborWatch::new(pace, crate::neighbor::Ports::new(), identity);
    watch.run(tree);
    Some(handle)
}

/// Relays DHCP of the PXE segment; does nothing if the configuration names no servers or there is no segment.
pub fn relay(config: &Config, tree: &TaskTree) -> Option<Arc<Counters>> {
    let pxe = config.base.pxe.filter(|_| !config.dhcp_servers.is_empty())?;
    let interface = match select::system(&config.device) {
        Nos::Sonic => format!("Vlan{}", pxe.vlan),
        Nos::Auto | Nos::Linux | Nos::Cumulus => format!("vlan{}", pxe.vlan),
    };
    let settings = RelaySettings::new(&interface, config.dhcp_servers.clone(), config.hostname.as_str());
    let relay = Relay::new(settings);
    let counters = relay.counters();
    relay.run(tree);
    Some(counters)
}

/// What shall be according to the file and the wishes heard last; nothing if none were heard.
///
/// # Errors
/// Fails when the wishes are kept and cannot be read.
pub fn wanted_offline(config: &Config, ports: &PortMap) -> Result<Option<Wanted>, desired::StateError> {
    let kept: Option<Desired> = desired::read(&stream::file(config))?;
    Ok(wishes::wanted(config, Some(ports), kept.as_ref()))
}
