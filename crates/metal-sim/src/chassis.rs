//! The box around a machine: power, boot order, disks, light. What a BMC commands and what survives a reboot.
//!
//! A change of power is an interruption: the running life of the machine is dropped wherever it was, as if
//! somebody had pulled the plug, and begins anew from what the chassis holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metal_proto::v1::{Allocation, BmcCommand, BootInfo};
use tokio::sync::watch;

/// A chassis, shared between the machine in it, its BMC and the switches it is cabled to.
#[derive(Debug)]
pub(crate) struct Chassis {
    state: Mutex<State>,
    interruptions: watch::Sender<u64>,
    /// Tells the rack's switches that a system has started.
    started: Arc<watch::Sender<u64>>,
}

#[derive(Clone, Debug)]
struct State {
    power: bool,
    present: bool,
    crash: bool,
    light: bool,
    network_first: bool,
    disk: Option<Disk>,
    running: bool,
    /// How often a system was started.
    starts: u64,
}

/// A system on a disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Disk {
    /// How it is started.
    pub(crate) boot: BootInfo,
    /// What it was installed for; empty when an earlier data centre installed it.
    pub(crate) allocation: Allocation,
}

/// What a machine does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Nothing: no power.
    Off,
    /// Nothing: gone.
    Vanished,
    /// Announce a crash, then boot.
    Crash,
    /// Boot the installer from the network.
    Network,
    /// Boot the installed system.
    Disk(Box<Disk>),
}

impl Chassis {
    /// A chassis with what is on its disks.
    pub(crate) fn new(started: Arc<watch::Sender<u64>>, disk: Option<Disk>) -> Self {
        let state = State {
            power: true,
            present: true,
            crash: false,
            light: false,
            network_first: disk.is_none(),
            disk,
            running: false,
            starts: 0,
        };
        Self { state: Mutex::new(state), interruptions: watch::Sender::new(0), started }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn interruptions(&self) -> watch::Receiver<u64> {
        self.interruptions.subscribe()
    }

    fn interrupt(&self) {
        self.lock().running = false;
        self.interruptions.send_modify(|count| *count += 1);
    }

    pub(crate) fn next(&self) -> Next {
        let mut state = self.lock();
        state.running = false;
        if !state.present {
            return Next::Vanished;
        }
        if !state.power {
            return Next::Off;
        }
        if std::mem::take(&mut state.crash) {
            return Next::Crash;
        }
        match &state.disk {
            Some(system) if !state.network_first => Next::Disk(Box::new(system.clone())),
            _ => Next::Network,
        }
    }

    /// What the BMC does. Answers why not, if it does not.
    pub(crate) fn command(&self, command: BmcCommand) -> Result<(), &'static str> {
        if !self.is_present() {
            return Err("the BMC does not answer");
        }
        {
            let mut state = self.lock();
            match command {
                BmcCommand::Unspecified => return Err("no command"),
                BmcCommand::On if state.power => return Ok(()),
                BmcCommand::On | BmcCommand::Cycle => state.power = true,
                BmcCommand::Off => state.power = false,
                BmcCommand::Reset if !state.power => return Err("the machine is off"),
                BmcCommand::Reset => {}
                BmcCommand::Disk => state.network_first = false,
                BmcCommand::Pxe => state.network_first = true,
                BmcCommand::Free | BmcCommand::Reinstall => {
                    state.network_first = true;
                    state.power = true;
                }
                BmcCommand::LedOn => state.light = true,
                BmcCommand::LedOff => state.light = false,
                // Nobody sits at the simulated firmware's menu.
                BmcCommand::Bios => {}
            }
        }
        let concerns_power = matches!(
            command,
            BmcCommand::On
                | BmcCommand::Off
                | BmcCommand::Reset
                | BmcCommand::Cycle
                | BmcCommand::Free
                | BmcCommand::Reinstall
        );
        if concerns_power {
            self.interrupt();
        }
        Ok(())
    }

    pub(crate) fn vanish(&self) {
        self.set_present(false);
        self.interrupt();
    }

    pub(crate) fn come_back(&self) {
        self.set_present(true);
        self.interrupt();
    }

    /// Without interrupting: for a life that ends itself.
    pub(crate) fn set_present(&self, present: bool) {
        self.lock().present = present;
    }

    pub(crate) fn crash(&self) {
        self.lock().crash = true;
        self.interrupt();
    }

    pub(crate) fn wipe(&self) {
        self.lock().disk = None;
    }

    pub(crate) fn install(&self, system: Disk) {
        self.lock().disk = Some(system);
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.lock().disk.is_some()
    }

    pub(crate) fn start_system(&self) {
        {
            let mut state = self.lock();
            state.running = true;
            state.starts += 1;
        }
        self.started.send_modify(|count| *count += 1);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.lock().running
    }

    /// Which start the running system is of; nothing if none runs.
    pub(crate) fn running_start(&self) -> Option<u64> {
        let state = self.lock();
        state.running.then_some(state.starts)
    }

    pub(crate) fn is_present(&self) -> bool {
        self.lock().present
    }

    pub(crate) fn is_powered(&self) -> bool {
        let state = self.lock();
        state.power && state.present
    }

    pub(crate) fn is_lit(&self) -> bool {
        self.lock().light
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chassis() -> Chassis {
        Chassis::new(Arc::new(watch::Sender::new(0)), None)
    }

    #[test]
    fn a_fresh_machine_boots_from_the_network_and_an_installed_one_from_disk() {
        let chassis = chassis();
        assert_eq!(chassis.next(), Next::Network);
        chassis.install(Disk::default());
        assert_eq!(chassis.next(), Next::Network);
        chassis.command(BmcCommand::Disk).unwrap();
        assert_eq!(chassis.next(), Next::Disk(Box::default()));
        chassis.command(BmcCommand::Free).unwrap();
        assert_eq!(chassis.next(), Next::Network);
    }

    #[test]
    fn power_commands_interrupt_and_others_do_not() {
        let chassis = chassis();
        let mut interruptions = chassis.interruptions();
        chassis.command(BmcCommand::LedOn).unwrap();
        chassis.command(BmcCommand::Pxe).unwrap();
        chassis.command(BmcCommand::On).unwrap();
        assert!(!interruptions.has_changed().unwrap());
        chassis.command(BmcCommand::Off).unwrap();
        assert!(interruptions.has_changed().unwrap());
        interruptions.mark_unchanged();
        assert_eq!(chassis.next(), Next::Off);
        assert!(chassis.command(BmcCommand::Reset).is_err());
        chassis.command(BmcCommand::On).unwrap();
        assert!(interruptions.has_changed().unwrap());
        assert!(chassis.is_lit() && chassis.is_powered());
    }

    #[test]
    fn a_vanished_machine_has_no_bmc() {
        let chassis = chassis();
        chassis.vanish();
        assert_eq!(chassis.next(), Next::Vanished);
        assert!(chassis.command(BmcCommand::On).is_err());
        chassis.come_back();
        assert_eq!(chassis.next(), Next::Network);
    }

    #[test]
    fn what_was_installed_before_boots() {
        let chassis = Chassis::new(Arc::new(watch::Sender::new(0)), Some(Disk::default()));
        assert_eq!(chassis.next(), Next::Disk(Box::default()));
    }

    #[test]
    fn a_crash_happens_once() {
        let chassis = chassis();
        chassis.crash();
        assert_eq!(chassis.next(), Next::Crash);
        assert_eq!(chassis.next(), Next::Network);
    }
}
