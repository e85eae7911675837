//! Leaf switches, their ports and what is connected to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{MachineId, PartitionId, RackId, SwitchId};
use crate::v1;

/// Is the switch in service, or waiting to be replaced by new hardware of the same id?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchMode {
    /// After the first registration; the empty string on the wire.
    #[default]
    New,
    /// In service.
    Operational,
    /// The next registration takes the configuration of the rack's other switch.
    Replace,
}

impl SwitchMode {
    /// The wire word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Operational => "operational",
            Self::Replace => "replace",
        }
    }
}

/// State of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PortState {
    /// Carrier.
    Up,
    /// No carrier, or switched off.
    Down,
    /// Never reported.
    Unknown,
}

impl PortState {
    /// `UP`, `DOWN`, `UNKNOWN`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads a wire word in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Up, Self::Down, Self::Unknown]
            .into_iter()
            .find(|state| state.wire().eq_ignore_ascii_case(text))
    }
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SwitchPort {
    /// Name in the switch's own scheme, `swp1s2` or `Ethernet4`.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// What LLDP neighbours report; the MAC address when empty.
    pub identifier: String,
    /// Empty: PXE network; `default`: firewall port; `vrf<N>`: tenant. Changed by [`SwitchPort::assign`] only.
    pub vrf: String,
    /// Revision of the commit that last changed `vrf`. A switch that applied an older configuration may still have
    /// the port where it was before.
    pub vrf_since: u64,
    /// What an operator wants, until reached.
    pub desired: Option<PortState>,
    /// What the switch reported.
    pub actual: Option<PortState>,
    /// What an operator last wanted, kept after it was reached; nothing means up.
    pub admin: Option<PortState>,
    /// BGP session of the port.
    pub bgp: Option<v1::SwitchBgpPortState>,
}

impl SwitchPort {
    /// The identifier, or the MAC address when there is none.
    pub fn identity(&self) -> &str {
        if self.identifier.is_empty() { &self.mac } else { &self.identifier }
    }

    /// Puts the port into a VRF, by the commit that will have this revision.
    pub fn assign(&mut self, vrf: &str, revision: u64) {
        if self.vrf != vrf {
            vrf.clone_into(&mut self.vrf);
            self.vrf_since = revision;
        }
    }
}

/// A leaf switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switch {
    /// Host name.
    pub id: SwitchId,
    /// First registration.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name; machines' LLDP neighbours carry it as host name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Where it is.
    pub partition: PartitionId,
    /// Rack; both leaves of a rack carry the same.
    pub rack: RackId,
    /// Room the rack stands in; may be empty.
    pub room: String,
    /// In service or being replaced.
    pub mode: SwitchMode,
    /// Operating system.
    pub os: Option<v1::SwitchOs>,
    /// Management address.
    pub management_ip: String,
    /// Management account.
    pub management_user: String,
    /// How an operator reaches the console.
    pub console_command: String,
    /// Ports in the order of registration.
    pub ports: Vec<SwitchPort>,
    /// Names of the ports a machine is connected to.
    pub connections: BTreeMap<MachineId, Vec<String>>,
}

impl Default for Switch {
    fn default() -> Self {
        Self {
            id: SwitchId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            partition: PartitionId::default(),
            rack: RackId::default(),
            room: String::new(),
            mode: SwitchMode::New,
            os: None,
            management_ip: String::new(),
            management_user: String::new(),
            console_command: String::new(),
            ports: Vec::new(),
            connections: BTreeMap::new(),
        }
    }
}

/// One synchronisation of a switch with its desired configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwitchSync {
    /// When it ended.
    pub time: Timestamp,
    /// Nanoseconds it took.
    pub duration: i64,
    /// Why it failed.
    pub error: Option<String>,
}

/// Synchronisation status: apart from the switch, because it is reported every few seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SwitchStatus {
    /// The switch.
    pub id: SwitchId,
    /// Last success.
    pub last_sync: Option<SwitchSync>,
    /// Last failure.
    pub last_sync_error: Option<SwitchSync>,
    /// Revision of the desired configuration that is in effect on the switch; 0 when none is known to be.
    pub applied: u64,
    /// Whether its agent has ever told what is in effect. Old agents never do, and nobody waits for them.
    pub tells_applied: bool,
}

impl SwitchStatus {
    /// Whether a port may still be configured as it was before its VRF was changed.
    pub fn lags(&self, port: &SwitchPort) -> bool {
        self.tells_applied && port.vrf_since > self.applied
    }
}

/// What a switch sees. Apart from its status, because it is large and rarely changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SwitchObservation {
    /// The switch.
    pub id: SwitchId,
    /// LLDP neighbours by port.
    pub neighbors: BTreeMap<String, v1::SwitchLldpNeighbor>,
    /// All BGP sessions, those of uplinks too.
    pub sessions: Vec<v1::SwitchBgpSession>,
    /// Why a port is isolated, by port.
    pub faults: BTreeMap<String, String>,
}
