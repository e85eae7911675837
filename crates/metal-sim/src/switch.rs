//! One simulated leaf switch: registers, applies what it is told, reports, and announces running systems.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use metal_proto::v1::switch_service_client::SwitchServiceClient;
use metal_proto::v1::{
    BgpPortState, DesiredRequest, DesiredResponse, LldpNeighbor, NotifyRequest, PhoneHomeRequest, PortState,
    RegisterSwitchRequest, SwitchOs,
};
use metal_runtime::TaskTree;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::chassis::Chassis;
use crate::floor::SwitchPlan;
use crate::installer::persist;
use crate::machine::World;

/// How a port is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// The VRF it is in; empty is unprovisioned.
    pub vrf: String,
    /// Prefixes accepted from it.
    pub filter_cidrs: Vec<String>,
    /// Routing domains a firewall may announce on it.
    pub filter_vnis: Vec<String>,
    /// Whether it is switched off.
    pub is_down: bool,
}

/// Ports by name, as last configured.
pub(crate) type Ports = Arc<Mutex<BTreeMap<String, Port>>>;

/// What hangs on a port.
pub(crate) struct Neighbour {
    pub(crate) port: String,
    pub(crate) machine: Uuid,
    /// The machine's end of the cable.
    pub(crate) nic: String,
    pub(crate) mac: String,
    pub(crate) chassis: Arc<Chassis>,
}

/// One switch.
pub(crate) struct Switch {
    pub(crate) plan: SwitchPlan,
    pub(crate) world: Arc<World>,
    pub(crate) channel: Channel,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) started: watch::Receiver<u64>,
    pub(crate) ports: Ports,
    /// The configuration in effect.
    pub(crate) generation: u64,
    /// Machines announced, and which of their starts that was.
    pub(crate) announced: BTreeMap<Uuid, u64>,
}

impl Switch {
    pub(crate) async fn run(mut self, tree: TaskTree) {
        tokio::select! {
            () = tree.cancelled() => return,
            () = self.register() => {}
        }
        self.world.board.switch_registered();
        let mut report = every(self.world.pace.switch_report);
        let mut home = every(self.world.pace.phone_home);
        loop {
            tokio::select! {
                () = tree.cancelled() => return,
                ended = self.follow(&mut report, &mut home) => {
                    let error = ended.as_ref().map(|status| metal_runtime::chain(status));
                    tracing::debug!(switch = self.plan.id, error, "configuration stream ended");
                }
            }
            tokio::select! {
                () = tree.cancelled() => return,
                () = sleep(self.world.pace.pause) => {}
            }
        }
    }

    fn client(&self) -> SwitchServiceClient<Channel> {
        SwitchServiceClient::new(self.channel.clone())
    }

    async fn register(&self) {
        let request = RegisterSwitchRequest {
            id: self.plan.id.clone(),
            name: self.plan.id.clone(),
            description: format!("simulated leaf of {}", self.plan.rack),
            rack: self.plan.rack.clone(),
            partition: self.world.partition.clone(),
            os: Some(SwitchOs {
                vendor: "SONiC".to_owned(),
                version: "202411".to_owned(),
                metal_core_version: format!("v{} (simulated)", env!("CARGO_PKG_VERSION")),
            }),
            management_ip: self.plan.management_ip.clone(),
            management_user: "admin".to_owned(),
            nics: self.plan.ports.clone(),
            room: String::new(),
        };
        loop {
            let client = self.client();
            let told = persist(self.world.pace.pause, u32::MAX, || {
                let (mut client, request) = (client.clone(), request.clone());
                async move { client.register(request).await }
            });
            match told.await {
                Ok(_) => return,
                Err(status) => {
                    let error = metal_runtime::chain(&status);
                    tracing::warn!(switch = self.plan.id, error, "switch refused");
                    sleep(self.world.pace.pause).await;
                }
            }
        }
    }

