//! The steps from what is to what shall be.
//!
//! Ports leave first, then everything around them is built, then ports enter, and what nobody wants any more goes last.
//! Every step is done to a copy of the observation at once, so each decision sees what the steps before it will have done.

use std::collections::{BTreeMap, BTreeSet};

use super::Layout;
use super::actual::{Actual, Device, Kind, Link, Place, Space};
use super::effect;
use super::setting::{self, LinkSetting};
use super::step::{Object, Step, VXLAN_PORT, mac_text};
use super::vlans;
use super::wanted::{Addresses, Attributes, BRIDGE, Wanted, loopbacks, number_of, wanted};
use crate::intent::Switch;
use crate::name::{PortName, Vni};

/// Why there is no way to what shall be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// All VLANs for tenants are in use.
    #[error("no VLAN from {} to {} is free for VNI {vni}", vlans::VLANS.start(), vlans::VLANS.end())]
    NoFreeVlan {
        /// Whose.
        vni: Vni,
    },
    /// All routing tables are in use.
    #[error("no routing table from {} to {} is free for VNI {vni}", vlans::TABLES.start(), vlans::TABLES.end())]
    NoFreeTable {
        /// Whose.
        vni: Vni,
    },
    /// A VLAN that carries frames with tags needs a bridge that tells them apart.
    #[error(
        "extra VLANs on the bridge need a kernel with VLAN filtering; the layout with namespaces has none"
    )]
    ExtraVlans,
}

/// Ports the intent mentions and the switch does not have; they are left out of plans.
#[must_use]
pub fn missing(intent: &Switch, actual: &Actual) -> Vec<PortName> {
    let there: BTreeSet<&str> =
        actual.spaces.values().flat_map(|space| space.links.keys().map(String::as_str)).collect();
    let all = intent.classes().into_iter().map(|(port, _)| port);
    all.filter(|port| !there.contains(port.as_str())).cloned().collect()
}

/// The steps that make of what was observed what is intended; none if it is.
///
/// # Errors
/// Fails if the intent cannot be had on this switch in this layout.
pub fn plan(intent: &Switch, layout: Layout, actual: &Actual) -> Result<Vec<Step>, PlanError> {
    let wanted = wanted(intent, layout, actual)?;
    let mut planner = Planner::new(actual, &wanted);
    planner.leave();
    planner.build(intent);
    planner.enter();
    planner.remove();
    Ok(planner.steps)
}

struct Planner<'a> {
    wanted: &'a Wanted,
    made: BTreeMap<&'a Device, &'a Object>,
    /// The observation with all steps so far done to it.
    state: Actual,
    steps: Vec<Step>,
    /// Where each port is.
    ports: BTreeMap<String, Place>,
    /// Tunnel endpoints by VNI, wherever they are.
    endpoints: BTreeMap<u32, BTreeSet<Device>>,
    /// Namespaces FRR has been waited for.
    awaited: BTreeSet<Place>,
}

