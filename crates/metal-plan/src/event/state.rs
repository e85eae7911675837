//! The provisioning state, derived from the newest stored event.

use metal_model::event_log::{EventLog, ProvisioningEvent};

/// Where a machine is in its provisioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing was ever stored.
    Initial,
    /// The installer crashed.
    Crashing,
    /// The network boot began.
    PxeBooting,
    /// The machine was told to reboot.
    PlannedReboot,
    /// The installer prepares.
    Preparing,
    /// The installer registers the machine.
    Registering,
    /// The installer waits for an allocation.
    Waiting,
    /// The installer writes the image.
    Installing,
    /// The installer starts the installed system.
    BootingNewKernel,
    /// The installed system runs.
    PhonedHome,
    /// The machine was freed.
    MachineReclaim,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Initial,
        Self::Crashing,
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

    /// State of a machine with this log.
    pub fn of(log: &EventLog) -> Self {
        log.events.first().map_or(Self::Initial, |newest| Self::after(newest.event))
    }

    /// The state that a stored event brings about.
    pub fn after(event: ProvisioningEvent) -> Self {
        match event {
            // Never stored; a log that has one anyway says nothing.
            ProvisioningEvent::Alive => Self::Initial,
            ProvisioningEvent::Crashed => Self::Crashing,
            ProvisioningEvent::PxeBooting => Self::PxeBooting,
            ProvisioningEvent::PlannedReboot => Self::PlannedReboot,
            ProvisioningEvent::Preparing => Self::Preparing,
            ProvisioningEvent::Registering => Self::Registering,
            ProvisioningEvent::Waiting => Self::Waiting,
            ProvisioningEvent::Installing => Self::Installing,
            ProvisioningEvent::BootingNewKernel => Self::BootingNewKernel,
            ProvisioningEvent::PhonedHome => Self::PhonedHome,
            ProvisioningEvent::MachineReclaim => Self::MachineReclaim,
        }
    }

    /// The word for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Crashing => "crashing",
            Self::PxeBooting => "pxe booting",
            Self::PlannedReboot => "planned reboot",
            Self::Preparing => "preparing",
            Self::Registering => "registering",
            Self::Waiting => "waiting",
            Self::Installing => "installing",
            Self::BootingNewKernel => "booting new kernel",
            Self::PhonedHome => "phoned home",
            Self::MachineReclaim => "machine reclaim",
        }
    }
}
