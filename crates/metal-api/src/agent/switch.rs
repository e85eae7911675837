//! Leaf switches: what they are, what they are told to configure, and how that goes.
//!
//! The stream of configurations always carries the whole configuration, so a switch that missed some needs only the
//! last. The generation is the revision of the snapshot the configuration was computed from; a generation is sent only
//! when the configuration differs from the one sent before.

use std::sync::Arc;

use metal_model::id::{MachineId, SwitchId};
use metal_model::switch::{PortState, SwitchStatus};
use metal_model::v1;
use metal_plan::switch::{self, Desired};
use metal_plan::{Env, Snapshot, Tx};
use metal_proto::v1 as proto;
use metal_proto::v1::switch_service_server::SwitchService;
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::hub::{Listener, Topic};
use super::{identity, refusal};
use crate::app::App;
use crate::coalesce::{self, Incoming};

/// The service.
#[derive(Debug)]
pub struct Switches {
    /// Everything else.
    pub app: Arc<App>,
    /// Parent of the streams.
    pub streams: TaskTree,
}

#[tonic::async_trait]
impl SwitchService for Switches {
    type DesiredStream = ReceiverStream<Result<proto::DesiredResponse, Status>>;

    async fn register(
        &self,
        request: Request<proto::RegisterSwitchRequest>,
    ) -> Result<Response<proto::RegisterSwitchResponse>, Status> {
        let caller = identity::caller(&request)?;
        let request = request.into_inner();
        let check = |snapshot: &Snapshot| identity::switch(snapshot, &caller, &request.id);
        let (id, partition) = identity::check(&self.app, check).await?;
        if !request.partition.is_empty() && partition != request.partition.as_str() {
            return Err(Status::permission_denied("a switch registers in its own partition only"));
        }
        let registration = registration(request, partition.as_str());
        let decide = move |tx: &mut Tx, env: &mut Env| switch::register(tx, env, &registration);
        let recorded = identity::recorded(&caller);
        let done = self.app.transact("register a switch", &recorded, decide).await;
        let (_, created) = done.map_err(refusal::transact)?.value;
        tracing::info!(switch = id.as_str(), partition = partition.as_str(), created, "switch registered");
        Ok(Response::new(proto::RegisterSwitchResponse { created }))
    }

