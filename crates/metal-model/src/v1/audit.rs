//! The audit log: who did what, from where, with which result.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use super::time::Time;

/// Searches the audit log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::AuditFindRequest)]
pub struct AuditFindRequest {
    /// At most this many; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// From then on; absent means the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Time>,
    /// Until then.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Time>,
    /// Component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rqid: Option<String>,
    /// `http`, `grpc` or `event`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// HTTP method or kind of call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `request`, `response`, `single`, `error`, `opened` or `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Part of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Part of what proxies say where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    /// Part of the peer's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<String>,
    /// Part of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Part of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i64>,
}

/// One trace of the audit log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::AuditResponse)]
pub struct AuditResponse {
    /// Component.
    pub component: String,
    /// Request.
    pub rqid: String,
    /// `http`, `grpc` or `event`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// User.
    pub user: String,
    /// Tenant.
    pub tenant: String,
    /// Project.
    pub project: String,
    /// HTTP method or kind of call.
    pub detail: String,
    /// `request`, `response`, `single`, `error`, `opened` or `closed`.
    pub phase: String,
    /// Path.
    pub path: String,
    /// What proxies say where it came from.
    pub forwarded_for: String,
    /// The peer's address.
    pub remote_addr: String,
    /// Body, JSON encoded as a string.
    pub body: String,
    /// Error.
    pub error: String,
    /// HTTP status.
    pub status_code: Option<i64>,
}