    /// Lives on one configuration stream; answers why it ended.
    async fn follow(&mut self, report: &mut Interval, home: &mut Interval) -> Option<Status> {
        let mut stream = match self.subscribe().await {
            Ok(stream) => stream,
            Err(status) => return Some(status),
        };
        loop {
            let told = tokio::select! {
                message = stream.message() => match message {
                    Ok(Some(desired)) => self.apply(desired).await,
                    Ok(None) => return None,
                    Err(status) => return Some(status),
                },
                _ = report.tick() => self.notify().await,
                _ = home.tick() => {
                    self.announced.clear();
                    self.announce().await
                }
                Ok(()) = self.started.changed() => self.announce().await,
            };
            if let Err(status) = told {
                let error = metal_runtime::chain(&status);
                tracing::debug!(switch = self.plan.id, error, "switch not heard");
            }
        }
    }

    async fn subscribe(&self) -> Result<Streaming<DesiredResponse>, Status> {
        let client = self.client();
        persist(self.world.pace.pause, u32::MAX, || {
            let mut client = client.clone();
            // A restarted control plane may count anew; the whole configuration is small.
            let request = DesiredRequest { id: self.plan.id.clone(), after: 0 };
            async move { client.desired(request).await }
        })
        .await
    }

    async fn apply(&mut self, desired: DesiredResponse) -> Result<(), Status> {
        self.generation = desired.generation;
        let ports = desired.nics.into_iter().map(|nic| {
            let is_down = nic.admin_state() == PortState::Down;
            let port =
                Port { vrf: nic.vrf, filter_cidrs: nic.filter_cidrs, filter_vnis: nic.filter_vnis, is_down };
            (nic.name, port)
        });
        *self.ports.lock().unwrap_or_else(PoisonError::into_inner) = ports.collect();
        self.notify().await
    }

    async fn notify(&self) -> Result<(), Status> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let states = self.plan.ports.iter().map(|port| {
            let is_down = ports.get(&port.name).is_some_and(|port| port.is_down);
            let state = if is_down { PortState::Down } else { PortState::Up };
            (port.name.clone(), i32::from(state))
        });
        let sessions = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.chassis.is_running())
            .filter_map(|neighbour| ports.get(&neighbour.port).map(|port| (neighbour, port)))
            .filter(|(_, port)| !port.vrf.is_empty() && !port.is_down)
            .map(|(neighbour, port)| (neighbour.port.clone(), session(neighbour, port)));
        let request = NotifyRequest {
            id: self.plan.id.clone(),
            duration_ns: 12_000_000,
            error: None,
            port_states: states.collect::<HashMap<_, _>>(),
            bgp_port_states: sessions.collect::<HashMap<_, _>>(),
            generation: self.generation,
            lldp_neighbors: self.seen().collect(),
            ..NotifyRequest::default()
        };
        self.client().notify(request).await.map(drop)
    }

    /// What LLDP shows: systems that run, under the names of their machines.
    fn seen(&self) -> impl Iterator<Item = (String, LldpNeighbor)> {
        let running = self.neighbours.iter().filter(|neighbour| neighbour.chassis.is_running());
        running.map(|neighbour| {
            let seen = LldpNeighbor {
                chassis_id: neighbour.mac.clone(),
                port_id: neighbour.nic.clone(),
                system_name: neighbour.machine.to_string(),
                system_description: "provisioned (simulated)".to_owned(),
                ..LldpNeighbor::default()
            };
            (neighbour.port.clone(), seen)
        })
    }

    /// Announces the systems that run and were not announced yet.
    async fn announce(&mut self) -> Result<(), Status> {
        let running = self.neighbours.iter().filter_map(|neighbour| {
            let start = neighbour.chassis.running_start()?;
            Some((neighbour.machine, start))
        });
        let fresh: BTreeMap<Uuid, u64> =
            running.filter(|(machine, start)| self.announced.get(machine) != Some(start)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let machines = fresh.keys().map(Uuid::to_string).collect();
        self.client().phone_home(PhoneHomeRequest { id: self.plan.id.clone(), machines }).await?;
        self.announced.extend(fresh);
        Ok(())
    }
}

fn session(neighbour: &Neighbour, port: &Port) -> BgpPortState {
    BgpPortState {
        neighbor: neighbour.port.clone(),
        peer_group: if port.vrf == "default" { "FIREWALL" } else { "MACHINE" }.to_owned(),
        vrf_name: port.vrf.clone(),
        bgp_state: "Established".to_owned(),
        bgp_timer_up_established: 0,
        sent_prefix_counter: 2,
        accepted_prefix_counter: 1,
    }
}

fn every(period: std::time::Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
