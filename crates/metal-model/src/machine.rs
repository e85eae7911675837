//! The machine: a physical server, and its allocation while a project has it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FilesystemLayoutId, ImageId, MachineId, NetworkId, PartitionId, ProjectId, RackId, SizeId};
use crate::v1;

/// A physical server. Exists from its first sign of life (network boot, BMC report or registration).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// SMBIOS UUID.
    pub id: MachineId,
    /// First seen.
    pub created: Timestamp,
    /// Last change of this record.
    pub changed: Timestamp,
    /// Record name, normally empty; the user-visible name is the allocation's.
    pub name: String,
    /// Record description, normally empty.
    pub description: String,
    /// Empty until a partition reported it.
    pub partition: PartitionId,
    /// Matched from the hardware; `unknown` when none or several match.
    pub size: SizeId,
    /// From the switches it is connected to; empty before registration.
    pub rack: RackId,
    /// Room of the rack, from the same switches.
    pub room: String,
    /// An installer in RAM is parked on the wait stream and may be given an allocation.
    pub waiting: bool,
    /// Reserved or locked by an operator.
    pub state: MachineState,
    /// Chassis identify LED as last commanded or reported.
    pub led: v1::ChassisIdentifyLedState,
    /// Inventory of the last registration.
    pub hardware: Arc<v1::MachineHardware>,
    /// Firmware of the last registration or BMC report.
    pub bios: Arc<v1::MachineBios>,
    /// User tags merged with the system's.
    pub tags: Vec<String>,
    /// Present while a project has the machine.
    pub allocation: Option<Arc<Allocation>>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            id: MachineId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            partition: PartitionId::default(),
            size: SizeId::default(),
            rack: RackId::default(),
            room: String::new(),
            waiting: false,
            state: MachineState::default(),
            led: v1::ChassisIdentifyLedState::default(),
            hardware: Arc::default(),
            bios: Arc::default(),
            tags: Vec::new(),
            allocation: None,
        }
    }
}

/// May the machine be handed out?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Anybody may have it.
    #[default]
    Available,
    /// Only explicitly by its id. `RESERVED` on the wire, also accepted as `TAINTED`.
    Reserved,
    /// Nobody may allocate, free or reinstall it.
    Locked,
}

impl Availability {
    /// The wire value: empty, `RESERVED`, `LOCKED`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Available => "",
            Self::Reserved => "RESERVED",
            Self::Locked => "LOCKED",
        }
    }

    /// Reads a wire value; `TAINTED` is `RESERVED`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::Available),
            "RESERVED" | "TAINTED" => Some(Self::Reserved),
            "LOCKED" => Some(Self::Locked),
            _ => None,
        }
    }
}

/// What an operator decided about the machine, and which installer last spoke for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineState {
    /// Whether it may be handed out.
    pub value: Availability,
    /// Why.
    pub description: String,
    /// Who said so, an e-mail address; empty when available.
    pub issuer: String,
    /// Version of the installer that last registered.
    pub metal_hammer_version: String,
}

/// What an allocated machine is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A server.
    #[default]
    Machine,
    /// A firewall between networks.
    Firewall,
}

impl Role {
    /// `machine` or `firewall`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Firewall => "firewall",
        }
    }
}

/// A machine given to a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allocation {
    /// New UUID per allocation.
    pub uuid: String,
    /// E-mail of who asked.
    pub creator: String,
    /// When.
    pub created: Timestamp,
    /// User-visible name.
    pub name: String,
    /// User-visible description.
    pub description: String,
    /// Owner.
    pub project: ProjectId,
    /// Host name of the installed system.
    pub hostname: String,
    /// The resolved image.
    pub image: ImageId,
    /// Copy of the layout taken when allocated.
    pub filesystem_layout: Option<Arc<v1::FilesystemLayoutResponse>>,
    /// Id of that layout.
    pub filesystem_layout_id: FilesystemLayoutId,
    /// Networks with the addresses held in them.
    pub networks: Vec<MachineNetwork>,
    /// Lines of authorized_keys.
    pub ssh_pub_keys: Vec<String>,
    /// Verbatim user data.
    pub user_data: String,
    /// Machine or firewall.
    pub role: Role,
    /// Reported by the installer; never part of a machine response.
    pub console_password: String,
    /// A reinstallation was asked for and not yet reported.
    pub reinstall: bool,
    /// Present after the installer's successful report.
    pub boot_info: Option<v1::BootInfo>,
    /// Present when a VPN is configured.
    pub vpn: Option<v1::MachineVpn>,
    /// Initial rules of a firewall.
    pub firewall_rules: Option<v1::FirewallRules>,
    /// At most three.
    pub dns_servers: Vec<v1::DnsServer>,
    /// At most five.
    pub ntp_servers: Vec<v1::NtpServer>,
    /// The one ASN of the machine; a claim document holds it.
    pub asn: u32,
    /// Tags that spread the allocations of a group over racks.
    pub placement_tags: Vec<String>,
}

