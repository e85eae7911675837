//! Sizes (classes of hardware), reservations of them, and which images they allow.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{PartitionId, ProjectId, SizeId, SizeReservationId};
use crate::v1;

/// The built-in size of machines that match none, or several.
pub const UNKNOWN_SIZE: &str = "unknown";

/// A class of hardware.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// Chosen by the operator; never `unknown`.
    pub id: SizeId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// What hardware must satisfy.
    pub constraints: Vec<v1::SizeConstraint>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            id: SizeId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            constraints: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Machines of a size kept free for a project in each of some partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SizeReservation {
    /// Chosen, or a UUID.
    pub id: SizeReservationId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Which size.
    pub size: SizeId,
    /// Where; at least one.
    pub partitions: Vec<PartitionId>,
    /// For whom.
    pub project: ProjectId,
    /// How many per partition; positive.
    pub amount: i64,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

impl Default for SizeReservation {
    fn default() -> Self {
        Self {
            id: SizeReservationId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            size: SizeId::default(),
            partitions: Vec::new(),
            project: ProjectId::default(),
            amount: 0,
            labels: BTreeMap::new(),
        }
    }
}

/// Which image versions a size allows, per operating system. Its id is the size's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SizeImageConstraint {
    /// The size.
    pub id: SizeId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Operating system to version expression.
    pub images: BTreeMap<String, String>,
}

impl Default for SizeImageConstraint {
    fn default() -> Self {
        Self {
            id: SizeId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            images: BTreeMap::new(),
        }
    }
}
