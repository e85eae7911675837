//! Leaf switches: what they are, what they are told to configure, and how that goes.
//!
//! The stream of configurations always carries the whole configuration, so a switch that missed some needs only the
//! last. The generation is the revision of the snapshot the configuration was computed from; a generation is sent only
//! when the configuration differs from the one sent before.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_model::doc::Document;
use metal_model::id::{MachineId, SwitchId};
use metal_model::switch::{PortState, SwitchObservation, SwitchStatus};
use metal_model::v1;
use metal_plan::switch::{self, Agent, Desired};
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
use crate::coalesce::{self, Incoming, Reported};

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
        let (report, agent) = report(request);
        if !self.absorb(&id, &report, &agent)? {
            let named = id.clone();
            let decide = move |tx: &mut Tx, env: &mut Env| {
                switch::notify_agent(tx, env, named.as_str(), &report, Some(&agent))
            };
            let recorded = identity::recorded(&caller);
            self.app.transact("switch report", &recorded, decide).await.map_err(refusal::transact)?;
            self.app.agents.touches.forget_switch(&id);
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

    /// Collects a report in memory when it tells nothing that a decision may rest on: that all is as before, or still
    /// as wrong as before, and what the switch sees.
    fn absorb(&self, id: &SwitchId, report: &v1::SwitchNotifyRequest, agent: &Agent) -> Result<bool, Status> {
        let snapshot = self.app.store.snapshot();
        let Some(known) = snapshot.state.switch_statuses.get(id.as_str()) else { return Ok(false) };
        if is_news(known, report) {
            return Ok(false);
        }
        let mut tx = Tx::new(&snapshot.state);
        let mut env = self.app.env(&self.app.system_caller());
        switch::notify_agent(&mut tx, &mut env, id.as_str(), report, Some(agent))
            .map_err(|refusal| refusal::refused(&refusal))?;
        let Some(status) = tx.state().switch_statuses.get(id.as_str()).cloned() else { return Ok(false) };
        let seen = tx.state().switch_observations.get(id.as_str()).cloned();
        let is_other = (known.applied, known.tells_applied) != (status.applied, status.tells_applied);
        let reported = [SwitchStatus::key_of(id.as_str()), SwitchObservation::key_of(id.as_str())];
        if is_other || tx.finish().writes.keys().any(|key| !reported.contains(key)) {
            return Ok(false);
        }
        self.app.agents.touches.absorb_switch(Reported { status, seen });
        Ok(true)
    }
}

/// Whether an attempt went otherwise than the one before. The same error again and again is told once.
fn is_news(known: &SwitchStatus, report: &v1::SwitchNotifyRequest) -> bool {
    let ended = known.last_sync.as_ref().map(|sync| sync.time);
    let failed = known.last_sync_error.as_ref().filter(|failed| Some(failed.time) > ended);
    match failed {
        Some(failed) => failed.error != report.error,
        None => report.error.is_some(),
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

fn report(request: proto::NotifyRequest) -> (v1::SwitchNotifyRequest, Agent) {
    let state = |state: i32| match proto::PortState::try_from(state) {
        Ok(proto::PortState::Up) => PortState::Up.wire().to_owned(),
        Ok(proto::PortState::Down) => PortState::Down.wire().to_owned(),
        Ok(proto::PortState::Unknown | proto::PortState::Unspecified) | Err(_) => {
            PortState::Unknown.wire().to_owned()
        }
    };
    let mut sessions: Vec<_> = request.bgp_sessions.into_iter().map(session).collect();
    let order = |session: &v1::SwitchBgpSession| {
        (session.vrf.clone(), session.port.clone(), session.neighbor.clone())
    };
    sessions.sort_by_cached_key(order);
    let neighbors = request.lldp_neighbors.into_iter().map(|(port, seen)| (port, neighbor(seen)));
    let seen = SwitchObservation {
        id: SwitchId::from(&request.id),
        neighbors: neighbors.collect(),
        sessions,
        faults: request.port_faults.into_iter().collect(),
    };
    let states = request.bgp_port_states.into_iter().map(|(port, bgp)| (port, port_session(bgp)));
    let report = v1::SwitchNotifyRequest {
        sync_duration: request.duration_ns,
        error: request.error,
        port_states: request.port_states.into_iter().map(|(name, given)| (name, state(given))).collect(),
        bgp_port_states: if seen.sessions.is_empty() { states.collect() } else { BTreeMap::new() },
    };
    (report, Agent { generation: request.generation, seen })
}

fn port_session(bgp: proto::BgpPortState) -> v1::SwitchBgpPortState {
    v1::SwitchBgpPortState {
        neighbor: bgp.neighbor,
        peer_group: bgp.peer_group,
        vrf_name: bgp.vrf_name,
        bgp_state: bgp.bgp_state,
        bgp_timer_up_established: bgp.bgp_timer_up_established,
        sent_prefix_counter: bgp.sent_prefix_counter,
        accepted_prefix_counter: bgp.accepted_prefix_counter,
    }
}

fn session(session: proto::BgpSession) -> v1::SwitchBgpSession {
    v1::SwitchBgpSession {
        vrf: session.vrf,
        port: session.port,
        neighbor: session.neighbor,
        peer_group: session.peer_group,
        state: session.state,
        established_since: session.established_since,
        sent: session.sent,
        accepted: session.accepted,
    }
}

fn neighbor(seen: proto::LldpNeighbor) -> v1::SwitchLldpNeighbor {
    v1::SwitchLldpNeighbor {
        chassis_id: seen.chassis_id,
        port_id: seen.port_id,
        port_description: seen.port_description,
        system_name: seen.system_name,
        system_description: seen.system_description,
        since: seen.since,
    }
}
