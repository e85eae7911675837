//! A switch in memory: every change is a step, and any step can be made to fail, or to be the last before the agent dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use metal_core::config::Config;
use metal_core::driver::{Driver, DriverError, OperatingSystem, Port, Prepared, Session};
use metal_netconf::intent::{FirewallFilter, MachineFilter, PortClass, Switch};
use metal_netconf::name::{PortName, Vni};

/// A leaf's configuration with a state directory.
pub fn config(state_dir: &std::path::Path, more: &str) -> Config {
    let text = format!(
        r#"
hostname = "leaf01"
partition = "fra"
rack = "r01"
asn = 4210000011
loopback = "10.0.0.11"
uplinks = ["swp31"]
state_dir = {state_dir:?}
metrics = "127.0.0.1:0"
[intervals]
reconcile = "200ms"
report = "200ms"
ports = "20ms"
confirm = "300ms"
{more}"#
    );
    Config::parse(&text).unwrap()
}

pub fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

pub fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// What the device has on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub class: PortClass,
    pub machine: MachineFilter,
    pub firewall: FirewallFilter,
    pub is_up: bool,
}

#[derive(Debug, Default)]
pub struct State {
    pub ports: BTreeMap<PortName, Port>,
    /// As configured now.
    pub slots: BTreeMap<PortName, Slot>,
    pub persisted: Option<Switch>,
    /// VNIs FRR refuses.
    pub refused: BTreeSet<Vni>,
    /// VNIs that can be prepared and not applied.
    pub unapplicable: BTreeSet<Vni>,
    /// VNIs that can be applied and do not show.
    pub unconfirmed: BTreeSet<Vni>,
    /// So many calls from now the device fails, so many times.
    pub failing: Option<(usize, usize)>,
    /// So many steps from now nothing happens any more.
    pub dies_after: Option<usize>,
    /// Whether uplinks have their sessions.
    pub has_sessions: bool,
    /// Uplinks lose their sessions when this is applied.
    pub cuts_uplinks: Option<Vni>,
    pub applies: usize,
    pub prepares: usize,
    /// Every state a step led to, oldest first.
    pub history: Vec<BTreeMap<PortName, Slot>>,
}

/// Clones are the same device.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn new(ports: &[&str]) -> Self {
        let fake = Self::default();
        let mut state = fake.lock();
        state.has_sessions = true;
        for (number, name) in ports.iter().enumerate() {
            let mac = format!("02:00:00:00:00:{number:02x}");
            state.ports.insert(port(name), Port { mac, identifier: (*name).to_owned(), is_up: Some(true) });
        }
        drop(state);
        fake
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn class(&self, name: &str) -> Option<PortClass> {
        self.lock().slots.get(&port(name)).map(|slot| slot.class)
    }

    /// Whether the device is exactly as intended.
    pub fn is_as(&self, intent: &Switch) -> bool {
        self.lock().slots == slots(intent)
    }
}

pub fn slots(intent: &Switch) -> BTreeMap<PortName, Slot> {
    let classes = intent.classes().into_iter();
    classes
        .map(|(port, class)| {
            let machine = match class {
                PortClass::Tenant(vni) => intent.tenants[&vni].ports[port].clone(),
                _ => MachineFilter::default(),
            };
            let firewall = intent.firewalls.get(port).cloned().unwrap_or_default();
            (port.clone(), Slot { class, machine, firewall, is_up: intent.is_up(port) })
        })
        .collect()
}

