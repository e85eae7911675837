//! Keys to join the management VPN.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::VPNRequest)]
pub struct VpnRequest {
    /// Project.
    #[schema(required = true)]
    pub pid: String,
    /// Whether the member is forgotten when it leaves.
    #[schema(required = true)]
    pub ephemeral: bool,
    /// How long the key is valid, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<i64>,
    /// Why it is needed.
    #[schema(required = true)]
    pub reason: String,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::VPNResponse)]
pub struct VpnResponse {
    /// Address of the VPN's control plane.
    #[schema(required = true)]
    pub address: String,
    /// The key.
    #[schema(required = true)]
    pub auth_key: String,
}
