//! Sizes: classes of hardware, recognised by constraints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::is_zero;
use super::time::Time;

/// What hardware must have to match.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeConstraint)]
pub struct SizeConstraint {
    /// `cores`, `memory`, `storage` or `gpu`.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: String,
    /// At least this much.
    #[serde(skip_serializing_if = "is_zero")]
    pub min: u64,
    /// At most this much.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// Pattern of the model.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identifier: String,
}

/// A size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeResponse)]
pub struct SizeResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// What hardware must have.
    #[schema(required = true)]
    pub constraints: Vec<SizeConstraint>,
    /// Labels.
    #[schema(required = true)]
    pub labels: BTreeMap<String, String>,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Creates a size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeCreateRequest)]
pub struct SizeCreateRequest {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What hardware must have.
    #[schema(required = true)]
    pub constraints: Vec<SizeConstraint>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Changes a size; what is absent is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeUpdateRequest)]
pub struct SizeUpdateRequest {
    /// Size.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What hardware must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Vec<SizeConstraint>>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Asks for the constraints a machine's hardware would match.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeSuggestRequest)]
pub struct SizeSuggestRequest {
    /// Machine.
    #[serde(rename = "machineID")]
    #[schema(required = true)]
    pub machine_id: String,
}
