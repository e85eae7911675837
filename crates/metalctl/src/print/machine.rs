//! Columns of machines and firewalls, of their BMCs, problems and events.

use metal_model::v1::{
    MachineAllocation, MachineIpmiResponse, MachineIssue, MachineProvisioningEvent,
    MachineRecentProvisioningEvents, MachineResponse, MachineState,
};
use serde::Serialize;

use super::cell::row;
use super::{Cell, Colour, Row, View};

/// The part of a machine that tells its condition, which is the same with its BMC and without.
struct Condition<'a> {
    liveliness: &'a str,
    state: &'a MachineState,
    events: &'a MachineRecentProvisioningEvents,
    allocation: Option<&'a MachineAllocation>,
}

impl<'a> From<&'a MachineResponse> for Condition<'a> {
    fn from(m: &'a MachineResponse) -> Self {
        Self {
            liveliness: &m.liveliness,
            state: &m.state,
            events: &m.events,
            allocation: m.allocation.as_deref(),
        }
    }
}

impl<'a> From<&'a MachineIpmiResponse> for Condition<'a> {
    fn from(m: &'a MachineIpmiResponse) -> Self {
        Self {
            liveliness: &m.liveliness,
            state: &m.state,
            events: &m.events,
            allocation: m.allocation.as_deref(),
        }
    }
}

/// The symbols that tell the condition of a machine at a glance.
fn symbols(machine: &Condition<'_>, view: &View) -> String {
    let mut symbols = Vec::new();
    match machine.liveliness {
        "Alive" => {}
        "Dead" => symbols.push("💀"),
        _ => symbols.push("❓"),
    }
    match machine.state.value.as_str() {
        "LOCKED" => symbols.push("🔒"),
        "RESERVED" | "TAINTED" => symbols.push("🚧"),
        _ => {}
    }
    let events = machine.events;
    if events.failed_machine_reclaim {
        symbols.push("🚑");
    }
    let recent = |event: &MachineProvisioningEvent| {
        event.time.is_some_and(|at| view.now.duration_since(at.0) < view.error_threshold)
    };
    if events.last_error_event.as_ref().is_some_and(recent) {
        symbols.push("❗");
    }
    if events.crash_loop {
        symbols.push("⭕");
    }
    if machine.allocation.and_then(|a| a.vpn.as_ref()).is_some_and(|vpn| vpn.connected) {
        symbols.push("🛡");
    }
    symbols.concat()
}

/// Name of the last event and the time since then.
fn last_event(machine: &Condition<'_>, view: &View) -> (String, Cell) {
    let event = machine.events.log.first();
    let name = event.map(|e| e.event.clone()).unwrap_or_default();
    let at = machine.events.last_event_time.or_else(|| event.and_then(|e| e.time)).and_then(|t| t.get());
    let when = Cell::ago(at, view.now);
    (name, when)
}

fn lock(state: &MachineState) -> String {
    match (state.value.as_str(), state.description.as_str()) {
        ("", _) => String::new(),
        (value, "") => value.to_lowercase(),
        (value, why) => format!("{}: {why}", value.to_lowercase()),
    }
}

impl Row for MachineResponse {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "ID",
                "Last Event",
                "When",
                "Age",
                "Description",
                "Name",
                "Hostname",
                "Project",
                "IPs",
                "Size",
                "Image",
                "Partition",
                "Rack",
                "Started",
                "Tags",
                "Lock/Reserve",
            ]
        } else {
            &[
                "ID",
                "",
                "Last Event",
                "When",
                "Age",
                "Hostname",
                "Project",
                "Size",
                "Image",
                "Partition",
                "Rack",
            ]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let allocation = self.allocation.as_deref();
        let (event, when) = last_event(&self.into(), view);
        let started = allocation.and_then(|a| a.created.get());
        let age = Cell::ago(started, view.now);
        let hostname = allocation.map(|a| a.hostname.as_str()).unwrap_or_default();
        let project = allocation.map(|a| a.project.as_str()).unwrap_or_default();
        let image = allocation.and_then(|a| a.image.as_deref()).map(|i| i.id.as_str()).unwrap_or_default();
        let size = self.size.as_deref().map(|s| s.id.as_str()).unwrap_or_default();
        let partition = self.partition.as_deref().map(|p| p.id.as_str()).unwrap_or_default();
        if !view.wide {
            let symbols = symbols(&self.into(), view);
            return row![
                &self.id,
                symbols,
                event,
                when,
                age,
                hostname,
                project,
                size,
                image,
                partition,
                &self.rackid
            ];
        }
        let ips = allocation
            .map(|a| a.networks.iter().flat_map(|n| n.ips.iter()).cloned().collect::<Vec<_>>().join(","));
        row![
            &self.id,
            event,
            when,
            age,
            allocation.map(|a| a.description.as_str()).unwrap_or_default(),
            allocation.map(|a| a.name.as_str()).unwrap_or_default(),
            hostname,
            project,
            ips.unwrap_or_default(),
            size,
            image,
            partition,
            &self.rackid,
            started.map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default(),
            self.tags.join(","),
            lock(&self.state),
        ]
    }
}

