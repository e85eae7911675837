//! IP addresses acquired from networks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// An acquired address.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IPResponse)]
pub struct IpResponse {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Project that owns it.
    #[schema(required = true)]
    pub projectid: String,
    /// Network it was acquired from.
    #[schema(required = true)]
    pub networkid: String,
    /// `static` or `ephemeral`.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: String,
    /// Tags.
    pub tags: Vec<String>,
    /// The address.
    #[schema(required = true)]
    pub ipaddress: String,
    /// New for every acquisition.
    #[schema(required = true)]
    pub allocationuuid: String,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Acquires an address.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IPAllocateRequest)]
pub struct IpAllocateRequest {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Project that owns it.
    #[schema(required = true)]
    pub projectid: String,
    /// Network it was acquired from.
    #[schema(required = true)]
    pub networkid: String,
    /// `static` or `ephemeral`.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Machine that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machineid: Option<String>,
    /// `IPv4` or `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressfamily: Option<String>,
}

/// Changes an acquired address.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IPUpdateRequest)]
pub struct IpUpdateRequest {
    /// The address.
    #[schema(required = true)]
    pub ipaddress: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `static` or `ephemeral`; empty keeps it.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: String,
    /// Tags; absent keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}
