//! A machine as clients see it: hardware, state, allocation, and the events of its provisioning. The big nested
//! objects are shared pointers, so that answering a list of thousands copies none of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filesystem_layout::FilesystemLayoutResponse;
use super::firewall::FirewallRules;
use super::hardware::{MachineBios, MachineHardware, MachineIpmi};
use super::image::ImageResponse;
use super::partition::PartitionResponse;
use super::shared::{DnsServer, NtpServer};
use super::size::SizeResponse;
use super::time;
use super::time::Time;

/// Whether a machine may be allocated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineState)]
pub struct MachineState {
    /// `""`, `RESERVED` or `LOCKED`.
    #[schema(required = true)]
    pub value: String,
    /// Why.
    #[schema(required = true)]
    pub description: String,
    /// Who set the state.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Version of the machine agent that registered the machine.
    #[schema(required = true)]
    pub metal_hammer_version: String,
}

/// The light that helps a person to find the machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ChassisIdentifyLEDState)]
pub struct ChassisIdentifyLedState {
    /// `LED-ON`, `LED-OFF` or `""`.
    #[schema(required = true)]
    pub value: String,
    /// Why it was switched.
    #[schema(required = true)]
    pub description: String,
}

/// One step of provisioning, as the machine reported it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineProvisioningEvent)]
pub struct MachineProvisioningEvent {
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub time: Option<Time>,
    /// Name of the event.
    #[schema(required = true)]
    pub event: String,
    /// Details.
    pub message: String,
}

/// The latest provisioning events of a machine and what follows from them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineRecentProvisioningEvents)]
pub struct MachineRecentProvisioningEvents {
    /// Newest first, at most 20.
    #[schema(required = true)]
    pub log: Vec<MachineProvisioningEvent>,
    /// When the last event arrived.
    #[serde(deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_time: Option<Time>,
    /// The last event that meant something went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_event: Option<MachineProvisioningEvent>,
    /// The machine keeps restarting its provisioning.
    #[schema(required = true)]
    pub crash_loop: bool,
    /// The machine was released but did not come back.
    #[schema(required = true)]
    pub failed_machine_reclaim: bool,
}

/// What an installed machine boots.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::BootInfo)]
pub struct BootInfo {
    /// Image.
    #[schema(required = true)]
    pub image_id: String,
    /// Disk with the boot loader.
    #[schema(required = true)]
    pub primary_disk: String,
    /// Partition with the operating system.
    #[schema(required = true)]
    pub os_partition: String,
    /// Path of the initial RAM disk.
    #[schema(required = true)]
    pub initrd: String,
    /// Kernel command line.
    #[schema(required = true)]
    pub cmdline: String,
    /// Path of the kernel.
    #[schema(required = true)]
    pub kernel: String,
    /// Identifier of the boot loader.
    #[schema(required = true)]
    pub bootloaderid: String,
}

/// A network as an allocated machine takes part in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineNetwork)]
pub struct MachineNetwork {
    /// Network.
    #[schema(required = true)]
    pub networkid: String,
    /// Prefixes of the network.
    #[schema(required = true)]
    pub prefixes: Vec<String>,
    /// Addresses of the machine in it.
    #[schema(required = true)]
    pub ips: Vec<String>,
    /// What is reached through it.
    #[schema(required = true)]
    pub destinationprefixes: Vec<String>,
    /// Old type name.
    #[schema(required = true)]
    pub networktype: String,
    /// VRF of the network.
    #[schema(required = true)]
    pub vrf: u64,
    /// ASN the machine announces with.
    #[schema(required = true)]
    pub asn: i64,
    /// Whether traffic into it is masqueraded.
    #[schema(required = true)]
    pub nat: bool,
    /// Deprecated: see `networktype`.
    #[schema(required = true)]
    pub private: bool,
    /// Deprecated: see `networktype`.
    #[schema(required = true)]
    pub underlay: bool,
    /// Project that owns the network.
    #[schema(required = true)]
    pub projectid: String,
    /// Type name.
    #[schema(required = true)]
    pub networktypev2: String,
    /// Kind of address translation.
    #[schema(required = true)]
    pub nattypev2: String,
}

/// Membership of a firewall in the management VPN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineVPN)]
pub struct MachineVpn {
    /// Address of the VPN's control plane.
    #[schema(required = true)]
    pub address: String,
    /// Key to join with.
    #[schema(required = true)]
    pub auth_key: String,
    /// Whether the firewall has joined.
    #[schema(required = true)]
    pub connected: bool,
}

