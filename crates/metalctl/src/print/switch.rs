//! Columns of switches, their ports, and the machines on them.

use jiff::{SignedDuration, Timestamp};
use metal_model::v1::{SwitchBgpSession, SwitchConnection, SwitchNic, SwitchResponse};
use serde::Serialize;

use super::cell::row;
use super::{Cell, Colour, Row, View, age, go_duration};

/// How urgently a switch needs somebody: silent or slow synchronisation, an error since, a connected port down.
fn status(switch: &SwitchResponse, now: Timestamp) -> Cell {
    let Some(sync) = &switch.last_sync else { return Cell::coloured("●", Colour::Red) };
    let silent = sync.time.get().map_or(SignedDuration::MAX, |t| now.duration_since(t));
    let took = SignedDuration::from_nanos(sync.duration);
    let failed = switch.last_sync_error.as_ref().is_some_and(|e| e.time > sync.time);
    if silent >= SignedDuration::from_mins(10) || took >= SignedDuration::from_secs(30) || failed {
        return Cell::coloured("●", Colour::Red);
    }
    let down = switch.connections.iter().any(|c| c.nic.actual != "UP");
    if silent >= SignedDuration::from_mins(1) || took >= SignedDuration::from_secs(20) || down {
        return Cell::coloured("●", Colour::Yellow);
    }
    Cell::coloured("●", Colour::Green)
}

impl Row for SwitchResponse {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "ID",
                "Partition",
                "Rack",
                "OS",
                "Metalcore",
                "IP",
                "Mode",
                "Last Sync",
                "Sync Duration",
                "Pending",
                "Faults",
                "Last Error",
            ]
        } else {
            &["ID", "Partition", "Rack", "OS", "Status", "Last Sync"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let synced = self.last_sync.as_ref().and_then(|s| s.time.get());
        let last = Cell::ago(synced, view.now);
        let os = self.os.clone().unwrap_or_default();
        if !view.wide {
            return row![
                &self.id,
                &self.partition.id,
                &self.rack_id,
                os.vendor,
                status(self, view.now),
                last
            ];
        }
        let pending = self.nics.iter().filter(|nic| nic.pending).count();
        let faults = self.nics.iter().filter(|nic| !nic.fault.is_empty()).count();
        row![
            &self.id,
            &self.partition.id,
            &self.rack_id,
            format!("{}/{}", os.vendor, os.version),
            os.metal_core_version,
            &self.management_ip,
            &self.mode,
            last,
            self.last_sync
                .as_ref()
                .map(|s| go_duration(SignedDuration::from_nanos(s.duration)))
                .unwrap_or_default(),
            count(pending, Colour::Yellow),
            count(faults, Colour::Red),
            last_error(self, view.now),
        ]
    }
}

/// Nothing rather than a zero, so that what is wrong stands out.
fn count(ports: usize, colour: Colour) -> Cell {
    if ports == 0 { Cell::default() } else { Cell::coloured(ports.to_string(), colour) }
}

/// The last error: red while nothing has succeeded since.
fn last_error(switch: &SwitchResponse, now: Timestamp) -> Cell {
    let Some(failed) = &switch.last_sync_error else { return Cell::default() };
    let ago = age(failed.time.get(), now);
    let text = format!("{ago} ago: {}", failed.error.as_deref().unwrap_or_default());
    let is_over = switch.last_sync.as_ref().is_some_and(|sync| sync.time >= failed.time);
    if is_over { Cell::from(text) } else { Cell::coloured(text, Colour::Red) }
}

/// A port of a switch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PortRow {
    /// Switch.
    pub switch: String,
    /// Partition of the switch.
    pub partition: String,
    /// Rack of the switch.
    pub rack: String,
    /// The port.
    pub nic: SwitchNic,
    /// Machine on it.
    pub machine: String,
    /// BGP sessions over it, in whichever VRF.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bgp_sessions: Vec<SwitchBgpSession>,
}

impl PortRow {
    /// All ports of a switch.
    pub fn all(switch: &SwitchResponse) -> Vec<Self> {
        let machine = |nic: &SwitchNic| {
            let on = |c: &&SwitchConnection| c.nic.name == nic.name && c.nic.mac == nic.mac;
            switch.connections.iter().find(on).map(|c| c.machine_id.clone()).unwrap_or_default()
        };
        let row = |nic: &SwitchNic| Self {
            switch: switch.id.clone(),
            partition: switch.partition.id.clone(),
            rack: switch.rack_id.clone(),
            machine: machine(nic),
            nic: nic.clone(),
            bgp_sessions: switch.bgp_sessions.iter().filter(|s| s.port == nic.name).cloned().collect(),
        };
        switch.nics.iter().map(row).collect()
    }