/// A firewall as a row; on the wire it is a machine.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct FirewallRow(pub MachineResponse);

impl Row for FirewallRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Age", "Hostname", "Project", "Networks", "IPs", "Partition"]
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let allocation = self.0.allocation.as_deref();
        let started = allocation.and_then(|a| a.created.get());
        let networks = allocation.map(|a| a.networks.as_slice()).unwrap_or_default();
        let ids: Vec<&str> = networks.iter().map(|n| n.networkid.as_str()).collect();
        let ips: Vec<&str> = networks.iter().flat_map(|n| n.ips.iter().map(String::as_str)).collect();
        row![
            &self.0.id,
            Cell::ago(started, view.now),
            allocation.map(|a| a.hostname.as_str()).unwrap_or_default(),
            allocation.map(|a| a.project.as_str()).unwrap_or_default(),
            ids.join(","),
            ips.join(","),
            self.0.partition.as_deref().map(|p| p.id.as_str()).unwrap_or_default(),
        ]
    }
}

fn power(state: &str) -> Cell {
    match state.to_uppercase().as_str() {
        "ON" => Cell::coloured("⏻ on", Colour::Green),
        "OFF" => Cell::coloured("⏻ off", Colour::Red),
        _ => Cell::coloured("⏻ ?", Colour::Yellow),
    }
}

/// A machine seen through its BMC.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct BmcRow(pub MachineIpmiResponse);

impl Row for BmcRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &[
            "ID",
            "",
            "Power",
            "IP",
            "Mac",
            "Board Part Number",
            "BIOS",
            "BMC",
            "Size",
            "Partition",
            "Rack",
            "Updated",
        ]
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let m = &self.0;
        let updated = m.ipmi.last_updated.get();
        row![
            &m.id,
            symbols(&m.into(), view),
            power(&m.ipmi.powerstate),
            &m.ipmi.address,
            &m.ipmi.mac,
            &m.ipmi.fru.board_part_number,
            &m.bios.version,
            &m.ipmi.bmcversion,
            m.size.as_deref().map(|s| s.id.as_str()).unwrap_or_default(),
            m.partition.as_deref().map(|p| p.id.as_str()).unwrap_or_default(),
            &m.rackid,
            Cell::ago(updated, view.now),
        ]
    }
}

/// A machine and what is wrong with it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IssueRow {
    /// The machine.
    pub machine: MachineIpmiResponse,
    /// Its problems.
    pub issues: Vec<MachineIssue>,
}

impl Row for IssueRow {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "ID",
                "Name",
                "Partition",
                "Project",
                "Power",
                "State",
                "Lock Reason",
                "Last Event",
                "When",
                "Issues",
                "Ref URL",
                "Details",
            ]
        } else {
            &["ID", "Power", "Allocated", "", "Lock Reason", "Last Event", "When", "Issues"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let m = &self.machine;
        let condition = Condition::from(m);
        let (event, when) = last_event(&condition, view);
        let each = |of: fn(&MachineIssue) -> &str| self.issues.iter().map(of).collect::<Vec<_>>().join("; ");
        let problems = Cell::coloured(
            self.issues
                .iter()
                .map(|i| format!("{} ({})", i.description, i.id))
                .collect::<Vec<_>>()
                .join("; "),
            if self.issues.iter().any(|i| i.severity == "critical") { Colour::Red } else { Colour::Yellow },
        );
        if !view.wide {
            let allocated = if m.allocation.is_some() { "yes" } else { "no" };
            let symbols = symbols(&condition, view);
            return row![
                &m.id,
                power(&m.ipmi.powerstate),
                allocated,
                symbols,
                &m.state.description,
                event,
                when,
                problems
            ];
        }
        let allocation = m.allocation.as_deref();
        row![
            &m.id,
            allocation.map(|a| a.name.as_str()).unwrap_or_default(),
            m.partition.as_deref().map(|p| p.id.as_str()).unwrap_or_default(),
            allocation.map(|a| a.project.as_str()).unwrap_or_default(),
            power(&m.ipmi.powerstate),
            &m.state.value,
            &m.state.description,
            event,
            when,
            problems,
            each(|i| &i.ref_url),
            each(|i| &i.details),
        ]
    }
}

impl Row for MachineIssue {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Severity", "Description", "Reference URL"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![&self.id, &self.severity, &self.description, &self.ref_url]
    }
}

/// An event of a machine.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct LogRow(pub MachineProvisioningEvent);

impl Row for LogRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["Time", "Event", "Message"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![self.0.time.map(|t| t.to_string()).unwrap_or_default(), &self.0.event, &self.0.message]
    }
}