/// A machine given to a project.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineAllocation)]
pub struct MachineAllocation {
    /// Who allocated it.
    #[schema(required = true)]
    pub creator: String,
    /// When.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub created: Time,
    /// Name given by the user.
    #[schema(required = true)]
    pub name: String,
    /// Description given by the user.
    pub description: String,
    /// Project.
    #[schema(required = true)]
    pub project: String,
    /// Host name.
    #[schema(required = true)]
    pub hostname: String,
    /// Operating system image.
    pub image: Option<Arc<ImageResponse>>,
    /// Disk layout, copied when the machine was allocated.
    pub filesystemlayout: Option<Arc<FilesystemLayoutResponse>>,
    /// Networks, the private one first.
    #[schema(required = true)]
    pub networks: Vec<MachineNetwork>,
    /// SSH public keys allowed to log in.
    #[schema(required = true)]
    pub ssh_pub_keys: Vec<String>,
    /// User data, as given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_data: String,
    /// Always false; kept for old clients.
    #[schema(required = true)]
    pub succeeded: bool,
    /// The machine is being installed anew.
    #[schema(required = true)]
    pub reinstall: bool,
    /// What it boots, once installed.
    pub boot_info: Option<BootInfo>,
    /// `machine` or `firewall`.
    #[schema(required = true)]
    pub role: String,
    /// Membership in the management VPN.
    pub vpn: Option<MachineVpn>,
    /// New for every allocation.
    #[schema(required = true)]
    pub allocationuuid: String,
    /// Initial rules of a firewall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_rules: Option<FirewallRules>,
    /// DNS resolvers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<DnsServer>,
    /// Time servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp_servers: Vec<NtpServer>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineResponse)]
pub struct MachineResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Partition the machine stands in.
    pub partition: Option<Arc<PartitionResponse>>,
    /// Size its hardware matches.
    pub size: Option<Arc<SizeResponse>>,
    /// Rack.
    pub rackid: String,
    /// Room of the rack; empty when nobody told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub roomid: String,
    /// What was found in it.
    #[schema(required = true)]
    pub hardware: Arc<MachineHardware>,
    /// Its firmware.
    #[schema(required = true)]
    pub bios: Arc<MachineBios>,
    /// Who has it; null while free.
    pub allocation: Option<Arc<MachineAllocation>>,
    /// Whether it may be allocated.
    #[schema(required = true)]
    pub state: MachineState,
    /// Its identification light.
    #[schema(required = true)]
    pub ledstate: ChassisIdentifyLedState,
    /// `Alive`, `Dead`, `Unknown` or `""`.
    #[schema(required = true)]
    pub liveliness: String,
    /// Recent provisioning events.
    #[schema(required = true)]
    pub events: Arc<MachineRecentProvisioningEvents>,
    /// Tags.
    #[schema(required = true)]
    pub tags: Vec<String>,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// A machine together with its BMC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIPMIResponse)]
pub struct MachineIpmiResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Partition the machine stands in.
    pub partition: Option<Arc<PartitionResponse>>,
    /// Size its hardware matches.
    pub size: Option<Arc<SizeResponse>>,
    /// Rack.
    pub rackid: String,
    /// Room of the rack; empty when nobody told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub roomid: String,
    /// What was found in it.
    #[schema(required = true)]
    pub hardware: Arc<MachineHardware>,
    /// Its firmware.
    #[schema(required = true)]
    pub bios: Arc<MachineBios>,
    /// Who has it; null while free.
    pub allocation: Option<Arc<MachineAllocation>>,
    /// Whether it may be allocated.
    #[schema(required = true)]
    pub state: MachineState,
    /// Its identification light.
    #[schema(required = true)]
    pub ledstate: ChassisIdentifyLedState,
    /// `Alive`, `Dead`, `Unknown` or `""`.
    #[schema(required = true)]
    pub liveliness: String,
    /// Recent provisioning events.
    #[schema(required = true)]
    pub events: Arc<MachineRecentProvisioningEvents>,
    /// Tags.
    #[schema(required = true)]
    pub tags: Vec<String>,
    /// Its BMC.
    #[schema(required = true)]
    pub ipmi: MachineIpmi,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}