    /// State, time up, and prefixes accepted and sent of each session on the port.
    fn sessions(&self, now: Timestamp) -> String {
        let only = self.nic.bgp_port_state.iter().map(|session| SwitchBgpSession {
            vrf: session.vrf_name.clone(),
            state: session.bgp_state.clone(),
            established_since: session.bgp_timer_up_established,
            sent: session.sent_prefix_counter,
            accepted: session.accepted_prefix_counter,
            ..SwitchBgpSession::default()
        });
        // Older agents tell of one session at most, and not in the list.
        let all: Vec<_> =
            if self.bgp_sessions.is_empty() { only.collect() } else { self.bgp_sessions.clone() };
        all.iter().map(|session| self.session(session, now)).collect::<Vec<_>>().join(", ")
    }

    fn session(&self, session: &SwitchBgpSession, now: Timestamp) -> String {
        let mut text = session.state.clone();
        if session.state.eq_ignore_ascii_case("established") {
            if session.established_since > 0 {
                text += &format!(" {}", age(Timestamp::from_second(session.established_since).ok(), now));
            }
            text += &format!(" {}/{}", session.accepted, session.sent);
        }
        // SONiC capitalises the names of VRFs. Elsewhere than wanted is worth a word; uplinks are wanted nowhere else.
        let wanted = if self.nic.vrf.is_empty() { "default" } else { &self.nic.vrf };
        if !session.vrf.is_empty() && !session.vrf.eq_ignore_ascii_case(wanted) {
            text += &format!(" in {}", session.vrf);
        }
        text
    }
}

impl Row for PortRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &[
            "Partition",
            "Rack",
            "Switch",
            "Port",
            "Machine",
            "VNI-Filter",
            "CIDR-Filter",
            "State",
            "VRF",
            "BGP",
            "Neighbor",
            "Fault",
        ]
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let filter = self.nic.filter.clone().unwrap_or_default();
        let state = match self.nic.actual.as_str() {
            "UP" => Cell::coloured("UP", Colour::Green),
            "DOWN" => Cell::coloured("DOWN", Colour::Red),
            other => Cell::from(other),
        };
        row![
            &self.partition,
            &self.rack,
            &self.switch,
            &self.nic.name,
            &self.machine,
            filter.vnis.join(","),
            filter.cidrs.join(","),
            state,
            vrf(&self.nic),
            self.sessions(view.now),
            neighbor(&self.nic, &self.machine),
            Cell::coloured(&self.nic.fault, Colour::Red),
        ]
    }
}

/// Where the port is meant to be, yellow while the switch has not confirmed it.
fn vrf(nic: &SwitchNic) -> Cell {
    if !nic.pending {
        return Cell::from(&nic.vrf);
    }
    let vrf = if nic.vrf.is_empty() { "pxe" } else { &nic.vrf };
    Cell::coloured(format!("{vrf} (pending)"), Colour::Yellow)
}

/// Who is at the other end, shortly: a machine that is the known one needs no name.
fn neighbor(nic: &SwitchNic, machine: &str) -> String {
    let Some(seen) = &nic.lldp_neighbor else { return String::new() };
    let name = if seen.system_name.is_empty() { &seen.chassis_id } else { &seen.system_name };
    if !machine.is_empty() && name == machine {
        seen.port_id.clone()
    } else {
        format!("{name} {}", seen.port_id)
    }
}

/// A machine on a switch port.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConnectionRow {
    /// Machine.
    pub machine: String,
    /// Switch.
    pub switch: String,
    /// Port.
    pub port: String,
    /// State of the port.
    pub state: String,
    /// Partition of the switch.
    pub partition: String,
    /// Rack of the switch.
    pub rack: String,
    /// Size of the machine.
    pub size: String,
    /// Host name of the machine, if it is allocated.
    pub hostname: String,
    /// Serial number of the product.
    pub serial: String,
}

impl Row for ConnectionRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Switch", "Port", "State", "Partition", "Rack", "Size", "Hostname", "Product Serial"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![
            &self.machine,
            &self.switch,
            &self.port,
            &self.state,
            &self.partition,
            &self.rack,
            &self.size,
            &self.hostname,
            &self.serial,
        ]
    }
}
