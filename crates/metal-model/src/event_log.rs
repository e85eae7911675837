//! The provisioning event log of a machine: what it last said, and whether it is alive.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::MachineId;

/// What machines say while they are being provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProvisioningEvent {
    /// Still there; never stored.
    Alive,
    /// The installer crashed.
    Crashed,
    /// The machine asked for network boot.
    #[serde(rename = "PXE Booting")]
    PxeBooting,
    /// The machine reboots on purpose.
    #[serde(rename = "Planned Reboot")]
    PlannedReboot,
    /// The installer prepares disks and inventory.
    Preparing,
    /// The installer registers the machine.
    Registering,
    /// The installer waits for an allocation.
    Waiting,
    /// The installer writes the image.
    Installing,
    /// The installer starts the installed system.
    #[serde(rename = "Booting New Kernel")]
    BootingNewKernel,
    /// The installed system is seen on the switch.
    #[serde(rename = "Phoned Home")]
    PhonedHome,
    /// The machine was freed.
    #[serde(rename = "Machine Reclaim")]
    MachineReclaim,
}

impl ProvisioningEvent {
    /// All of them, in the order of the interface description.
    pub const ALL: [Self; 11] = [
        Self::Alive,
        Self::Crashed,
        Self::PxeBooting,
        Self::PlannedReboot,
        Self::Preparing,
        Self::Registering,
        Self::Waiting,
        Self::Installing,
        Self::BootingNewKernel,
        Self::PhonedHome,
        Self::MachineReclaim,
    ];

    /// The wire word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Alive => "Alive",
            Self::Crashed => "Crashed",
            Self::PxeBooting => "PXE Booting",
            Self::PlannedReboot => "Planned Reboot",
            Self::Preparing => "Preparing",
            Self::Registering => "Registering",
            Self::Waiting => "Waiting",
            Self::Installing => "Installing",
            Self::BootingNewKernel => "Booting New Kernel",
            Self::PhonedHome => "Phoned Home",
            Self::MachineReclaim => "Machine Reclaim",
        }
    }

    /// Reads a wire word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.wire() == text)
    }
}

/// Was anything heard of the machine lately?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Liveliness {
    /// Heard of within five minutes.
    #[default]
    Alive,
    /// Silent and unallocated.
    Dead,
    /// Silent and allocated.
    Unknown,
}

impl Liveliness {
    /// The wire word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Alive => "Alive",
            Self::Dead => "Dead",
            Self::Unknown => "Unknown",
        }
    }
}

/// One stored event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Server's clock.
    pub time: Timestamp,
    /// What happened.
    pub event: ProvisioningEvent,
    /// What the sender, or the state machine, had to say about it.
    #[serde(default)]
    pub message: String,
}

/// The event log of one machine; its newest event is its provisioning state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLog {
    /// The machine.
    pub machine: MachineId,
    /// As judged by the last event or the liveliness reconciler.
    pub liveliness: Liveliness,
    /// Newest first, at most 100.
    pub events: Vec<Arc<Event>>,
    /// Last sign of life, also of events that are not stored.
    pub last_event_time: Option<Timestamp>,
    /// Last unexpected event; never cleared.
    pub last_error_event: Option<Arc<Event>>,
    /// The machine seems to crash over and over.
    pub crash_loop: bool,
    /// The machine was freed, yet its old system still phones home.
    pub failed_machine_reclaim: bool,
}
