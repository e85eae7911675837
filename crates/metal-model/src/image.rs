//! Operating system images.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ImageId;

/// An image. Its id is `<os>-<version>`; both parts are kept for resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// `<os>-<version>`.
    pub id: ImageId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Where the archive is.
    pub url: String,
    /// `machine`, `firewall`.
    pub features: Vec<String>,
    /// Part of the id before the last dash.
    pub os: String,
    /// Normalised `major.minor.patch`.
    pub version: String,
    /// After this an unused image may be removed.
    pub expiration: Timestamp,
    /// `preview`, `supported`, `deprecated`.
    pub classification: String,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            id: ImageId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            url: String::new(),
            features: Vec::new(),
            os: String::new(),
            version: String::new(),
            expiration: Timestamp::UNIX_EPOCH,
            classification: String::new(),
        }
    }
}
