//! What a dry run of an allocation answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an allocation would choose, or why it would fail and what keeps machines back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Explanation)]
pub struct Explanation {
    /// Whether the allocation would succeed now.
    pub possible: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Field of the request that is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The machine that would be taken; another of the equally good ones next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Chosen>,
    /// Machines of the partition (or the one named by its id) that were looked at.
    pub considered: u64,
    /// Machines of these that could be handed out.
    pub available: u64,
    /// Machines of those that are kept for other projects.
    pub reserved: i64,
    /// What keeps the others back, most frequent first.
    pub rejected: Vec<Rejected>,
}

/// The machine that would be taken, and what it would get.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ExplanationChosen)]
pub struct Chosen {
    /// Machine.
    pub id: String,
    /// Rack.
    pub rackid: String,
    /// Size.
    pub sizeid: String,
    /// Partition.
    pub partitionid: String,
    /// Image.
    pub imageid: String,
    /// Filesystem layout.
    pub filesystemlayoutid: String,
    /// Networks.
    pub networks: Vec<ChosenNetwork>,
}

/// A network the machine would be in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ExplanationChosenNetwork)]
pub struct ChosenNetwork {
    /// Network.
    pub networkid: String,
    /// Type.
    pub networktype: String,
    /// Addresses.
    pub ips: Vec<String>,
}

/// A reason that keeps machines back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ExplanationRejected)]
pub struct Rejected {
    /// Reason.
    pub reason: String,
    /// Number of machines.
    pub machines: u64,
}
