//! Switches in wire form, and the configuration they are told to have.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_model::switch::{PortState, Switch, SwitchObservation, SwitchPort, SwitchSync};
use metal_model::v1;

use super::filter::Filters;
use crate::{Error, Snapshot, partition};

/// A switch, strictly: a missing network behind a filter is an error.
pub fn response(snapshot: &Snapshot, switch: &Switch) -> Result<v1::SwitchResponse, Error> {
    let mut filters = Filters::new(snapshot);
    view(snapshot, switch, |port, machine| filters.strict(machine, &port.vrf))
}

/// A switch, leniently: what is gone contributes nothing.
pub fn list_response(snapshot: &Snapshot, switch: &Switch) -> v1::SwitchResponse {
    let mut filters = Filters::new(snapshot);
    view(snapshot, switch, |port, machine| Ok(filters.lenient(machine, &port.vrf)))
        .expect("a lenient filter is never an error")
}

/// Switches that meet all criteria, in the order of their ids.
pub fn find(snapshot: &Snapshot, req: &v1::SwitchFindRequest) -> Result<Vec<Arc<Switch>>, Error> {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let fits = |switch: &&Arc<Switch>| {
        let os = switch.os.as_ref();
        is(&req.id, switch.id.as_str())
            && is(&req.name, &switch.name)
            && is(&req.partitionid, switch.partition.as_str())
            && is(&req.rackid, switch.rack.as_str())
            && is(&req.roomid, &switch.room)
            && is(&req.osvendor, os.map_or("", |os| &os.vendor))
            && is(&req.osversion, os.map_or("", |os| &os.version))
    };
    let found = match (&req.id, &req.partitionid) {
        (Some(id), _) => snapshot.switches.get(id).into_iter().filter(fits).cloned().collect(),
        (None, Some(partition)) => {
            let ids = snapshot.index.switches_by_partition.get(partition.as_str());
            ids.filter_map(|id| snapshot.switches.get(id.as_str())).filter(fits).cloned().collect()
        }
        (None, None) => snapshot.switches.iter().filter(fits).cloned().collect(),
    };
    Ok(found)
}

/// What a port must be configured to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredPort {
    /// Port name.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// Identifier.
    pub identifier: String,
    /// Empty, `default` or `vrf<N>`.
    pub vrf: String,
    /// Prefixes that may be announced on it.
    pub cidrs: Vec<String>,
    /// VNIs that may be used on it.
    pub vnis: Vec<String>,
    /// Whether it is to be up.
    pub admin: PortState,
    /// The machine on it.
    pub machine: String,
    /// Revision that last changed `vrf`; not told to the switch. It is here so that a VRF that was changed and changed
    /// back is told anew: the machine on the port is offered only when the switch has confirmed the last change.
    pub since: u64,
}

/// What a switch must be configured to. Equal values need no reconfiguration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Ports by name.
    pub ports: Vec<DesiredPort>,
}

/// The configuration a switch is told to have. What is gone contributes nothing to a filter: less is announced, never more.
pub fn desired(snapshot: &Snapshot, switch: &Switch) -> Desired {
    let mut filters = Filters::new(snapshot);
    let machines = machines_by_port(switch);
    let ports = sorted(switch)
        .into_iter()
        .map(|port| {
            let machine = machines.get(port.name.as_str()).copied();
            let filter = machine.and_then(|machine| filters.lenient(machine, &port.vrf)).unwrap_or_default();
            DesiredPort {
                name: port.name.clone(),
                mac: port.mac.clone(),
                identifier: port.identifier.clone(),
                vrf: port.vrf.clone(),
                cidrs: filter.cidrs,
                vnis: filter.vnis,
                admin: port.admin.unwrap_or(PortState::Up),
                machine: machine.unwrap_or_default().to_owned(),
                since: port.vrf_since,
            }
        })
        .collect();
    Desired { ports }
}

fn sorted(switch: &Switch) -> Vec<&SwitchPort> {
    let mut ports: Vec<&SwitchPort> = switch.ports.iter().collect();
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    ports
}

fn machines_by_port(switch: &Switch) -> BTreeMap<&str, &str> {
    let pairs = switch.connections.iter();
    pairs.flat_map(|(machine, names)| names.iter().map(|name| (name.as_str(), machine.as_str()))).collect()
}

