//! Projects and the tenants that own them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ProjectId, TenantId};
use crate::v1;

/// Bookkeeping that clients carry along: `version` is an optimistic lock visible on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Starts at 0; an update must carry at least the stored version.
    pub version: i64,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
    /// Free labels.
    pub labels: Vec<String>,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            version: 0,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            annotations: BTreeMap::new(),
            labels: Vec::new(),
        }
    }
}

/// A project: owner of machines, networks and addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Project {
    /// Chosen, or a UUID.
    pub id: ProjectId,
    /// Version, times, labels.
    pub meta: Meta,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Owner; immutable.
    pub tenant: TenantId,
    /// Limits.
    pub quotas: v1::QuotaSet,
}

/// A tenant: a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Tenant {
    /// Chosen, or a UUID.
    pub id: TenantId,
    /// Version, times, labels.
    pub meta: Meta,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Copied to new projects.
    pub default_quotas: v1::QuotaSet,
    /// Limits of the tenant.
    pub quotas: v1::QuotaSet,
    /// Where its users log in.
    pub iam: Option<v1::IamConfig>,
}
