//! Whether the service and what it needs work.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Health of the service or of one of its parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = rest::HealthResponse)]
pub struct HealthResponse {
    /// `healthy`, `degraded`, `partial-outage` or `unhealthy`.
    #[schema(required = true)]
    pub status: String,
    /// Details.
    #[schema(required = true)]
    pub message: String,
    /// Parts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(no_recursion)]
    pub services: BTreeMap<String, HealthResponse>,
}
