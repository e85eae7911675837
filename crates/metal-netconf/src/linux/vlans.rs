//! Which VLAN carries a tenant on this switch, and which table its routes are in.
//!
//! Nothing is stored: a tenant keeps the VLAN that its tunnel endpoint has on the bridge, or that its routed interface
//! has, and the table its VRF has. Only those without get a new one, the lowest that nothing uses, wanted or not.

use std::collections::{BTreeMap, BTreeSet};

use super::actual::{Actual, Kind, Place};
use super::plan::PlanError;
use super::wanted::{BRIDGE, number_of};
use crate::intent::Switch;
use crate::name::{VlanId, Vni};
use crate::vlan_pool;

/// VLANs for tenants, local to a switch.
pub const VLANS: std::ops::RangeInclusive<u16> = vlan_pool::FIRST..=vlan_pool::LAST;
/// Tables for VRFs, local to a switch; also how a VRF device that is not named after a VNI is known to be ours.
pub const TABLES: std::ops::RangeInclusive<u32> = 10_001..=11_000;

/// A tenant's numbers on this switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Its VLAN.
    pub vlan: u16,
    /// Its table.
    pub table: u32,
}

/// VNIs that are routed on this switch.
pub fn routed(intent: &Switch) -> impl Iterator<Item = Vni> {
    intent.tenants.keys().chain(intent.externals.keys()).copied()
}

/// Finds everybody's numbers.
pub fn assign(intent: &Switch, actual: &Actual) -> Result<BTreeMap<Vni, Numbers>, PlanError> {
    let fixed: BTreeSet<u16> = intent
        .pxe
        .iter()
        .map(|pxe| pxe.vlan)
        .chain(intent.extra.vlans.iter().copied())
        .map(VlanId::get)
        .collect();
    let seen = Seen::of(actual);
    let mut taken: BTreeSet<u16> = fixed.clone();
    let mut taken_tables = BTreeSet::new();
    let mut kept: BTreeMap<Vni, (Option<u16>, Option<u32>)> = BTreeMap::new();
    for vni in routed(intent) {
        let name = intent.vrf_name(vni);
        let by_tunnel = seen.by_vni.get(&vni.get()).copied().filter(|vlan| VLANS.contains(vlan));
        let by_interface = seen.by_vrf.get(name.as_str()).copied().filter(|vlan| VLANS.contains(vlan));
        // Two tenants with one VLAN is a fault of somebody else's making: the second gets another.
        let vlan = [by_tunnel, by_interface].into_iter().flatten().find(|vlan| taken.insert(*vlan));
        let table = seen.tables.get(name.as_str()).copied().filter(|table| taken_tables.insert(*table));
        kept.insert(vni, (vlan, table));
    }
    let mut free_vlans = VLANS.filter(|vlan| !taken.contains(vlan) && !seen.vlans.contains(vlan));
    let all_tables: BTreeSet<u32> = seen.tables.values().copied().collect();
    let mut free_tables = TABLES.filter(|table| !all_tables.contains(table));
    let mut numbers = BTreeMap::new();
    for (vni, (vlan, table)) in kept {
        let vlan = vlan.or_else(|| free_vlans.next()).ok_or(PlanError::NoFreeVlan { vni })?;
        let table = table.or_else(|| free_tables.next()).ok_or(PlanError::NoFreeTable { vni })?;
        numbers.insert(vni, Numbers { vlan, table });
    }
    Ok(numbers)
}

/// What the kernel says about VLANs.
#[derive(Default)]
struct Seen {
    vlans: BTreeSet<u16>,
    by_vni: BTreeMap<u32, u16>,
    by_vrf: BTreeMap<String, u16>,
    tables: BTreeMap<String, u32>,
}

impl Seen {
    fn of(actual: &Actual) -> Self {
        let mut seen = Self::default();
        let Some(main) = actual.space(&Place::Main) else { return seen };
        for (name, link) in &main.links {
            let is_member = link.master.as_deref() == Some(BRIDGE);
            if is_member || name == BRIDGE {
                seen.vlans.extend(link.vlans.keys());
            }
            match &link.kind {
                Kind::Vxlan { id, .. } if is_member && number_of(name, "vni").is_some() => {
                    let access = link.vlans.iter().find(|(_, is_access)| **is_access);
                    seen.by_vni.extend(access.map(|(vlan, _)| (*id, *vlan)));
                }
                Kind::Vlan { id, .. } if number_of(name, "vlan") == Some((*id).into()) => {
                    seen.vlans.insert(*id);
                    seen.by_vrf.extend(link.master.clone().map(|vrf| (vrf, *id)));
                }
                Kind::Vrf { table } => {
                    seen.tables.insert(name.clone(), *table);
                }
                _ => {}
            }
        }
        seen
    }
}
