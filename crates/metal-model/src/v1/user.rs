//! Who is asking.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The user of a request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::User)]
pub struct User {
    /// E-mail address.
    #[serde(rename = "EMail")]
    #[schema(required = true)]
    pub email: String,
    /// Name.
    #[serde(rename = "Name")]
    #[schema(required = true)]
    pub name: String,
    /// Groups.
    #[serde(rename = "Groups")]
    #[schema(required = true)]
    pub groups: Vec<String>,
    /// Tenant.
    #[serde(rename = "Tenant")]
    #[schema(required = true)]
    pub tenant: String,
    /// Who issued the token.
    #[serde(rename = "Issuer")]
    #[schema(required = true)]
    pub issuer: String,
    /// Subject of the token.
    #[serde(rename = "Subject")]
    #[schema(required = true)]
    pub subject: String,
}