impl State {
    fn falter(&mut self, action: &'static str) -> Result<(), DriverError> {
        match &mut self.failing {
            Some((0, times)) => {
                *times -= 1;
                if *times == 0 {
                    self.failing = None;
                }
                Err(DriverError::new(action, "the device", "told to fail"))
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

struct Steps {
    device: Fake,
    steps: Vec<(PortName, Option<Slot>)>,
}

impl Prepared for Steps {
    fn len(&self) -> usize {
        self.steps.len()
    }

    fn describe(&self) -> Vec<String> {
        self.steps.iter().map(|(port, slot)| format!("{port} {slot:?}")).collect()
    }

    fn apply(&self) -> Result<(), DriverError> {
        self.device.lock().applies += 1;
        for (port, slot) in &self.steps {
            let mut state = self.device.lock();
            state.falter("apply")?;
            if let Some(left) = &mut state.dies_after {
                if *left == 0 {
                    return Err(DriverError::new("apply", "the device", "the agent died"));
                }
                *left -= 1;
            }
            if let Some(Slot { class: PortClass::Tenant(vni), .. }) = slot {
                if state.unapplicable.contains(vni) {
                    return Err(DriverError::new("apply", format!("VNI {vni}"), "cannot be"));
                }
                if state.cuts_uplinks == Some(*vni) {
                    state.has_sessions = false;
                }
            }
            match slot {
                Some(slot) => drop(state.slots.insert(port.clone(), slot.clone())),
                None => drop(state.slots.remove(port)),
            }
            let now = state.slots.clone();
            state.history.push(now);
        }
        let mut state = self.device.lock();
        let is_cut = state
            .cuts_uplinks
            .is_some_and(|cut| state.slots.values().any(|slot| slot.class == PortClass::Tenant(cut)));
        state.has_sessions = !is_cut;
        Ok(())
    }
}

impl Driver for Fake {
    fn operating_system(&self) -> Result<OperatingSystem, DriverError> {
        Ok(OperatingSystem { vendor: "Linux", version: "13".to_owned() })
    }

    fn is_ready(&self) -> Result<bool, DriverError> {
        Ok(true)
    }

    fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        Ok(self.lock().ports.clone())
    }

    fn prepare(&self, intent: &Switch) -> Result<Box<dyn Prepared>, DriverError> {
        let mut state = self.lock();
        state.prepares += 1;
        assert_eq!(intent.faults(), Vec::<String>::new(), "the engine checks first");
        if state.dies_after != Some(0) {
            state.falter("prepare")?;
        }
        if let Some(vni) = intent.tenants.keys().find(|vni| state.refused.contains(vni)) {
            return Err(DriverError::new("check", format!("VNI {vni}"), "FRR refuses it"));
        }
        let wanted = slots(intent);
        let gone = state.slots.keys().filter(|port| !wanted.contains_key(*port));
        let mut steps: Vec<(PortName, Option<Slot>)> = gone.map(|port| (port.clone(), None)).collect();
        let changed = wanted.iter().filter(|(port, slot)| state.slots.get(*port) != Some(slot));
        steps.extend(changed.map(|(port, slot)| (port.clone(), Some(slot.clone()))));
        Ok(Box::new(Steps { device: self.clone(), steps }))
    }

    fn deviations(&self, intent: &Switch) -> Result<Vec<String>, DriverError> {
        let mut state = self.lock();
        state.falter("read")?;
        let silent = intent.tenants.keys().filter(|vni| state.unconfirmed.contains(vni));
        let mut found: Vec<String> = silent.map(|vni| format!("VNI {vni} is not there")).collect();
        if state.slots != slots(intent) {
            found.push("ports are not where they shall be".to_owned());
        }
        Ok(found)
    }

    fn sessions(&self) -> Result<Vec<Session>, DriverError> {
        let state = if self.lock().has_sessions { "Established" } else { "Idle" };
        Ok(vec![Session {
            vrf: "default".to_owned(),
            port: "swp31".to_owned(),
            neighbor: "spine01".to_owned(),
            peer_group: "FABRIC".to_owned(),
            state: state.to_owned(),
            established_since: 1_700_000_000,
            sent: 3,
            accepted: 4,
        }])
    }

    fn persist(&self, intent: &Switch) -> Result<(), DriverError> {
        let mut state = self.lock();
        state.falter("persist")?;
        state.persisted = Some(intent.clone());
        Ok(())
    }
}