impl<'a> Planner<'a> {
    fn new(actual: &Actual, wanted: &'a Wanted) -> Self {
        let made = wanted.objects.iter().map(|(device, object, _)| (device, object)).collect();
        let mut ports = BTreeMap::new();
        let mut endpoints: BTreeMap<u32, BTreeSet<Device>> = BTreeMap::new();
        let named: BTreeSet<&str> = wanted.ports.keys().map(PortName::as_str).collect();
        for (place, space) in &actual.spaces {
            for (name, link) in &space.links {
                if link.is_port || named.contains(name.as_str()) {
                    ports.entry(name.clone()).or_insert_with(|| place.clone());
                }
                if let Kind::Vxlan { id, .. } = link.kind {
                    endpoints
                        .entry(id)
                        .or_default()
                        .insert(Device { place: place.clone(), name: name.clone() });
                }
            }
        }
        Self {
            wanted,
            made,
            state: actual.clone(),
            steps: Vec::new(),
            ports,
            endpoints,
            awaited: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        let done = effect::apply(&mut self.state, &step);
        debug_assert!(done.is_ok(), "{done:?}");
        self.steps.push(step);
    }

    /// Ports that are not where they belong leave; those that shall be off are switched off.
    fn leave(&mut self) {
        for (name, place) in self.ports.clone() {
            let device = Device { place, name };
            let Some(link) = self.state.link(&device) else { continue };
            let to = PortName::parse(&device.name).ok().and_then(|port| self.wanted.ports.get(&port));
            match to {
                Some((place, attributes)) => {
                    let is_there = *place == device.place
                        && attributes.master == link.master
                        && attributes.vlans.as_ref().is_none_or(|vlans| *vlans == link.vlans);
                    if !is_there {
                        self.release(&device);
                    } else if link.is_up && !attributes.is_up {
                        self.take(Step::SetUp(device, false));
                    }
                }
                // Nobody says what it is for: it is taken out of what is ours, and left alone otherwise.
                None if device.place != Place::Main || self.is_in_own(link) => self.release(&device),
                None => {}
            }
        }
    }

    /// Whether a link of the main namespace belongs to a bridge or VRF of ours.
    fn is_in_own(&self, link: &Link) -> bool {
        let master = link.master.as_ref().map(Device::main);
        let found = master.as_ref().and_then(|master| Some((master, self.state.link(master)?)));
        found.is_some_and(|(master, link)| own_rank(&master.name, &link.kind).is_some())
    }

    /// Takes a port out of everything, into the main namespace, switched off.
    fn release(&mut self, device: &Device) {
        let Some(link) = self.state.link(device).cloned() else { return };
        if link.is_up {
            self.take(Step::SetUp(device.clone(), false));
        }
        if link.master.is_some() {
            self.take(Step::SetMaster(device.clone(), None));
        }
        if device.place == Place::Main {
            for address in link.addresses {
                self.take(Step::DeleteAddress(device.clone(), address));
            }
        } else if self.state.link(&Device::main(&device.name)).is_none() {
            self.take(Step::Move(device.clone(), Place::Main));
            self.ports.insert(device.name.clone(), Place::Main);
        }
    }

    fn build(&mut self, intent: &Switch) {
        for name in &self.wanted.namespaces {
            if !self.state.spaces.contains_key(&Place::Vrf(name.clone())) {
                self.take(Step::CreateNamespace(name.clone()));
            }
        }
        let places = self.wanted.namespaces.iter().map(|name| Place::Vrf(name.clone()));
        for place in std::iter::once(Place::Main).chain(places) {
            self.configure(&place);
        }
        // Before the links they are for, so that no machine is ever without.
        for (place, table) in &self.wanted.filters {
            let is_set =
                self.state.space(place).is_some_and(|space| space.filter.as_ref() == Some(&table.outline()));
            if !is_set {
                self.take(Step::SetFilter(place.clone(), table.clone()));
            }
        }
        for (device, attributes) in loopbacks(intent, self.wanted) {
            self.adjust(&device, &attributes);
        }
        for (device, object, attributes) in &self.wanted.objects {
            if let Object::Vrf { table } = object {
                self.close(*table);
            }
            self.ensure(device, object);
            self.adjust(device, attributes);
        }
    }

    /// Before there is a VRF device, its table leads nowhere else.
    fn close(&mut self, table: u32) {
        let is = |space: Option<&Space>| space.map(|it| (it.is_local_late, it.closed.contains(&table)));
        let (is_local_late, is_closed) = is(self.state.space(&Place::Main)).unwrap_or_default();
        if !is_local_late {
            self.take(Step::PutLocalLate);
        }
        if !is_closed {
            self.take(Step::CloseTable(table));
        }
    }

    fn configure(&mut self, place: &Place) {
        let Some(space) = self.state.space(place) else { return };
        let differs =
            |(path, value): &&(&'static str, u32)| space.settings.get(path).is_some_and(|now| now != value);
        let needed: Vec<_> = setting::SPACE.iter().filter(differs).copied().collect();
        if !needed.is_empty() {
            self.take(Step::Configure(place.clone(), needed));
        }
    }

    /// Before anything goes into a namespace, FRR has to know it.
    fn await_vrf(&mut self, place: &Place) {
        if let Place::Vrf(name) = place
            && self.awaited.insert(place.clone())
        {
            self.take(Step::AwaitVrf(name.clone()));
        }
    }

    fn ensure(&mut self, device: &Device, object: &Object) {
        if let Some(link) = self.state.link(device) {
            if is_like(&link.kind, object) {
                self.correct(device, object);
                return;
            }
            self.take(Step::Delete(device.clone()));
        }
        if let Object::Vxlan { id, .. } = object {
            // The kernel has one endpoint for each VNI, in whatever namespace it is; one for a tenant's VNI that is not
            // ours would be a way into that tenant's network besides.
            for other in self.endpoints.remove(id).unwrap_or_default() {
                let is_still =
                    |link: &Link| matches!(link.kind, Kind::Vxlan { id: other, .. } if other == *id);
                if self.state.link(&other).is_some_and(is_still) {
                    self.take(Step::Delete(other));
                }
            }
        }
        self.await_vrf(&device.place);
        self.take(Step::Create(device.clone(), object.clone()));
    }

    /// What can be changed without making a link anew.
    fn correct(&mut self, device: &Device, object: &Object) {
        let Object::Bridge { is_vlan_filtering: wanted, mac } = object else { return };
        let Some(link) = self.state.link(device) else { return };
        let Kind::Bridge { is_vlan_filtering, default_pvid } = link.kind else { return };
        let has_other_mac = link.mac != mac_text(*mac);
        if is_vlan_filtering != *wanted || (*wanted && default_pvid != 0) {
            self.take(Step::SetVlanFiltering(device.clone(), *wanted));
        }
        if has_other_mac {
            self.take(Step::SetMac(device.clone(), *mac));
        }
    }

    /// Everything about a link but where it is, and its master.
    fn adjust(&mut self, device: &Device, to: &Attributes) {
        let Some(link) = self.state.link(device).cloned() else { return };
        if link.master != to.master {
            self.take(Step::SetMaster(device.clone(), to.master.clone()));
        }
        if let Some(mtu) = to.mtu.filter(|mtu| *mtu != link.mtu) {
            self.take(Step::SetMtu(device.clone(), mtu));
        }
        let now = self.state.link(device).cloned().unwrap_or_default();
        if let Some(port) = to.bridge_port.filter(|port| Some(*port) != now.bridge_port) {
            self.take(Step::SetBridgePort(device.clone(), port));
        }
        self.adjust_vlans(device, to, &now);
        let differs =
            |(setting, value): &&(LinkSetting, u32)| now.settings.get(setting).is_some_and(|is| is != value);
        let needed: Vec<_> = to.settings.iter().filter(differs).copied().collect();
        if !needed.is_empty() {
            self.take(Step::ConfigureLink(device.clone(), needed));
        }
        self.adjust_addresses(device, &to.addresses, &now);
        if now.is_up != to.is_up {
            self.take(Step::SetUp(device.clone(), to.is_up));
        }
    }

    fn adjust_vlans(&mut self, device: &Device, to: &Attributes, now: &Link) {
        let Some(vlans) = &to.vlans else { return };
        for vlan in now.vlans.keys().filter(|vlan| !vlans.contains_key(vlan)) {
            self.take(Step::DeleteVlan(device.clone(), *vlan));
        }
        for (vlan, is_access) in vlans {
            if now.vlans.get(vlan) != Some(is_access) {
                self.take(Step::AddVlan(device.clone(), *vlan, *is_access));
            }
        }
    }

    fn adjust_addresses(&mut self, device: &Device, to: &Addresses, now: &Link) {
        let (wanted, is_exact) = match to {
            Addresses::Any => return,
            Addresses::AtLeast(wanted) => (wanted, false),
            Addresses::Exactly(wanted) => (wanted, true),
        };
        if is_exact {
            for address in now.addresses.difference(wanted) {
                self.take(Step::DeleteAddress(device.clone(), *address));
            }
        }
        for address in wanted.difference(&now.addresses) {
            self.take(Step::AddAddress(device.clone(), *address));
        }
    }

    /// Ports come to where they belong and are switched on when they are there.
    fn enter(&mut self) {
        for (port, (place, attributes)) in &self.wanted.ports {
            let Some(now) = self.ports.get(port.as_str()).cloned() else { continue };
            let mut device = Device { place: now, name: port.as_str().to_owned() };
            if device.place != *place {
                let there = Device { place: place.clone(), name: device.name.clone() };
                if self.state.link(&there).is_some() {
                    // Somebody's link of the same name is in the way; the port stays cut off.
                    continue;
                }
                self.await_vrf(place);
                self.take(Step::Move(device.clone(), place.clone()));
                device.place = place.clone();
                self.ports.insert(device.name.clone(), place.clone());
            }
            // Set free by the kernel because its bridge had to be made anew: it enters as any other, switched off.
            let is_loose =
                self.state.link(&device).is_some_and(|link| link.is_up && link.master != attributes.master);
            if is_loose {
                self.take(Step::SetUp(device.clone(), false));
            }
            self.adjust(&device, attributes);
        }
    }

    /// What is named as ours and nobody wants: what is on a bridge before the bridge.
    fn remove(&mut self) {
        let mut unwanted = Vec::new();
        for (place, space) in &self.state.spaces {
            for (name, link) in &space.links {
                let Some(rank) = own_rank(name, &link.kind) else { continue };
                let device = Device { place: place.clone(), name: name.clone() };
                if !self.made.contains_key(&device) {
                    unwanted.push((rank, device));
                }
            }
        }
        unwanted.sort();
        for (_, device) in unwanted {
            if self.state.link(&device).is_some() {
                self.take(Step::Delete(device));
            }
        }
        let filtered = self.state.spaces.iter().filter(|(_, space)| space.filter.is_some());
        let unwanted = filtered.filter(|(place, _)| !self.wanted.filters.contains_key(place));
        let unwanted: Vec<Place> = unwanted.map(|(place, _)| place.clone()).collect();
        for place in unwanted {
            self.take(Step::RemoveFilter(place));
        }
    }
}

/// Whether a link can become what is wanted, or has to be made anew.
fn is_like(kind: &Kind, object: &Object) -> bool {
    match (kind, object) {
        (Kind::Bridge { .. }, Object::Bridge { .. }) => true,
        (Kind::Vxlan { id, local, port, is_learning }, Object::Vxlan { id: vni, local: source }) => {
            id == vni && *local == Some(*source) && *port == VXLAN_PORT && !is_learning
        }
        (Kind::Vlan { id, lower }, Object::Vlan { id: vlan, lower: below }) => {
            id == vlan && lower.as_ref() == Some(below)
        }
        (Kind::Vrf { table }, Object::Vrf { table: wanted }) => table == wanted,
        _ => false,
    }
}

/// Whether a link is one of ours by name and kind, and if so, in which order it is removed.
fn own_rank(name: &str, kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Vxlan { .. } if number_of(name, "vni").is_some() => Some(0),
        Kind::Vlan { .. } if number_of(name, "vlan").is_some() => Some(1),
        Kind::Bridge { .. } if number_of(name, "vlan").or_else(|| number_of(name, "br")).is_some() => Some(1),
        Kind::Vrf { table } if number_of(name, "vrf").is_some() || vlans::TABLES.contains(table) => Some(2),
        Kind::Bridge { .. } if name == BRIDGE => Some(3),
        _ => None,
    }
}
