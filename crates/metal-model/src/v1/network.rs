//! Networks: prefixes with a VRF, and how much of them is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// How much of a network is used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkUsage)]
pub struct NetworkUsage {
    /// Addresses altogether.
    #[schema(required = true)]
    pub available_ips: u64,
    /// Addresses in use.
    #[schema(required = true)]
    pub used_ips: u64,
    /// Child prefixes altogether.
    #[schema(required = true)]
    pub available_prefixes: u64,
    /// Child prefixes in use.
    #[schema(required = true)]
    pub used_prefixes: u64,
}

/// How much of a network is used, by address family.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkConsumption)]
pub struct NetworkConsumption {
    /// The IPv4 part.
    pub ipv4: Option<NetworkUsage>,
    /// The IPv6 part.
    pub ipv6: Option<NetworkUsage>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkResponse)]
pub struct NetworkResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Partition; empty when in all of them.
    pub partitionid: String,
    /// Project that owns it; empty when nobody does.
    pub projectid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether other projects may use it.
    pub shared: bool,
    /// Prefixes.
    #[schema(required = true)]
    pub prefixes: Vec<String>,
    /// What is reached through it.
    #[schema(required = true)]
    pub destinationprefixes: Vec<String>,
    /// Length of child prefixes by `IPv4` and `IPv6`.
    pub defaultchildprefixlength: Option<BTreeMap<String, u8>>,
    /// Whether traffic into it is masqueraded.
    #[schema(required = true)]
    pub nat: bool,
    /// Whether child networks are taken from it.
    #[schema(required = true)]
    pub privatesuper: bool,
    /// Whether it is the underlay of a partition.
    #[schema(required = true)]
    pub underlay: bool,
    /// VRF.
    pub vrf: Option<u64>,
    /// Never filled; kept for old clients.
    pub vrfshared: Option<bool>,
    /// Network it was taken from.
    pub parentnetworkid: Option<String>,
    /// Further prefixes its machines may announce.
    #[serde(rename = "additionalAnnouncableCIDRs", skip_serializing_if = "Vec::is_empty")]
    pub additional_announcable_cidrs: Vec<String>,
    /// Type name.
    pub networktype: Option<String>,
    /// Kind of address translation.
    pub nattype: Option<String>,
    /// How much is used.
    #[schema(required = true)]
    pub consumption: NetworkConsumption,
    /// Deprecated: the IPv4 part of `consumption`.
    #[schema(required = true)]
    pub usage: NetworkUsage,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Creates a network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkCreateRequest)]
pub struct NetworkCreateRequest {
    /// Identifier; chosen when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitionid: Option<String>,
    /// Project that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Whether other projects may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Prefixes.
    #[schema(required = true)]
    pub prefixes: Vec<String>,
    /// What is reached through it.
    #[schema(required = true)]
    pub destinationprefixes: Vec<String>,
    /// Length of child prefixes by `IPv4` and `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaultchildprefixlength: Option<BTreeMap<String, u8>>,
    /// Whether traffic into it is masqueraded.
    #[schema(required = true)]
    pub nat: bool,
    /// Whether child networks are taken from it.
    #[schema(required = true)]
    pub privatesuper: bool,
    /// Whether it is the underlay of a partition.
    #[schema(required = true)]
    pub underlay: bool,
    /// VRF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrf: Option<u64>,
    /// Whether another network may have the same VRF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrfshared: Option<bool>,
    /// Network it is taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parentnetworkid: Option<String>,
    /// Further prefixes its machines may announce.
    #[serde(rename = "additionalAnnouncableCIDRs", skip_serializing_if = "Vec::is_empty")]
    pub additional_announcable_cidrs: Vec<String>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networktype: Option<String>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nattype: Option<String>,
}

/// Takes a child network out of a super network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkAllocateRequest)]
pub struct NetworkAllocateRequest {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitionid: Option<String>,
    /// Project that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Whether other projects may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// What is reached through it.
    pub destinationprefixes: Vec<String>,
    /// Whether traffic into it is masqueraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<bool>,
    /// Prefix length by `IPv4` and `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<BTreeMap<String, u8>>,
    /// `IPv4` or `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressfamily: Option<String>,
}

/// Changes a network; what is absent is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkUpdateRequest)]
pub struct NetworkUpdateRequest {
    /// Network.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Prefixes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
    /// What is reached through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinationprefixes: Option<Vec<String>>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Whether other projects may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Further prefixes its machines may announce.
    #[serde(rename = "additionalAnnouncableCIDRs", skip_serializing_if = "Option::is_none")]
    pub additional_announcable_cidrs: Option<Vec<String>>,
    /// Length of child prefixes by `IPv4` and `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaultchildprefixlength: Option<BTreeMap<String, u8>>,
}
