//! Columns of switches, their ports, and the machines on them.

use jiff::{SignedDuration, Timestamp};
use metal_model::v1::{SwitchConnection, SwitchNic, SwitchResponse};
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
        let error = self.last_sync_error.as_ref().map(|e| {
            let ago = age(e.time.get(), view.now);
            format!("{ago} ago: {}", e.error.as_deref().unwrap_or_default())
        });
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
            error.unwrap_or_default(),
        ]
    }
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
        };
        switch.nics.iter().map(row).collect()
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
        ]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
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
            &self.nic.vrf,
            self.nic.bgp_port_state.as_ref().map(|b| b.bgp_state.clone()).unwrap_or_default(),
        ]
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
