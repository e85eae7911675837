//! Operating system images.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use super::time::Time;

/// An image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ImageResponse)]
pub struct ImageResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Where it is fetched from.
    pub url: String,
    /// `machine`, `firewall`.
    pub features: Vec<String>,
    /// When it may no longer be used.
    #[serde(rename = "expirationDate")]
    #[schema(required = true, value_type = String, format = DateTime)]
    pub expiration_date: Time,
    /// `preview`, `supported` or `deprecated`.
    pub classification: String,
    /// Machines that use it, when asked for.
    pub usedby: Vec<String>,
    /// When the record was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Time,
    /// When the record was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Time,
}

/// Registers an image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ImageCreateRequest)]
pub struct ImageCreateRequest {
    /// Identifier with a version, for example `ubuntu-24.04.20241001`.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is fetched from.
    #[schema(required = true)]
    pub url: String,
    /// `machine`, `firewall`.
    pub features: Vec<String>,
    /// When it may no longer be used.
    #[serde(
        rename = "expirationDate",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::optional"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expiration_date: Option<Time>,
    /// `preview`, `supported` or `deprecated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
}

/// Changes an image; what is absent is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ImageUpdateRequest)]
pub struct ImageUpdateRequest {
    /// Image.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `machine`, `firewall`; empty keeps them.
    pub features: Vec<String>,
    /// When it may no longer be used.
    #[serde(
        rename = "expirationDate",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::optional"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expiration_date: Option<Time>,
    /// `preview`, `supported` or `deprecated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usedby: Vec<String>,
}
