//! Size reservations: machines of a size kept free for a project.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// A reservation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeReservationResponse)]
pub struct SizeReservationResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Size.
    #[schema(required = true)]
    pub sizeid: String,
    /// Partitions.
    #[schema(required = true)]
    pub partitionids: Vec<String>,
    /// Project.
    #[schema(required = true)]
    pub projectid: String,
    /// Number of machines per partition.
    #[schema(required = true)]
    pub amount: i64,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Creates a reservation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeReservationCreateRequest)]
pub struct SizeReservationCreateRequest {
    /// Identifier; chosen when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Size.
    #[schema(required = true)]
    pub sizeid: String,
    /// Partitions.
    #[schema(required = true)]
    pub partitionids: Vec<String>,
    /// Project.
    #[schema(required = true)]
    pub projectid: String,
    /// Number of machines per partition.
    #[schema(required = true)]
    pub amount: i64,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Changes a reservation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeReservationUpdateRequest)]
pub struct SizeReservationUpdateRequest {
    /// Reservation.
    #[schema(required = true)]
    pub id: String,
    /// Name; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Partitions; empty keeps them.
    #[schema(required = true)]
    pub partitionids: Vec<String>,
    /// Number of machines per partition; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// Labels; absent keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// How much of a reservation is used in a partition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeReservationUsageResponse)]
pub struct SizeReservationUsageResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Size.
    #[schema(required = true)]
    pub sizeid: String,
    /// Partition.
    #[schema(required = true)]
    pub partitionid: String,
    /// Project.
    #[schema(required = true)]
    pub projectid: String,
    /// Machines reserved.
    #[schema(required = true)]
    pub amount: i64,
    /// Machines of them in use.
    #[schema(required = true)]
    pub usedamount: i64,
    /// Machines of this size the project has.
    #[schema(required = true)]
    pub projectallocations: i64,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Searches reservations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeReservationListRequest)]
pub struct SizeReservationListRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizeid: Option<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitionid: Option<String>,
}
