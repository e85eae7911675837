//! What every machine is doing right now, for progress bars, status commands and tests.

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::watch;
use uuid::Uuid;

/// What a simulated machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Without power.
    Off,
    /// In its firmware, or loading the installer.
    Booting,
    /// Taking the inventory, wiping, registering.
    Registering,
    /// Ready to be allocated.
    Waiting,
    /// Being installed.
    Installing,
    /// Starting the installed system.
    Starting,
    /// Running the installed system.
    Running,
    /// Crashed, about to boot again.
    Crashed,
    /// Gone without a word.
    Vanished,
}

impl Phase {
    /// The phase in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Booting => "booting",
            Self::Registering => "registering",
            Self::Waiting => "waiting",
            Self::Installing => "installing",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Crashed => "crashed",
            Self::Vanished => "vanished",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What all machines are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Each machine's phase.
    pub machines: BTreeMap<Uuid, Phase>,
    /// How many switches are registered.
    pub switches: usize,
}

impl Status {
    /// How many machines are in a phase.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.machines.values().filter(|found| **found == phase).count()
    }
}

/// Where machines and switches write what they do.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    sender: std::sync::Arc<watch::Sender<Status>>,
}

impl Board {
    pub(crate) fn new(machines: impl Iterator<Item = Uuid>) -> Self {
        let machines = machines.map(|machine| (machine, Phase::Booting)).collect();
        Self { sender: std::sync::Arc::new(watch::Sender::new(Status { machines, switches: 0 })) }
    }

    pub(crate) fn set(&self, machine: Uuid, phase: Phase) {
        self.sender.send_if_modified(|status| status.machines.insert(machine, phase) != Some(phase));
    }

    pub(crate) fn switch_registered(&self) {
        self.sender.send_modify(|status| status.switches += 1);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.sender.subscribe()
    }
}
