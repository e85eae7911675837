//! Tenants: who owns projects, and where their people log in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::project::{Meta, QuotaSet};

/// Who issues the tokens of a tenant's people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IssuerConfig)]
pub struct IssuerConfig {
    /// Issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Client identifier, the audience of the tokens.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_id: String,
}

/// The directory of a tenant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IDMConfig)]
pub struct IdmConfig {
    /// `AD` or `LDAP`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub idm_type: String,
}

/// How the people of a tenant log in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IAMConfig)]
pub struct IamConfig {
    /// Issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_config: Option<IssuerConfig>,
    /// Directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idm_config: Option<IdmConfig>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Tenant)]
pub struct Tenant {
    /// Identifier, version, annotations, labels.
    pub meta: Meta,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Quotas of new projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_quotas: Option<QuotaSet>,
    /// Quotas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotaSet>,
    /// How its people log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_config: Option<IamConfig>,
}

/// A tenant, as answered.
pub type TenantResponse = Tenant;
/// A tenant, as created.
pub type TenantCreateRequest = Tenant;
/// A tenant, as changed; `meta.version` must be the one that was read.
pub type TenantUpdateRequest = Tenant;

/// Which part of a long answer is wanted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Paging)]
pub struct Paging {
    /// Page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Entries per page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Searches tenants.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::TenantFindRequest)]
pub struct TenantFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Part of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
}
