//! Telling the control plane how things are: after each run, when ports change, and once per interval.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use metal_proto::v1::{BgpPortState, BgpSession, LldpNeighbor, NotifyRequest, PortState};
use metal_runtime::{TaskTree, chain};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::Code;

use super::Shared;
use super::access::{Endpoint, patiently};
use super::ports::PortMap;
use crate::driver::Session;
use crate::neighbor::Neighbor;
use crate::reconcile::Outcome;

/// Neighbours by port.
pub(super) type Neighbors = BTreeMap<String, Neighbor>;

/// Changes that come together are told together.
const GATHER: Duration = Duration::from_millis(50);

/// Reports until cancelled.
pub(super) async fn run(
    shared: Shared,
    endpoint: Endpoint,
    neighbors: Option<watch::Receiver<Neighbors>>,
    tree: TaskTree,
) {
    // Without LLDP there are no neighbours, ever.
    let (_keep, none) = watch::channel(Neighbors::new());
    tokio::select! {
        () = tree.cancelled() => {}
        () = keep(&shared, endpoint, neighbors.unwrap_or(none)) => {}
    }
}

async fn keep(shared: &Shared, mut endpoint: Endpoint, mut neighbors: watch::Receiver<Neighbors>) {
    let mut ports = shared.ports.subscribe();
    let mut outcome = shared.outcome.subscribe();
    let mut is_registered = shared.is_registered.subscribe();
    let mut has_failed = false;
    loop {
        if is_registered.wait_for(|is_registered| *is_registered).await.is_err() {
            return std::future::pending().await;
        }
        let (known, last) = (ports.borrow_and_update().clone(), outcome.borrow_and_update().clone());
        let seen = neighbors.borrow_and_update().clone();
        let told = send(shared, &mut endpoint, known.as_deref(), last, &seen).await;
        match told {
            Ok(()) => has_failed = false,
            Err(error) => {
                shared.metrics.failed("reconfiguration-notification");
                if !has_failed {
                    tracing::warn!(error, "report not heard");
                }
                has_failed = true;
            }
        }
        tokio::select! {
            () = sleep(shared.config.intervals.report) => {}
            Ok(()) = outcome.changed() => {}
            Ok(()) = ports.changed() => {}
            Ok(()) = neighbors.changed() => {}
        }
        sleep(GATHER).await;
    }
}

async fn send(
    shared: &Shared,
    endpoint: &mut Endpoint,
    ports: Option<&PortMap>,
    outcome: Outcome,
    neighbors: &Neighbors,
) -> Result<(), String> {
    let sessions = match shared.device.sessions().await {
        Ok(sessions) => sessions,
        Err(error) => {
            shared.metrics.failed("read-sessions");
            tracing::debug!(error = chain(&error), "sessions not read");
            Vec::new()
        }
    };
    shared.metrics.sessions(sessions.iter().map(|session| session.state.as_str()));
    let id = shared.config.hostname.to_string();
    // A generation of an earlier stream may mean something else to whoever we are connected to now.
    let is_current = outcome.stream > 0 && outcome.stream == shared.stream.load(Ordering::SeqCst);
    let generation = if is_current { outcome.in_effect } else { 0 };
    let request = request(id, generation, ports, outcome, &sessions, neighbors);
    let mut client = endpoint.switch().await;
    match patiently(client.notify(request)).await {
        Ok(_) => Ok(()),
        Err(status) => {
            if status.code() == Code::NotFound {
                shared.is_registered.send_replace(false);
            }
            Err(chain(&status))
        }
    }
}

fn request(
    id: String,
    generation: u64,
    ports: Option<&PortMap>,
    outcome: Outcome,
    sessions: &[Session],
    neighbors: &Neighbors,
) -> NotifyRequest {
    let states = ports.into_iter().flatten().map(|(name, port)| {
        let state = match port.is_up {
            Some(true) => PortState::Up,
            Some(false) => PortState::Down,
            None => PortState::Unknown,
        };
        (name.to_string(), state.into())
    });
    let by_port = sessions.iter().filter(|session| !session.port.is_empty());
    NotifyRequest {
        id,
        duration_ns: i64::try_from(outcome.duration.as_nanos()).unwrap_or(i64::MAX),
        error: outcome.error,
        port_states: states.collect::<HashMap<_, _>>(),
        bgp_port_states: by_port.map(|session| (session.port.clone(), port_session(session))).collect(),
        generation,
        lldp_neighbors: neighbors.iter().map(|(port, seen)| (port.clone(), neighbor(seen))).collect(),
        bgp_sessions: sessions.iter().map(session_of).collect(),
        port_faults: outcome.port_faults.into_iter().collect(),
    }
}

fn port_session(session: &Session) -> BgpPortState {
    BgpPortState {
        neighbor: session.neighbor.clone(),
        peer_group: session.peer_group.clone(),
        vrf_name: session.vrf.clone(),
        bgp_state: session.state.clone(),
        bgp_timer_up_established: session.established_since,
        sent_prefix_counter: session.sent,
        accepted_prefix_counter: session.accepted,
    }
}

fn session_of(session: &Session) -> BgpSession {
    BgpSession {
        vrf: session.vrf.clone(),
        port: session.port.clone(),
        neighbor: session.neighbor.clone(),
        peer_group: session.peer_group.clone(),
        state: session.state.clone(),
        established_since: session.established_since,
        sent: session.sent,
        accepted: session.accepted,
    }
}

fn neighbor(seen: &Neighbor) -> LldpNeighbor {
    LldpNeighbor {
        chassis_id: seen.chassis_id.clone(),
        port_id: seen.port_id.clone(),
        port_description: seen.port_description.clone(),
        system_name: seen.system_name.clone(),
        system_description: seen.system_description.clone(),
        since: seen.since.as_second(),
    }
}
