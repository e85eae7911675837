//! What to carry out instead of an intent that failed. Pure.
//!
//! Everything here only ever takes away: a port is in a routing table only if it was there before and is still wanted
//! there, and may announce only what both the old and the new filter allow.

use std::collections::{BTreeMap, BTreeSet};

use metal_netconf::intent::{FirewallFilter, MachineFilter, Switch};
use metal_netconf::name::{PortName, Vni};

/// A port's place in an intent, with its filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The configuration file says what it is: an uplink, an external network's, an extra VLAN's.
    Fixed,
    Unprovisioned,
    Tenant(Vni, MachineFilter),
    Firewall(FirewallFilter),
    Isolated,
}

type Places = BTreeMap<PortName, Place>;

fn places(intent: &Switch) -> Places {
    let mut places = Places::new();
    let fixed = intent.uplinks.iter().chain(&intent.extra.ports);
    let fixed = fixed.chain(intent.externals.values().map(|external| &external.port));
    places.extend(fixed.map(|port| (port.clone(), Place::Fixed)));
    places.extend(intent.unprovisioned.iter().map(|port| (port.clone(), Place::Unprovisioned)));
    places.extend(intent.isolated.iter().map(|port| (port.clone(), Place::Isolated)));
    let firewalls = intent.firewalls.iter();
    places.extend(firewalls.map(|(port, filter)| (port.clone(), Place::Firewall(filter.clone()))));
    for (vni, tenant) in &intent.tenants {
        let ports = tenant.ports.iter();
        places.extend(ports.map(|(port, filter)| (port.clone(), Place::Tenant(*vni, filter.clone()))));
    }
    places
}

/// Where a port is while its wish cannot be carried out.
fn retreat(was: Option<&Place>, shall: &Place, may_release: bool) -> Place {
    match (was, shall) {
        (Some(Place::Tenant(old, before)), Place::Tenant(new, after)) if old == new => {
            let both = before.prefixes.iter().filter(|prefix| covers(&after.prefixes, prefix));
            Place::Tenant(*old, MachineFilter { prefixes: both.copied().collect() })
        }
        (Some(Place::Firewall(before)), Place::Firewall(after)) => {
            let prefixes = before.prefixes.iter().filter(|prefix| covers(&after.prefixes, prefix));
            let vnis = before.vnis.intersection(&after.vnis).copied().collect();
            Place::Firewall(FirewallFilter { prefixes: prefixes.copied().collect(), vnis })
        }
        (Some(Place::Fixed), _) => Place::Fixed,
        (Some(Place::Unprovisioned), Place::Isolated) => Place::Isolated,
        (Some(Place::Unprovisioned), _) => Place::Unprovisioned,
        (Some(Place::Tenant(..) | Place::Firewall(_) | Place::Isolated) | None, Place::Unprovisioned)
            if may_release =>
        {
            Place::Unprovisioned
        }
        (Some(Place::Tenant(..) | Place::Firewall(_) | Place::Isolated) | None, _) => Place::Isolated,
    }
}

fn covers(allowed: &BTreeSet<ipnet::IpNet>, prefix: &ipnet::IpNet) -> bool {
    allowed.iter().any(|other| other.contains(prefix))
}

