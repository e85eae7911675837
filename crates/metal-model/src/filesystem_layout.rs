//! Filesystem layouts: how disks are partitioned, joined, formatted and mounted.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::FilesystemLayoutId;
use crate::v1;

/// A stored layout; the wire form has no times, the record does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilesystemLayout {
    /// Chosen by the operator.
    pub id: FilesystemLayoutId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// The layout as the public API shows it, shared with the allocations that copy it.
    pub layout: Arc<v1::FilesystemLayoutResponse>,
}
