//! Switches: their ports, what is connected to them, and how they keep up with what they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::partition::PartitionResponse;
use super::time::Time;

/// Operating system of a switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchOS)]
pub struct SwitchOs {
    /// `SONiC`, `Cumulus` or `Linux`.
    pub vendor: String,
    /// Version.
    pub version: String,
    /// Version of the switch agent.
    pub metal_core_version: String,
}

/// What a switch port may announce.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::BGPFilter)]
pub struct BgpFilter {
    /// Prefixes.
    #[schema(required = true)]
    pub cidrs: Vec<String>,
    /// VNIs, as decimal numbers.
    pub vnis: Vec<String>,
}

/// The BGP session on a switch port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = metal::SwitchBGPPortState)]
pub struct SwitchBgpPortState {
    /// Neighbour.
    #[serde(rename = "Neighbor")]
    #[schema(required = true)]
    pub neighbor: String,
    /// Peer group.
    #[serde(rename = "PeerGroup")]
    #[schema(required = true)]
    pub peer_group: String,
    /// VRF.
    #[serde(rename = "VrfName")]
    #[schema(required = true)]
    pub vrf_name: String,
    /// State of the session.
    #[serde(rename = "BgpState")]
    #[schema(required = true)]
    pub bgp_state: String,
    /// Seconds since the session is established.
    #[serde(rename = "BgpTimerUpEstablished")]
    #[schema(required = true)]
    pub bgp_timer_up_established: i64,
    /// Prefixes sent.
    #[serde(rename = "SentPrefixCounter")]
    #[schema(required = true)]
    pub sent_prefix_counter: i64,
    /// Prefixes accepted.
    #[serde(rename = "AcceptedPrefixCounter")]
    #[schema(required = true)]
    pub accepted_prefix_counter: i64,
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchNic)]
pub struct SwitchNic {
    /// MAC address.
    #[schema(required = true)]
    pub mac: String,
    /// Name.
    #[schema(required = true)]
    pub name: String,
    /// Identifier.
    #[schema(required = true)]
    pub identifier: String,
    /// `""` while unconfigured, `default` for a firewall, else the VRF of the tenant.
    pub vrf: String,
    /// What may be announced on it.
    pub filter: Option<BgpFilter>,
    /// `UP`, `DOWN` or `UNKNOWN`.
    #[schema(required = true)]
    pub actual: String,
    /// `UP` or `DOWN`: what the port is to be configured to. Newer agents look here, older ones at `actual`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub admin_status: String,
    /// The BGP session on it.
    pub bgp_port_state: Option<SwitchBgpPortState>,
    /// What announces itself on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lldp_neighbor: Option<SwitchLldpNeighbor>,
    /// Why it is isolated instead of configured as wanted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fault: String,
    /// The switch has not confirmed `vrf` yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

/// What LLDP sees on a switch port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchLldpNeighbor)]
pub struct SwitchLldpNeighbor {
    /// Usually a MAC address.
    pub chassis_id: String,
    /// Port at the other end.
    pub port_id: String,
    /// What that port is for.
    pub port_description: String,
    /// Name of a switch, UUID of a machine.
    pub system_name: String,
    /// What runs there.
    pub system_description: String,
    /// Since when it is seen, in seconds since 1970.
    pub since: i64,
}

/// A BGP session of a switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchBGPSession)]
pub struct SwitchBgpSession {
    /// `default`, or as the switch calls it.
    pub vrf: String,
    /// Port it runs over; empty where none can be told.
    pub port: String,
    /// Neighbour.
    pub neighbor: String,
    /// Peer group.
    pub peer_group: String,
    /// State of the session.
    pub state: String,
    /// Since when it is established, in seconds since 1970; 0 if it is not.
    pub established_since: i64,
    /// Prefixes sent.
    pub sent: i64,
    /// Prefixes accepted.
    pub accepted: i64,
}

/// A machine on a switch port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchConnection)]
pub struct SwitchConnection {
    /// Port.
    #[schema(required = true)]
    pub nic: SwitchNic,
    /// Machine.
    pub machine_id: String,
}

/// One attempt of a switch to do what it was told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchSync)]
pub struct SwitchSync {
    /// When.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub time: Time,
    /// How long it took, in nanoseconds.
    #[schema(required = true)]
    pub duration: i64,
    /// What went wrong.
    pub error: Option<String>,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchResponse)]