    async fn desired(
        &self,
        request: Request<proto::DesiredRequest>,
    ) -> Result<Response<Self::DesiredStream>, Status> {
        let caller = identity::caller(&request)?;
        let proto::DesiredRequest { id, after } = request.into_inner();
        let check = |snapshot: &Snapshot| {
            let (id, _) = identity::switch(snapshot, &caller, &id)?;
            if snapshot.switches.contains(id.as_str()) {
                Ok(id)
            } else {
                Err(metal_proto::ApiError::not_found("switch", id.as_str()))
            }
        };
        let switch = identity::check(&self.app, check).await?;
        let listener = self.app.agents.hub.listen(Topic::Switch(switch.clone()));
        let (sender, receiver) = mpsc::channel(1);
        let stream = Configurations {
            app: Arc::clone(&self.app),
            tasks: self.streams.clone(),
            caller,
            switch,
            sent: self.applied(&id, after),
            listener,
            sender,
        };
        self.streams.spawn("desired", stream.run());
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn notify(
        &self,
        request: Request<proto::NotifyRequest>,
    ) -> Result<Response<proto::NotifyResponse>, Status> {
        let caller = identity::caller(&request)?;
        let request = request.into_inner();
        let check = |snapshot: &Snapshot| identity::switch(snapshot, &caller, &request.id);
        let (id, _) = identity::check(&self.app, check).await?;
        let generation = request.generation;
        let report = report(request);
        if !self.is_routine(&id, &report, generation)? {
            let named = id.clone();
            let decide = move |tx: &mut Tx, env: &mut Env| {
                switch::notify_applied(tx, env, named.as_str(), &report, Some(generation))
            };
            let recorded = identity::recorded(&caller);
            self.app.transact("switch report", &recorded, decide).await.map_err(refusal::transact)?;
        }
        Ok(Response::new(proto::NotifyResponse {}))
    }

    async fn phone_home(
        &self,
        request: Request<proto::PhoneHomeRequest>,
    ) -> Result<Response<proto::PhoneHomeResponse>, Status> {
        let caller = identity::caller(&request)?;
        let proto::PhoneHomeRequest { id, machines } = request.into_inner();
        let check = |snapshot: &Snapshot| identity::switch(snapshot, &caller, &id);
        let (switch, partition) = identity::check(&self.app, check).await?;
        let snapshot = self.app.store.snapshot();
        let connected = |machine: &str| {
            let known = snapshot.state.switches.get(switch.as_str());
            known.is_some_and(|known| known.connections.contains_key(machine))
        };
        let (mut events, mut refused) = (Vec::new(), Vec::new());
        for named in machines {
            match identity::parse_machine(&named).map(|uuid| MachineId::from(uuid.to_string())) {
                Ok(machine) if connected(machine.as_str()) => events.push(Incoming {
                    machine,
                    event: "Phoned Home".to_owned(),
                    message: format!("phoned home through switch {switch}"),
                }),
                _ => refused.push(named),
            }
        }
        drop(snapshot);
        let recorded = identity::recorded(&caller);
        let received = coalesce::receive(&self.app, &recorded, partition.as_str(), events).await;
        let received = received.map_err(refusal::transact)?;
        refused.extend(received.failed.into_iter().map(|(machine, _)| machine.as_str().to_owned()));
        Ok(Response::new(proto::PhoneHomeResponse { accepted: received.accepted, refused }))
    }
}

impl Switches {
    /// What was last sent to a switch that has `after`, if this replica remembers and the switch really has that.
    fn applied(&self, switch: &str, after: u64) -> Option<(u64, Desired)> {
        self.app.agents.sent(switch).filter(|(generation, _)| *generation == after)
    }

    /// Collects a report in memory when it tells nothing but that all is as before.
    fn is_routine(
        &self,
        id: &SwitchId,
        report: &v1::SwitchNotifyRequest,
        generation: u64,
    ) -> Result<bool, Status> {
        let snapshot = self.app.store.snapshot();
        let Some(known) = snapshot.state.switch_statuses.get(id.as_str()) else { return Ok(false) };
        if report.error.is_some() || known.applied != generation {
            return Ok(false);
        }
        let mut tx = Tx::new(&snapshot.state);
        let mut env = self.app.env(&self.app.system_caller());
        switch::notify_applied(&mut tx, &mut env, id.as_str(), report, Some(generation))
            .map_err(|refusal| refusal::refused(&refusal))?;
        let status: Option<SwitchStatus> =
            tx.state().switch_statuses.get(id.as_str()).map(|status| SwitchStatus::clone(status));
        let changes = tx.finish();
        let Some(status) = status.filter(|_| changes.writes.len() == 1) else { return Ok(false) };
        self.app.agents.touches.absorb_switch(status);
        Ok(true)
    }
}

/// One stream of configurations.
struct Configurations {
    app: Arc<App>,
    tasks: TaskTree,
    caller: Identity,
    switch: SwitchId,
    /// What the switch has.
    sent: Option<(u64, Desired)>,
    listener: Listener,
    sender: mpsc::Sender<Result<proto::DesiredResponse, Status>>,
}

impl Configurations {
    async fn run(mut self) {
        if let Err(status) = self.send_all().await {
            // An agent that has gone needs no reason.
            let _ = self.sender.send(Err(status)).await;
        }
    }

