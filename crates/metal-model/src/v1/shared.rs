//! Pieces that several resources are made of: name servers, time servers, the empty body.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A DNS resolver handed to machines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::DNSServer)]
pub struct DnsServer {
    /// IP address of the resolver.
    #[schema(required = true)]
    pub ip: String,
}

/// A time server handed to machines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NTPServer)]
pub struct NtpServer {
    /// IP address or DNS name.
    #[schema(required = true)]
    pub address: String,
}

/// No fields: the request body is not looked at, the answer is `{}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::EmptyBody)]
pub struct EmptyBody {}
