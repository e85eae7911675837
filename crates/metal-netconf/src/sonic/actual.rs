//! What a SONiC switch has now, and which of it is ours.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{Key, Row, vlan};
use super::wanted::vrf_name;
use crate::intent::Switch;
use crate::name::{PortName, VlanId, Vni, VrfName};
use crate::vlan_pool;

/// What is in `CONFIG_DB` and what the hardware has made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// Rows of [`Key::TABLES`] whose keys are of the usual form.
    pub rows: BTreeMap<Key, Row>,
    /// Names of the rows of `VXLAN_TUNNEL`.
    pub tunnels: Vec<String>,
    /// Ports that are in a VLAN according to the hardware.
    pub bridged: BTreeSet<PortName>,
    /// Ports that are routed interfaces according to the hardware.
    pub routed: BTreeSet<PortName>,
}

/// VLANs of the device, seen from the overlay.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Which VLAN a VNI has.
    pub present: BTreeMap<Vni, VlanId>,
    /// VLANs that something hangs on.
    pub taken: BTreeSet<VlanId>,
    /// VLANs that are ours.
    pub ours: BTreeSet<VlanId>,
    /// The rows that map a VLAN to a VNI.
    pub maps: BTreeMap<(VlanId, Vni), Key>,
}

impl Actual {
    pub(super) fn field(&self, key: &Key, field: &str) -> Option<&str> {
        self.rows.get(key)?.get(field).map(String::as_str)
    }

    /// The VNI of a routing table: its field, else its name.
    fn vni_of(&self, vrf: &VrfName) -> Option<Vni> {
        let field = self.field(&Key::Vrf(vrf.clone()), "vni").and_then(|text| Vni::parse(text).ok());
        field.or_else(|| tenant(vrf.as_str()))
    }

    /// VLAN and VNI of every mapping that is complete.
    fn maps(&self) -> impl Iterator<Item = (&Key, VlanId, Vni)> {
        self.rows.iter().filter_map(|(key, row)| match key {
            Key::TunnelMap(..) => {
                Some((key, vlan(row.get("vlan")?)?, row.get("vni").and_then(|text| Vni::parse(text).ok())?))
            }
            _ => None,
        })
    }

    /// Looks at all VLANs. One is ours if its id is from the pool, the intent does not use it otherwise, and nobody
    /// else has put a port, an address or an interface of his own on it.
    pub(super) fn overlay(&self, intent: &Switch) -> Overlay {
        let mut overlay = Overlay::default();
        let mut foreign = intent.extra.vlans.clone();
        foreign.extend(intent.pxe.map(|pxe| pxe.vlan));
        let mut bound = Vec::new();
        for (key, row) in &self.rows {
            match key {
                Key::Vlan(vlan) => {
                    overlay.ours.insert(*vlan);
                }
                Key::Suppress(vlan) => {
                    overlay.ours.insert(*vlan);
                }
                Key::VlanMember(vlan, _) | Key::VlanAddress(vlan, _) => {
                    foreign.insert(*vlan);
                }
                Key::VlanInterface(vlan) => {
                    let vrf = row.get("vrf_name").and_then(|name| VrfName::parse(name).ok());
                    match vrf.and_then(|vrf| self.vni_of(&vrf)) {
                        Some(vni) => bound.push((vni, *vlan)),
                        None => {
                            foreign.insert(*vlan);
                        }
                    }
                }
                Key::Port(_) | Key::Vrf(_) | Key::TunnelMap(..) => {}
                Key::Interface(_) | Key::InterfaceAddress(..) => {}
            }
        }
        let mut mapped = BTreeMap::new();
        for (key, vlan, vni) in self.maps() {
            overlay.present.entry(vni).or_insert(vlan);
            overlay.taken.insert(vlan);
            overlay.ours.insert(vlan);
            overlay.maps.entry((vlan, vni)).or_insert_with(|| key.clone());
            mapped.insert(vlan, vni);
        }
        for (vni, vlan) in bound {
            overlay.taken.insert(vlan);
            overlay.ours.insert(vlan);
            // A VLAN mapped to another network does not become this one's by its interface.
            if mapped.get(&vlan).is_none_or(|other| *other == vni) {
                overlay.present.entry(vni).or_insert(vlan);
            }
        }
        overlay.taken.extend(&foreign);
        overlay.ours.retain(|vlan| vlan_pool::contains(*vlan) && !foreign.contains(vlan));
        overlay
    }

    /// Routing tables that are tenants' or externals' of ours and that the intent does not want.
    pub(super) fn surplus_vrfs(&self, intent: &Switch, overlay: &Overlay) -> BTreeSet<VrfName> {
        let wanted: BTreeSet<VrfName> =
            intent.tenants.keys().chain(intent.externals.keys()).map(|vni| vrf_name(intent, *vni)).collect();
        let is_ours = |(vlan, vni): &(VlanId, Vni)| overlay.ours.contains(vlan).then_some(*vni);
        let mapped: BTreeSet<Vni> = overlay.maps.keys().filter_map(is_ours).collect();
        let vrfs = self.rows.keys().filter_map(|key| match key {
            Key::Vrf(vrf) => Some(vrf),
            _ => None,
        });
        let is_ours = |vrf: &VrfName| {
            tenant(vrf.as_str()).is_some() || self.vni_of(vrf).is_some_and(|vni| mapped.contains(&vni))
        };
        vrfs.filter(|vrf| !wanted.contains(*vrf) && is_ours(vrf)).cloned().collect()
    }

    /// Ports with a row in `INTERFACE`, with the routing table in it.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = (&PortName, Option<&str>)> {
        self.rows.iter().filter_map(|(key, row)| match key {
            Key::Interface(port) => Some((port, row.get("vrf_name").map(String::as_str))),
            _ => None,
        })
    }
}

/// The VNI in the name of a tenant's routing table, `Vrf3981`.
pub(super) fn tenant(vrf: &str) -> Option<Vni> {
    vrf.strip_prefix("Vrf").and_then(|number| Vni::parse(number).ok())
}
