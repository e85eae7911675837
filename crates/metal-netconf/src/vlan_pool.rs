//! VLAN ids of tenants' routing tables.
//!
//! They mean something on one switch only and are stored nowhere: every run reads from the device which id belongs to
//! which VNI, keeps what it finds, and gives new ones the lowest id that nothing uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{VlanId, Vni};

/// The first id of the pool.
pub const FIRST: u16 = 1001;
/// The last id of the pool.
pub const LAST: u16 = 2000;

/// All ids of the pool are in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no VLAN is free for VNI {vni}: all from {FIRST} to {LAST} are in use")]
pub struct Exhausted {
    /// The first VNI that got none.
    pub vni: Vni,
}

/// Whether an id belongs to the pool.
#[must_use]
pub fn contains(vlan: VlanId) -> bool {
    (FIRST..=LAST).contains(&vlan.get())
}

/// Gives each VNI a VLAN: the one in `present` if there is one, else the lowest that is neither in `present` nor in
/// `taken`; when none is left, the lowest of `leaving`, which are in `taken` too but will be removed first.
///
/// # Errors
/// Fails when the pool is used up; nothing is given then.
pub fn assign(
    wanted: impl IntoIterator<Item = Vni>,
    present: &BTreeMap<Vni, VlanId>,
    taken: &BTreeSet<VlanId>,
    leaving: &BTreeSet<VlanId>,
) -> Result<BTreeMap<Vni, VlanId>, Exhausted> {
    let wanted: BTreeSet<Vni> = wanted.into_iter().collect();
    let mut given: BTreeMap<Vni, VlanId> =
        wanted.iter().filter_map(|vni| present.get(vni).map(|vlan| (*vni, *vlan))).collect();
    let kept: BTreeSet<VlanId> = given.values().copied().collect();
    let present: BTreeSet<VlanId> = present.values().copied().collect();
    let pool = || (FIRST..=LAST).filter_map(|id| VlanId::new(id.into()).ok());
    let fresh = pool().filter(|id| !present.contains(id) && !taken.contains(id));
    let reused = pool().filter(|id| leaving.contains(id) && !kept.contains(id));
    let mut free = fresh.chain(reused);
    for vni in wanted {
        if let std::collections::btree_map::Entry::Vacant(entry) = given.entry(vni) {
            entry.insert(free.next().ok_or(Exhausted { vni })?);
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vni(number: u32) -> Vni {
        Vni::new(number).unwrap()
    }

    fn vlan(number: u16) -> VlanId {
        VlanId::new(number.into()).unwrap()
    }

    #[test]
    fn keeps_what_is_and_fills_the_lowest_gap() {
        let present = BTreeMap::from([(vni(7), vlan(1002)), (vni(8), vlan(1001))]);
        let given = assign([vni(7), vni(9)], &present, &[vlan(1003)].into(), &[].into()).unwrap();
        assert_eq!(given, BTreeMap::from([(vni(7), vlan(1002)), (vni(9), vlan(1004))]));
    }

    #[test]
    fn takes_what_is_leaving_only_when_nothing_else_is_left() {
        let all: BTreeSet<VlanId> = (FIRST..=LAST).map(vlan).collect();
        let given = assign([vni(1)], &[].into(), &all, &[vlan(1500)].into()).unwrap();
        assert_eq!(given[&vni(1)], vlan(1500));
        let error = assign([vni(1), vni(2)], &[].into(), &all, &[vlan(1500)].into()).unwrap_err();
        assert_eq!(error, Exhausted { vni: vni(2) });
        assert_eq!(error.to_string(), "no VLAN is free for VNI 2: all from 1001 to 2000 are in use");
    }
}
