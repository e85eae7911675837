//! What clients ask of machines, and the short answers that are not a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::firewall::{FirewallCreateRequest, FirewallRules};
use super::hardware::{MachineFru, PowerMetric, PowerSupply};
use super::shared::{DnsServer, NtpServer};

/// A network a new machine is to take part in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineAllocationNetwork)]
pub struct MachineAllocationNetwork {
    /// Network.
    #[schema(required = true)]
    pub networkid: String,
    /// Whether to acquire an address in it; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoacquire: Option<bool>,
}

/// Asks for a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineAllocateRequest)]
pub struct MachineAllocateRequest {
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
}

/// Changes an allocated machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineUpdateRequest)]
pub struct MachineUpdateRequest {
    /// Machine.
    #[schema(required = true)]
    pub id: String,
    /// New description; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New tags; absent keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// New SSH public keys; empty keeps them.
    pub ssh_pub_keys: Vec<String>,
}

/// Installs an allocated machine anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineReinstallRequest)]
pub struct MachineReinstallRequest {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Image to install.
    #[schema(required = true)]
    pub imageid: String,
}

/// Asks for the console password of a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineConsolePasswordRequest)]
pub struct MachineConsolePasswordRequest {
    /// Machine.
    #[schema(required = true)]
    pub id: String,
    /// Why it is needed.
    #[schema(required = true)]
    pub reason: String,
}

/// The console password of a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineConsolePasswordResponse)]
pub struct MachineConsolePasswordResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The password.
    #[schema(required = true)]
    pub console_password: String,
}

/// Installs firmware on a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineUpdateFirmwareRequest)]
pub struct MachineUpdateFirmwareRequest {
    /// `bios` or `bmc`.
    #[schema(required = true)]
    pub kind: String,
    /// Revision to install.
    #[schema(required = true)]
    pub revision: String,
    /// Why; not stored.
    pub description: String,
}

/// What a BMC reported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIpmiReport)]
pub struct MachineIpmiReport {
    /// Address of the BMC.
    #[serde(rename = "BMCIp")]
    #[schema(required = true)]
    pub bmc_ip: String,
    /// Part and serial numbers.
    #[serde(rename = "FRU")]
    pub fru: Option<MachineFru>,
    /// Version of the mainboard's firmware.
    #[serde(rename = "BIOSVersion")]
    #[schema(required = true)]
    pub bios_version: String,
    /// Version of the BMC's firmware.
    #[serde(rename = "BMCVersion")]
    #[schema(required = true)]
    pub bmc_version: String,
    /// Power state.
    #[serde(rename = "PowerState")]
    #[schema(required = true)]
    pub power_state: String,
    /// `LED-ON` or `LED-OFF`.
    #[serde(rename = "IndicatorLEDState")]
    #[schema(required = true)]
    pub indicator_led_state: String,
    /// Power drawn.
    #[serde(rename = "PowerMetric")]
    pub power_metric: Option<PowerMetric>,
    /// Power supplies.
    #[serde(rename = "PowerSupplies")]
    #[schema(required = true)]
    pub power_supplies: Vec<PowerSupply>,
}

/// What the BMCs of a partition reported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIpmiReports)]
pub struct MachineIpmiReports {
    /// Partition.
    #[schema(required = true)]
    pub partitionid: String,
    /// Report by machine.
    #[schema(required = true)]
    pub reports: BTreeMap<String, MachineIpmiReport>,
}

/// What became of the reports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIpmiReportResponse)]
pub struct MachineIpmiReportResponse {
    /// Machines that were known.
    #[schema(required = true)]
    pub updated: Vec<String>,
    /// Machines that were not.
    #[schema(required = true)]
    pub created: Vec<String>,
}

/// A kind of problem a machine can have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIssue)]
pub struct MachineIssue {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// `minor`, `major` or `critical`.
    #[schema(required = true)]
    pub severity: String,
    /// One sentence.
    #[schema(required = true)]
    pub description: String,
    /// Where to read more.
    #[schema(required = true)]
    pub ref_url: String,
    /// Details of this occurrence.
    #[schema(required = true)]
    pub details: String,
}

/// The problems of a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIssueResponse)]
pub struct MachineIssueResponse {
    /// Machine.
    #[schema(required = true)]
    pub machineid: String,
    /// Identifiers of the problems.
    #[schema(required = true)]
    pub issues: Vec<String>,
}

impl FirewallCreateRequest {
    /// Takes the request apart into what every allocation has and what only a firewall has.
    pub fn into_parts(self) -> (MachineAllocateRequest, Option<FirewallRules>) {
        let machine = MachineAllocateRequest {
            name: self.name,
            description: self.description,
            uuid: self.uuid,
            hostname: self.hostname,
            projectid: self.projectid,
            partitionid: self.partitionid,
            sizeid: self.sizeid,
            imageid: self.imageid,
            filesystemlayoutid: self.filesystemlayoutid,
            ssh_pub_keys: self.ssh_pub_keys,
            user_data: self.user_data,
            tags: self.tags,
            networks: self.networks,
            ips: self.ips,
            placement_tags: self.placement_tags,
            dns_servers: self.dns_servers,
            ntp_servers: self.ntp_servers,
        };
        (machine, self.firewall_rules)
    }
}