fn view(
    snapshot: &Snapshot,
    switch: &Switch,
    mut filter: impl FnMut(&SwitchPort, &str) -> Result<Option<v1::BgpFilter>, Error>,
) -> Result<v1::SwitchResponse, Error> {
    let machines = machines_by_port(switch);
    let status = snapshot.switch_statuses.get(switch.id.as_str());
    let mut nics = Vec::with_capacity(switch.ports.len());
    for port in sorted(switch) {
        let filter = match machines.get(port.name.as_str()) {
            Some(machine) => filter(port, machine)?,
            None => None,
        };
        let admin_status = port.admin.unwrap_or(PortState::Up).wire().to_owned();
        let pending = status.is_some_and(|status| status.lags(port));
        nics.push(v1::SwitchNic { filter, admin_status, pending, ..nic(port, port.desired.or(port.actual)) });
    }
    let by_name: BTreeMap<&str, &SwitchPort> =
        switch.ports.iter().map(|port| (port.name.as_str(), port)).collect();
    let connections = switch
        .connections
        .iter()
        .flat_map(|(machine, names)| names.iter().map(move |name| (machine, name)))
        .filter_map(|(machine, name)| {
            let port = by_name.get(name.as_str())?;
            Some(v1::SwitchConnection { nic: nic(port, port.actual), machine_id: machine.to_string() })
        })
        .collect();
    let partition = snapshot.partitions.get(switch.partition.as_str());
    let mut answer = v1::SwitchResponse {
        id: switch.id.to_string(),
        name: switch.name.clone(),
        description: switch.description.clone(),
        rack_id: switch.rack.to_string(),
        room_id: switch.room.clone(),
        mode: switch.mode.wire().to_owned(),
        os: switch.os.clone(),
        management_ip: switch.management_ip.clone(),
        management_user: switch.management_user.clone(),
        console_command: switch.console_command.clone(),
        nics,
        partition: Arc::new(partition.map(|found| partition::list_response(found)).unwrap_or_default()),
        connections,
        last_sync: status.and_then(|status| status.last_sync.as_ref()).map(sync),
        last_sync_error: status.and_then(|status| status.last_sync_error.as_ref()).map(sync),
        bgp_sessions: Vec::new(),
        created: switch.created.into(),
        changed: switch.changed.into(),
    };
    if let Some(seen) = snapshot.switch_observations.get(switch.id.as_str()) {
        observe(&mut answer, seen);
    }
    Ok(answer)
}

/// Adds to an answer what the switch sees, in place of what it held of that.
pub fn observe(answer: &mut v1::SwitchResponse, seen: &SwitchObservation) {
    answer.bgp_sessions.clone_from(&seen.sessions);
    for nic in &mut answer.nics {
        nic.lldp_neighbor = seen.neighbors.get(&nic.name).cloned();
        nic.fault = seen.faults.get(&nic.name).cloned().unwrap_or_default();
    }
    if seen.sessions.is_empty() {
        return;
    }
    let connected = answer.connections.iter_mut().map(|connection| &mut connection.nic);
    for nic in answer.nics.iter_mut().chain(connected) {
        nic.bgp_port_state = session(seen, nic);
    }
}

/// The session on a port, in the form that has room for one: that of the VRF the port is meant to be in comes first.
fn session(seen: &SwitchObservation, nic: &v1::SwitchNic) -> Option<v1::SwitchBgpPortState> {
    let on_port = || seen.sessions.iter().filter(|session| session.port == nic.name);
    // SONiC capitalises the names of VRFs.
    let as_wanted = on_port().find(|session| session.vrf.eq_ignore_ascii_case(&nic.vrf));
    as_wanted.or_else(|| on_port().next()).map(|session| v1::SwitchBgpPortState {
        neighbor: session.neighbor.clone(),
        peer_group: session.peer_group.clone(),
        vrf_name: session.vrf.clone(),
        bgp_state: session.state.clone(),
        bgp_timer_up_established: session.established_since,
        sent_prefix_counter: session.sent,
        accepted_prefix_counter: session.accepted,
    })
}

fn nic(port: &SwitchPort, state: Option<PortState>) -> v1::SwitchNic {
    v1::SwitchNic {
        mac: port.mac.clone(),
        name: port.name.clone(),
        identifier: port.identifier.clone(),
        vrf: port.vrf.clone(),
        filter: None,
        actual: state.unwrap_or(PortState::Unknown).wire().to_owned(),
        admin_status: String::new(),
        bgp_port_state: port.bgp.clone(),
        ..v1::SwitchNic::default()
    }
}

pub(super) fn sync(sync: &SwitchSync) -> v1::SwitchSync {
    v1::SwitchSync { time: sync.time.into(), duration: sync.duration, error: sync.error.clone() }
}
