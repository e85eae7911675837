//! What the control plane keeps about the agents at the edge: commands for BMCs, join tokens, its own
//! certificate authority, and leases of its replicas.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{MachineId, PartitionId};

/// What a BMC is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum PowerCommand {
    /// Power on.
    On,
    /// Power off.
    Off,
    /// Hard reset.
    Reset,
    /// Off and on.
    Cycle,
    /// Boot into the firmware set-up.
    Bios,
    /// Boot from disk.
    Disk,
    /// Boot from network.
    Pxe,
    /// Identify LED on.
    LedOn,
    /// Identify LED off.
    LedOff,
    /// Network boot and power cycle: install again.
    Reinstall,
    /// Network boot and reset: the machine was freed.
    Free,
}

impl PowerCommand {
    /// The word operators know, `LED-ON`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Reset => "RESET",
            Self::Cycle => "CYCLE",
            Self::Bios => "BIOS",
            Self::Disk => "DISK",
            Self::Pxe => "PXE",
            Self::LedOn => "LED-ON",
            Self::LedOff => "LED-OFF",
            Self::Reinstall => "REINSTALL",
            Self::Free => "FREE",
        }
    }
}

/// A command for a BMC; stays until the partition acknowledged it or its deadline passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcCommand {
    /// Who executes it.
    pub partition: PartitionId,
    /// Order within the partition, from 1.
    pub sequence: u64,
    /// Whose BMC.
    pub machine: MachineId,
    /// What to do.
    pub command: PowerCommand,
    /// When it was given.
    pub created: Timestamp,
    /// Who gave it.
    pub issuer: String,
}

impl BmcCommand {
    /// Store id: partition and zero-padded sequence, so that keys sort by age.
    pub fn id_of(partition: &PartitionId, sequence: u64) -> String {
        format!("{partition}/{sequence:020}")
    }
}

/// The counter of a partition's commands. Every command is given under it, so that the order of sequences is the order
/// of commits and a stream that resumes after a sequence misses none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandQueue {
    /// Whose commands.
    pub partition: PartitionId,
    /// Sequence of the last command ever given.
    pub last: u64,
}

/// A one-time token with which an agent gets its first certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Hex SHA-256 of the token: the token itself is never stored.
    pub hash: String,
    /// The identity the certificate will carry, `metal://switch/fra1/leaf01`.
    pub identity: String,
    /// Given out.
    pub created: Timestamp,
    /// Not valid afterwards.
    pub expires: Timestamp,
    /// Set by its one use.
    pub used: Option<Timestamp>,
}

/// The boot of a machine that holds a certificate: certificates of earlier boots are no longer accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineBoot {
    /// The machine.
    pub machine: MachineId,
    /// Names the boot; the certificate carries the same.
    pub boot: String,
    /// When its certificate was issued.
    pub issued: Timestamp,
}

/// The control plane's certificate authority; shared by its replicas through the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Name, `agents`.
    pub id: String,
    /// Certificate, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("id", &self.id).field("key", &"[secret]").finish_non_exhaustive()
    }
}

/// Leadership of one replica over one duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The duty, `reconcilers`.
    pub id: String,
    /// The replica.
    pub holder: String,
    /// Grows with each renewal; others watch it stop growing on their own clocks.
    pub renewals: u64,
    /// How long it holds without renewal, milliseconds.
    pub duration_ms: u64,
}

/// Last result of a background task, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Name of the task.
    pub id: String,
    /// Replica that ran it.
    pub replica: String,
    /// Started.
    pub started: Timestamp,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// What it did, one line.
    pub summary: String,
    /// Why it failed.
    pub error: Option<String>,
    /// How many activations in all.
    pub activations: u64,
}
