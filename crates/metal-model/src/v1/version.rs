//! Which version is running.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Version of the server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = rest::version)]
pub struct Version {
    /// Name of the program.
    #[schema(required = true)]
    pub name: String,
    /// Version.
    #[schema(required = true)]
    pub version: String,
    /// When it was built.
    #[schema(required = true)]
    pub builddate: String,
    /// Revision of the source.
    #[schema(required = true)]
    pub revision: String,
    /// Commit of the source.
    #[schema(required = true)]
    pub gitsha1: String,
    /// Oldest client that works.
    #[schema(required = true)]
    pub min_client_version: String,
    /// Version of the release it belongs to.
    pub release_version: Option<String>,
}
