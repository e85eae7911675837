//! Partitions: failure domains with their own switches, and how full they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::is_zero;
use super::shared::{DnsServer, NtpServer};
use super::time::Time;

/// What machines of a partition boot from the network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionBootConfiguration)]
pub struct PartitionBootConfiguration {
    /// Initial RAM disk.
    pub imageurl: String,
    /// Kernel.
    pub kernelurl: String,
    /// Kernel command line.
    pub commandline: String,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionResponse)]
pub struct PartitionResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Address of its management server.
    pub mgmtserviceaddress: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// DNS resolvers of its machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<DnsServer>,
    /// Time servers of its machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp_servers: Vec<NtpServer>,
    /// What its machines boot from the network.
    #[schema(required = true)]
    pub bootconfig: PartitionBootConfiguration,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Creates a partition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionCreateRequest)]
pub struct PartitionCreateRequest {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Address of its management server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mgmtserviceaddress: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// DNS resolvers of its machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<DnsServer>,
    /// Time servers of its machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp_servers: Vec<NtpServer>,
    /// What its machines boot from the network.
    #[schema(required = true)]
    pub bootconfig: PartitionBootConfiguration,
}

/// Changes a partition; what is absent is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionUpdateRequest)]
pub struct PartitionUpdateRequest {
    /// Partition.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Address of its management server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mgmtserviceaddress: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// DNS resolvers of its machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_servers: Option<Vec<DnsServer>>,
    /// Time servers of its machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntp_servers: Option<Vec<NtpServer>>,
    /// What its machines boot from the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootconfig: Option<PartitionBootConfiguration>,
}

/// Asks how full partitions are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionCapacityRequest)]
pub struct PartitionCapacityRequest {
    /// Only this partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Only this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizeid: Option<String>,
    /// Count reservations of this project as available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
}

/// How many machines of a size a partition has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ServerCapacity)]
pub struct ServerCapacity {
    /// Size.
    #[schema(required = true)]
    pub size: String,
    /// Altogether.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: i64,
    /// Installed and running.
    #[serde(skip_serializing_if = "is_zero")]
    pub phoned_home: i64,
    /// Waiting for an allocation.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: i64,
    /// In another stage of provisioning.
    #[serde(skip_serializing_if = "is_zero")]
    pub other: i64,
    /// The machines of `other`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub othermachines: Vec<String>,
    /// Allocated.
    #[serde(skip_serializing_if = "is_zero")]
    pub allocated: i64,
    /// Waiting and in order.
    #[serde(skip_serializing_if = "is_zero")]
    pub allocatable: i64,
    /// Free for the asking project.
    #[serde(skip_serializing_if = "is_zero")]
    pub free: i64,
    /// Neither allocated nor allocatable.
    #[serde(skip_serializing_if = "is_zero")]
    pub unavailable: i64,
    /// With a problem.
    #[serde(skip_serializing_if = "is_zero")]
    pub faulty: i64,
    /// The machines of `faulty`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faultymachines: Vec<String>,
    /// Reserved.
    #[serde(skip_serializing_if = "is_zero")]
    pub reservations: i64,
    /// Reserved and in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub usedreservations: i64,
    /// Reserved and not in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub remainingreservations: i64,
}

/// How full a partition is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PartitionCapacity)]
pub struct PartitionCapacity {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// By size.
    #[schema(required = true)]
    pub servers: Vec<ServerCapacity>,
}