pub struct SwitchResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Rack.
    #[schema(required = true)]
    pub rack_id: String,
    /// Room the rack stands in; empty when nobody told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_id: String,
    /// `operational`, `replace` or `""`.
    pub mode: String,
    /// Operating system.
    pub os: Option<SwitchOs>,
    /// Address in the management network.
    pub management_ip: String,
    /// User to log in with.
    pub management_user: String,
    /// Command that opens its console.
    pub console_command: String,
    /// Ports.
    #[schema(required = true)]
    pub nics: Vec<SwitchNic>,
    /// Partition.
    #[schema(required = true)]
    pub partition: Arc<PartitionResponse>,
    /// Machines.
    #[schema(required = true)]
    pub connections: Vec<SwitchConnection>,
    /// Last attempt that succeeded.
    pub last_sync: Option<SwitchSync>,
    /// Last attempt that failed.
    pub last_sync_error: Option<SwitchSync>,
    /// All BGP sessions, those of uplinks too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bgp_sessions: Vec<SwitchBgpSession>,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Makes a switch known, or reports it anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchRegisterRequest)]
pub struct SwitchRegisterRequest {
    /// Switch.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Ports.
    #[schema(required = true)]
    pub nics: Vec<SwitchNic>,
    /// Partition.
    #[schema(required = true)]
    pub partition_id: String,
    /// Rack.
    #[schema(required = true)]
    pub rack_id: String,
    /// Room the rack stands in; empty when nobody told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_id: String,
    /// `operational`, `replace` or `""`.
    pub mode: String,
    /// Operating system.
    pub os: Option<SwitchOs>,
    /// Address in the management network.
    pub management_ip: String,
    /// User to log in with.
    pub management_user: String,
    /// Command that opens its console.
    pub console_command: String,
}

/// Changes a switch: description, console command, mode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchUpdateRequest)]
pub struct SwitchUpdateRequest {
    /// Switch.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Not looked at.
    #[schema(required = true)]
    pub rack_id: String,
    /// Room the rack stands in; empty when nobody told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_id: String,
    /// `operational` or `replace`; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<SwitchOs>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_ip: Option<String>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_user: Option<String>,
    /// Command that opens its console; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_command: Option<String>,
}

/// Switches a port on or off.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchPortToggleRequest)]
pub struct SwitchPortToggleRequest {
    /// Port.
    #[schema(required = true)]
    pub nic: String,
    /// `UP` or `DOWN`.
    #[schema(required = true)]
    pub status: String,
}

/// Moves the machines of a switch to another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchMigrateRequest)]
pub struct SwitchMigrateRequest {
    /// From.
    #[schema(required = true)]
    pub old_switch_id: String,
    /// To.
    #[schema(required = true)]
    pub new_switch_id: String,
}

/// Reports what became of the last configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchNotifyRequest)]
pub struct SwitchNotifyRequest {
    /// How long it took, in nanoseconds.
    #[schema(required = true)]
    pub sync_duration: i64,
    /// What went wrong; absent on success.
    pub error: Option<String>,
    /// `UP`, `DOWN` or `UNKNOWN` by port.
    #[schema(required = true)]
    pub port_states: BTreeMap<String, String>,
    /// BGP session by port.
    pub bgp_port_states: BTreeMap<String, SwitchBgpPortState>,
}

/// What is known about the switch keeping up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchNotifyResponse)]
pub struct SwitchNotifyResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Last attempt that succeeded.
    pub last_sync: Option<SwitchSync>,
    /// Last attempt that failed.
    pub last_sync_error: Option<SwitchSync>,
}