    /// Until the switch goes.
    async fn send_all(&mut self) -> Result<(), Status> {
        loop {
            // Room first, so that a slow switch gets the newest configuration and not one that has aged in a queue.
            let Ok(place) = self.sender.clone().reserve_owned().await else { return Ok(()) };
            let snapshot = self.app.store.snapshot();
            identity::switch(&snapshot.state, &self.caller, self.switch.as_str())?;
            let Some(known) = snapshot.state.switches.get(self.switch.as_str()) else {
                return Err(metal_proto::ApiError::not_found("switch", self.switch.as_str()).into());
            };
            let desired = switch::desired(&snapshot.state, known);
            if self.sent.as_ref().is_none_or(|(_, sent)| *sent != desired) {
                place.send(Ok(message(snapshot.revision, &desired)));
                self.app.agents.remember(self.switch.as_str(), snapshot.revision, &desired);
                self.sent = Some((snapshot.revision, desired));
            } else {
                drop(place);
            }
            drop(snapshot);
            tokio::select! {
                () = self.listener.heard() => {}
                () = self.sender.closed() => return Ok(()),
                () = self.tasks.cancelled() => return Err(Status::unavailable("the server is shutting down")),
            }
        }
    }
}

fn message(generation: u64, desired: &Desired) -> proto::DesiredResponse {
    let ports = desired.ports.iter().map(|port| proto::DesiredPort {
        name: port.name.clone(),
        mac: port.mac.clone(),
        identifier: port.identifier.clone(),
        vrf: port.vrf.clone(),
        filter_cidrs: port.cidrs.clone(),
        filter_vnis: port.vnis.clone(),
        admin_state: match port.admin {
            PortState::Up => proto::PortState::Up.into(),
            PortState::Down => proto::PortState::Down.into(),
            PortState::Unknown => proto::PortState::Unknown.into(),
        },
        machine: port.machine.clone(),
    });
    proto::DesiredResponse { generation, nics: ports.collect() }
}

fn registration(request: proto::RegisterSwitchRequest, partition: &str) -> v1::SwitchRegisterRequest {
    let given = |text: String| (!text.is_empty()).then_some(text);
    v1::SwitchRegisterRequest {
        id: request.id,
        name: given(request.name),
        description: given(request.description),
        nics: request
            .nics
            .into_iter()
            .map(|nic| v1::SwitchNic {
                name: nic.name,
                mac: nic.mac,
                identifier: nic.identifier,
                ..v1::SwitchNic::default()
            })
            .collect(),
        partition_id: partition.to_owned(),
        rack_id: request.rack,
        room_id: request.room,
        os: request.os.map(|os| v1::SwitchOs {
            vendor: os.vendor,
            version: os.version,
            metal_core_version: os.metal_core_version,
        }),
        management_ip: request.management_ip,
        management_user: request.management_user,
        ..v1::SwitchRegisterRequest::default()
    }
}

fn report(request: proto::NotifyRequest) -> v1::SwitchNotifyRequest {
    let state = |state: i32| match proto::PortState::try_from(state) {
        Ok(proto::PortState::Up) => PortState::Up.wire().to_owned(),
        Ok(proto::PortState::Down) => PortState::Down.wire().to_owned(),
        Ok(proto::PortState::Unknown | proto::PortState::Unspecified) | Err(_) => {
            PortState::Unknown.wire().to_owned()
        }
    };
    v1::SwitchNotifyRequest {
        sync_duration: request.duration_ns,
        error: request.error,
        port_states: request.port_states.into_iter().map(|(name, given)| (name, state(given))).collect(),
        bgp_port_states: request
            .bgp_port_states
            .into_iter()
            .map(|(name, bgp)| {
                let bgp = v1::SwitchBgpPortState {
                    neighbor: bgp.neighbor,
                    peer_group: bgp.peer_group,
                    vrf_name: bgp.vrf_name,
                    bgp_state: bgp.bgp_state,
                    bgp_timer_up_established: bgp.bgp_timer_up_established,
                    sent_prefix_counter: bgp.sent_prefix_counter,
                    accepted_prefix_counter: bgp.accepted_prefix_counter,
                };
                (name, bgp)
            })
            .collect(),
    }
}