impl Default for Allocation {
    fn default() -> Self {
        Self {
            uuid: String::new(),
            creator: String::new(),
            created: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            project: ProjectId::default(),
            hostname: String::new(),
            image: ImageId::default(),
            filesystem_layout: None,
            filesystem_layout_id: FilesystemLayoutId::default(),
            networks: Vec::new(),
            ssh_pub_keys: Vec::new(),
            user_data: String::new(),
            role: Role::Machine,
            console_password: String::new(),
            reinstall: false,
            boot_info: None,
            vpn: None,
            firewall_rules: None,
            dns_servers: Vec::new(),
            ntp_servers: Vec::new(),
            asn: 0,
            placement_tags: Vec::new(),
        }
    }
}

/// How a machine takes part in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineNetworkType {
    /// The project's own network.
    PrivatePrimaryUnshared,
    /// A shared network used as the primary one.
    PrivatePrimaryShared,
    /// A shared network beside the primary one (firewalls).
    PrivateSecondaryShared,
    /// Internet and the like.
    External,
    /// The fabric itself (firewalls).
    Underlay,
}

impl MachineNetworkType {
    /// The wire word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::PrivatePrimaryUnshared => "privateprimaryunshared",
            Self::PrivatePrimaryShared => "privateprimaryshared",
            Self::PrivateSecondaryShared => "privatesecondaryshared",
            Self::External => "external",
            Self::Underlay => "underlay",
        }
    }

    /// True for all three private types.
    pub fn is_private(self) -> bool {
        matches!(
            self,
            Self::PrivatePrimaryUnshared | Self::PrivatePrimaryShared | Self::PrivateSecondaryShared
        )
    }
}

/// A network of an allocation, as the network was when allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineNetwork {
    /// Which network.
    pub network: NetworkId,
    /// Its prefixes at that time.
    pub prefixes: Vec<IpNet>,
    /// Where it leads.
    pub destination_prefixes: Vec<IpNet>,
    /// Addresses the machine has in it.
    pub ips: Vec<IpAddr>,
    /// How the machine takes part.
    pub kind: MachineNetworkType,
    /// VRF number, which is the layer-3 VNI.
    pub vrf: u32,
    /// ASN of the machine.
    pub asn: u32,
    /// Masquerade towards it.
    pub nat: bool,
    /// Owner of the network, empty for external ones.
    pub project: ProjectId,
    /// `external`, `underlay`, `child`, `child-shared`.
    pub network_type_v2: String,
    /// `none` or `ipv4-masq`.
    pub nat_type_v2: String,
}

/// Management controller of a machine: apart from the machine, because it is reported every few minutes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bmc {
    /// The machine it belongs to.
    pub machine: MachineId,
    /// `host:port`, IPv6 hosts in brackets.
    pub address: String,
    /// MAC address of the management port.
    pub mac: String,
    /// Account name.
    pub user: String,
    /// Account password.
    pub password: String,
    /// `lanplus` and the like.
    pub interface: String,
    /// Field-replaceable unit data.
    pub fru: v1::MachineFru,
    /// Firmware version of the controller.
    pub bmc_version: String,
    /// `ON`, `OFF` as reported.
    pub power_state: String,
    /// Consumption, when the controller measures it.
    pub power_metric: Option<v1::PowerMetric>,
    /// State of the power supplies.
    pub power_supplies: Vec<v1::PowerSupply>,
    /// Last report; `None` before the first.
    pub last_updated: Option<Timestamp>,
}