/// `frame` with these ports in these places.
fn arrange(frame: &Switch, places: Places, down: BTreeSet<PortName>) -> Switch {
    let mut intent = Switch {
        unprovisioned: BTreeSet::new(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        isolated: BTreeSet::new(),
        down: BTreeSet::new(),
        ..frame.clone()
    };
    let fixed: BTreeSet<PortName> = intent.classes().into_iter().map(|(port, _)| port.clone()).collect();
    for (port, place) in places.into_iter().filter(|(port, _)| !fixed.contains(port)) {
        match place {
            // Fixed in the other intent only: this frame does not know what it is.
            Place::Fixed | Place::Isolated => drop(intent.isolated.insert(port)),
            Place::Unprovisioned if intent.pxe.is_none() => drop(intent.isolated.insert(port)),
            Place::Unprovisioned => drop(intent.unprovisioned.insert(port)),
            Place::Firewall(filter) => drop(intent.firewalls.insert(port, filter)),
            Place::Tenant(vni, filter) => {
                intent.tenants.entry(vni).or_default().ports.insert(port, filter);
            }
        }
    }
    let named: BTreeSet<PortName> = intent.classes().into_iter().map(|(port, _)| port.clone()).collect();
    intent.down = down.into_iter().filter(|port| named.contains(port)).collect();
    intent
}

/// What to go back to when `wanted` failed and `good` was in effect before, best first. Ports that `wanted` does not
/// mention do not exist any more and are left out.
#[must_use]
pub fn retreats(good: &Switch, wanted: &Switch) -> Vec<Switch> {
    let (was, shall) = (places(good), places(wanted));
    let mut found: Vec<Switch> = Vec::new();
    for may_release in [true, false] {
        let places = shall
            .iter()
            .map(|(port, place)| (port.clone(), retreat(was.get(port), place, may_release)))
            .collect();
        let intent = arrange(good, places, good.down.union(&wanted.down).cloned().collect());
        if intent != *wanted && !found.contains(&intent) {
            found.push(intent);
        }
    }
    found
}

/// `wanted` for the ports `taken`, the safe part of it for all others.
#[must_use]
pub fn compose(good: Option<&Switch>, wanted: &Switch, taken: &BTreeSet<PortName>) -> Switch {
    let (was, shall) = (good.map(places).unwrap_or_default(), places(wanted));
    let places = shall.iter().map(|(port, place)| {
        let place = if taken.contains(port) { place.clone() } else { retreat(was.get(port), place, false) };
        (port.clone(), place)
    });
    let held_down = good.iter().flat_map(|good| &good.down).filter(|port| !taken.contains(*port));
    arrange(wanted, places.collect(), wanted.down.iter().chain(held_down).cloned().collect())
}

/// The same intent with these ports cut off.
#[must_use]
pub fn isolate<'a>(intent: &Switch, ports: impl IntoIterator<Item = &'a PortName>) -> Switch {
    let mut intent = intent.clone();
    for port in ports {
        intent.unprovisioned.remove(port);
        intent.firewalls.remove(port);
        for tenant in intent.tenants.values_mut() {
            tenant.ports.remove(port);
        }
        intent.isolated.insert(port.clone());
    }
    intent.tenants.retain(|_, tenant| !tenant.ports.is_empty());
    intent
}

/// Looks for the ports that make an intent impossible, by trying halves of what it changes.
#[derive(Debug)]
pub struct Search {
    /// Ports whose change is possible together.
    taken: BTreeSet<PortName>,
    /// Groups not yet tried, next one last.
    pending: Vec<Vec<PortName>>,
    /// Ports whose change is not possible, and why.
    refused: BTreeMap<PortName, String>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Ports whose change is possible together.
    pub taken: BTreeSet<PortName>,
    /// Ports whose change is not, and why.
    pub refused: BTreeMap<PortName, String>,
    /// Whether each port was looked at.
    pub is_complete: bool,
}

impl Search {
    /// Begins with all that `wanted` changes, which is known to fail as a whole.
    #[must_use]
    pub fn new(good: Option<&Switch>, wanted: &Switch) -> Self {
        let safe = compose(good, wanted, &BTreeSet::new());
        let (now, shall) = (places(&safe), places(wanted));
        let is_changed = |port: &&PortName| {
            now.get(*port) != shall.get(*port) || safe.down.contains(*port) != wanted.down.contains(*port)
        };
        let changed: Vec<PortName> = shall.keys().filter(is_changed).cloned().collect();
        let mut search = Self { taken: BTreeSet::new(), pending: Vec::new(), refused: BTreeMap::new() };
        if changed.len() == 1 {
            search.pending.push(changed);
        } else {
            search.split(&changed);
        }
        search
    }

    /// The ports to take next; nothing when all is known.
    #[must_use]
    pub fn next(&self) -> Option<BTreeSet<PortName>> {
        let group = self.pending.last()?;
        Some(self.taken.iter().chain(group).cloned().collect())
    }

    /// Tells whether the ports of [`Search::next`] can be taken.
    pub fn answer(&mut self, tried: Result<(), String>) {
        let Some(group) = self.pending.pop() else { return };
        match (tried, group.as_slice()) {
            (Ok(()), _) => self.taken.extend(group),
            (Err(why), [only]) => drop(self.refused.insert(only.clone(), why)),
            (Err(_), _) => self.split(&group),
        }
    }

    /// What was found out. Ports not reached count as refused.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        let is_complete = self.pending.is_empty();
        for port in self.pending.into_iter().flatten() {
            self.refused.entry(port).or_insert_with(|| "not tried yet".to_owned());
        }
        Findings { taken: self.taken, refused: self.refused, is_complete }
    }

    fn split(&mut self, group: &[PortName]) {
        let (first, second) = group.split_at(group.len() / 2);
        self.pending.extend([second, first].into_iter().filter(|half| !half.is_empty()).map(<[_]>::to_vec));
    }
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
