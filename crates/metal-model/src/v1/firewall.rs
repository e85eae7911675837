//! Firewalls: machines that were allocated as one, and the rules they start with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::machine::MachineResponse;
use super::machine_request::MachineAllocationNetwork;
use super::search::MachineFindRequest;
use super::shared::{DnsServer, NtpServer};

/// A firewall is a machine.
pub type FirewallResponse = MachineResponse;
/// Firewalls are searched like machines.
pub type FirewallFindRequest = MachineFindRequest;

/// Allows traffic that leaves the private network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirewallEgressRule)]
pub struct FirewallEgressRule {
    /// `tcp` or `udp`; empty means `tcp`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Destination ports.
    #[schema(required = true)]
    pub ports: Vec<i64>,
    /// Destination prefixes.
    #[schema(required = true)]
    pub to: Vec<String>,
    /// What the rule is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Allows traffic that enters the private network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirewallIngressRule)]
pub struct FirewallIngressRule {
    /// `tcp` or `udp`; empty means `tcp`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Destination ports.
    #[schema(required = true)]
    pub ports: Vec<i64>,
    /// Destination prefixes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Source prefixes.
    #[schema(required = true)]
    pub from: Vec<String>,
    /// What the rule is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// The rules a firewall starts with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirewallRules)]
pub struct FirewallRules {
    /// What may leave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<FirewallEgressRule>,
    /// What may enter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<FirewallIngressRule>,
}

/// What only a firewall allocation has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirewallAllocateRequest)]
pub struct FirewallAllocateRequest {
    /// Rules to start with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_rules: Option<FirewallRules>,
}

/// Asks for a firewall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirewallCreateRequest)]
pub struct FirewallCreateRequest {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Allocate exactly this machine; size and partition are then ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Host name; `metal` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Project that gets the machine.
    #[schema(required = true)]
    pub projectid: String,
    /// Partition to choose from.
    #[schema(required = true)]
    pub partitionid: String,
    /// Size wanted.
    #[schema(required = true)]
    pub sizeid: String,
    /// Image, or a semantic version expression of one.
    #[schema(required = true)]
    pub imageid: String,
    /// Disk layout; chosen by size and image when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystemlayoutid: Option<String>,
    /// SSH public keys allowed to log in.
    #[schema(required = true)]
    pub ssh_pub_keys: Vec<String>,
    /// User data, stored as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Networks to take part in.
    pub networks: Vec<MachineAllocationNetwork>,
    /// Static addresses to use.
    pub ips: Vec<String>,
    /// Spread machines with these tags over racks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placement_tags: Vec<String>,
    /// DNS resolvers instead of the partition's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<DnsServer>,
    /// Time servers instead of the partition's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp_servers: Vec<NtpServer>,
    /// Rules to start with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_rules: Option<FirewallRules>,
}
