//! Certificates of agents, for operators: the authority to trust, and tokens with which agents join.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// Asks for a one-time token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PkiTokenRequest)]
pub struct PkiTokenRequest {
    /// Who joins with it: `metal://partition/<id>` or `metal://switch/<partition>/<id>`.
    #[schema(required = true)]
    pub identity: String,
    /// How long it is valid, in seconds; an hour when absent, a week at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<i64>,
}

/// A one-time token. It is told once and stored nowhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PkiTokenResponse)]
pub struct PkiTokenResponse {
    /// The token.
    #[schema(required = true)]
    pub token: String,
    /// Who joins with it.
    #[schema(required = true)]
    pub identity: String,
    /// Not valid afterwards.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub expires: Time,
    /// Certificate of the authority, PEM: what the agent trusts when it joins.
    #[schema(required = true)]
    pub ca: String,
}

/// The authority that agents and servers have their certificates from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PkiCaResponse)]
pub struct PkiCaResponse {
    /// Its certificate, PEM.
    #[schema(required = true)]
    pub certificate: String,
    /// When it ends.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub expires: Time,
}
