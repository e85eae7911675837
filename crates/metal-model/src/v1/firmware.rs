//! Firmware that is available to be installed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Revisions by board.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::BoardRevisions)]
pub struct BoardRevisions {
    /// Board to revisions.
    #[serde(rename = "BoardRevisions")]
    #[schema(required = true)]
    pub board_revisions: BTreeMap<String, Vec<String>>,
}

/// Boards by vendor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::VendorRevisions)]
pub struct VendorRevisions {
    /// Vendor to boards.
    #[serde(rename = "VendorRevisions")]
    #[schema(required = true)]
    pub vendor_revisions: BTreeMap<String, BoardRevisions>,
}

/// Firmware by kind, vendor and board.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FirmwaresResponse)]
pub struct FirmwaresResponse {
    /// Kind (`bios`, `bmc`) to vendors.
    #[schema(required = true)]
    pub revisions: BTreeMap<String, VendorRevisions>,
}
