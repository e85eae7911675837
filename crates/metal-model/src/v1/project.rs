//! Projects: who owns machines, networks and addresses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::is_zero;
use super::time;
use super::time::Time;

/// Record keeping of projects and tenants.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Meta)]
pub struct Meta {
    /// Identifier.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Kind of record.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Version of the record's form.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apiversion: String,
    /// Grows with every change; an update must send the one it read.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
    /// When the record was created.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_time: Option<Time>,
    /// When the record was last changed.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_time: Option<Time>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// How much may be used and how much is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Quota)]
pub struct Quota {
    /// In use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<i32>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i32>,
}

/// Quotas by what they limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::QuotaSet)]
pub struct QuotaSet {
    /// Clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Quota>,
    /// Machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Quota>,
    /// Addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Quota>,
    /// Projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Quota>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Project)]
pub struct Project {
    /// Identifier, version, annotations, labels.
    pub meta: Meta,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tenant it belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant_id: String,
    /// Quotas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotaSet>,
}

/// A project, as answered.
pub type ProjectResponse = Project;
/// A project, as created.
pub type ProjectCreateRequest = Project;
/// A project, as changed; `meta.version` must be the one that was read.
pub type ProjectUpdateRequest = Project;

/// Searches projects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ProjectFindRequest)]
pub struct ProjectFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
}
