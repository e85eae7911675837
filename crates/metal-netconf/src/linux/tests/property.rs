//! Random switches, random changes, random interruptions: a plan always ends where it should, and on no step of the way is
//! a port where it must not be.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::actual::{Actual, BridgePort, Device, Kind, Link, Place};
use super::super::{Layout, effect, missing, plan};
use super::{apply, assign, bare, describe, leaf, link_of, membership, vni};
use crate::intent::{PortClass, Switch};
use crate::nftables::{self, Outline};

const PORTS: [&str; 6] = ["swp1", "swp2", "swp3", "swp4", "swp5", "swp6"];
const TENANTS: [u32; 3] = [101, 102, 103];
const EXTERNAL: u32 = 104_009;

fn class() -> impl Strategy<Value = Option<PortClass>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(PortClass::Uplink)),
        4 => Just(Some(PortClass::Unprovisioned)),
        5 => proptest::sample::select(&TENANTS[..]).prop_map(|number| Some(PortClass::Tenant(vni(number)))),
        2 => Just(Some(PortClass::Firewall)),
        1 => Just(Some(PortClass::External(vni(EXTERNAL)))),
        1 => Just(Some(PortClass::Extra)),
        1 => Just(Some(PortClass::Isolated)),
    ]
}

fn intent(layout: Layout) -> impl Strategy<Value = Switch> {
    let classes = proptest::collection::vec((class(), proptest::bool::weighted(0.15)), PORTS.len());
    (classes, proptest::bool::weighted(0.9)).prop_map(move |(classes, has_pxe)| {
        let mut intent = leaf();
        for (name, (class, is_down)) in PORTS.iter().zip(classes) {
            let class = match class {
                Some(PortClass::Extra) if layout == Layout::Netns => Some(PortClass::Uplink),
                other => other,
            };
            assign(&mut intent, name, class);
            if is_down && class.is_some() {
                intent.down.insert(super::port(name));
            }
        }
        if !has_pxe && intent.unprovisioned.is_empty() {
            intent.pxe = None;
        }
        assert_eq!(intent.faults(), [] as [&str; 0]);
        intent
    })
}

/// Something somebody else, or an agent that was interrupted, left behind.
#[derive(Debug, Clone)]
enum Mess {
    Link(bool, &'static str, Kind),
    Enslave(usize, usize),
    Flip(usize),
    Address(usize),
    Vlan(usize, u16),
    Filter(usize, bool),
}

fn mess() -> impl Strategy<Value = Mess> {
    let names = [
        "vni101", "vni102", "vni555", "br101", "br9", "vlan4000", "vlan1001", "vlan1002", "vrf101", "bridge",
    ];
    let kinds = vec![
        Kind::Other,
        Kind::Bridge { is_vlan_filtering: false, default_pvid: 1 },
        Kind::Bridge { is_vlan_filtering: true, default_pvid: 1 },
        Kind::Vxlan { id: 101, local: None, port: 8472, is_learning: true },
        Kind::Vxlan { id: 102, local: Some("10.0.0.11".parse().unwrap()), port: 4789, is_learning: false },
        Kind::Vlan { id: 1001, lower: Some("bridge".to_owned()) },
        Kind::Vrf { table: 10_001 },
        Kind::Vrf { table: 7 },
    ];
    prop_oneof![
        (any::<bool>(), proptest::sample::select(names.to_vec()), proptest::sample::select(kinds))
            .prop_map(|(is_inside, name, kind)| Mess::Link(is_inside, name, kind)),
        (0..64_usize, 0..64_usize).prop_map(|(one, other)| Mess::Enslave(one, other)),
        (0..64_usize).prop_map(Mess::Flip),
        (0..64_usize).prop_map(Mess::Address),
        (0..64_usize, prop_oneof![Just(1_u16), Just(1001), Just(4000)])
            .prop_map(|(one, vlan)| Mess::Vlan(one, vlan)),
        (0..64_usize, any::<bool>()).prop_map(|(one, is_gone)| Mess::Filter(one, is_gone)),
    ]
}

fn devices(actual: &Actual) -> Vec<Device> {
    let all = actual.spaces.iter();
    let all = all.flat_map(|(place, space)| {
        space.links.keys().map(|name| Device { place: place.clone(), name: name.clone() })
    });
    all.filter(|device| device.name != "lo").collect()
}

fn make_mess(actual: &mut Actual, mess: &[Mess]) {
    for one in mess {
        let all = devices(actual);
        let pick = |index: usize| all[index % all.len()].clone();
        match one {
            Mess::Link(is_inside, name, kind) => {
                let inside = actual.spaces.keys().find(|place| **place != Place::Main).cloned();
                let place = inside.filter(|_| *is_inside).unwrap_or(Place::Main);
                // The kernel itself keeps VNIs and the links below VLANs right.
                let is_possible = match kind {
                    Kind::Vxlan { id, .. } => !actual.spaces.values().any(|space| {
                        space
                            .links
                            .values()
                            .any(|link| matches!(link.kind, Kind::Vxlan { id: other, .. } if other == *id))
                    }),
                    Kind::Vlan { lower: Some(lower), .. } => actual.spaces[&place].links.contains_key(lower),
                    _ => true,
                };
                let space = actual.spaces.get_mut(&place).unwrap();
                if is_possible {
                    let link = Link { kind: kind.clone(), ..Link::default() };
                    space.links.entry((*name).to_owned()).or_insert(link);
                }
            }
            Mess::Enslave(member, master) => {
                let (member, master) = (pick(*member), pick(*master));
                let can =
                    matches!(actual.link(&master).unwrap().kind, Kind::Bridge { .. } | Kind::Vrf { .. })
                        && !matches!(
                            actual.link(&member).unwrap().kind,
                            Kind::Bridge { .. } | Kind::Vrf { .. }
                        );
                if can && member.place == master.place {
                    effect::apply(actual, &super::Step::SetMaster(member, Some(master.name))).unwrap();
                }
            }
            Mess::Filter(index, is_gone) => {
                let index = index % actual.spaces.len();
                let space = actual.spaces.values_mut().nth(index).unwrap();
                let foreign = Outline { strange: 1, ..space.filter.clone().unwrap_or_default() };
                space.filter = (!is_gone).then_some(foreign);
            }
            other => {
                let device = match other {
                    Mess::Flip(index) | Mess::Address(index) | Mess::Vlan(index, _) => pick(*index),
                    Mess::Link(..) | Mess::Enslave(..) | Mess::Filter(..) => continue,
                };
                let link = actual.spaces.get_mut(&device.place).unwrap().links.get_mut(&device.name).unwrap();
                match other {
                    Mess::Flip(_) => {
                        link.is_up = !link.is_up;
                        link.mtu = 1500;
                        link.bridge_port = link.bridge_port.map(|_| BridgePort::default());
                    }
                    Mess::Address(_) => drop(link.addresses.insert("192.0.2.77/24".parse().unwrap())),
                    Mess::Vlan(_, vlan) => drop(link.vlans.insert(*vlan, true)),
                    Mess::Link(..) | Mess::Enslave(..) | Mess::Filter(..) => {}
                }
            }
        }
    }
}

/// The VNI whose table a port is in.
fn table_of(actual: &Actual, name: &str) -> Option<String> {
    match membership(actual, name) {
        (Place::Vrf(vrf), ..) => Some(vrf.as_str().to_owned()),
        (Place::Main, Some(master), _) => {
            let link = actual.link(&Device::main(&master))?;
            matches!(link.kind, Kind::Vrf { .. }).then_some(master)
        }
        _ => None,
    }
}

fn is_somewhere(membership: &(Place, Option<String>, Vec<u16>)) -> bool {
    membership.0 != Place::Main || membership.1.is_some()
}

/// The packet filters there shall be.
fn filters(intent: &Switch, layout: Layout) -> BTreeMap<Place, Outline> {
    let mut all = BTreeMap::new();
    if let Some(pxe) = &intent.pxe {
        all.insert(Place::Main, nftables::pxe(pxe).outline());
    }
    for vni in intent.tenants.keys().filter(|_| layout == Layout::Netns) {
        all.insert(Place::Vrf(intent.vrf_name(*vni)), nftables::tenant(*vni).outline());
    }
    all
}

/// Does the steps one by one, looking at every port after each.
fn watch(start: &Actual, intent: &Switch, layout: Layout) -> Actual {
    let steps = plan(intent, layout, start).unwrap();
    let mut state = start.clone();
    let filters = filters(intent, layout);
    let mut wanted_tables: Vec<BTreeSet<String>> = Vec::new();
    for name in PORTS {
        let mut tables: BTreeSet<String> = table_of(start, name).into_iter().collect();
        let class =
            intent.classes().into_iter().find(|(port, _)| port.as_str() == name).map(|(_, class)| class);
        if let Some(PortClass::Tenant(vni) | PortClass::External(vni)) = class {
            tables.insert(intent.vrf_name(vni).as_str().to_owned());
        }
        wanted_tables.push(tables);
    }
    for step in &steps {
        let before: Vec<_> = PORTS.iter().map(|name| membership(&state, name)).collect();
        effect::apply(&mut state, step).unwrap();
        for ((name, before), tables) in PORTS.iter().zip(before).zip(&wanted_tables) {
            let after = membership(&state, name);
            let words = || format!("{name} after `{}` of {:?}", step.describe(), describe(&steps));
            if before != after {
                // Coming out of a bridge or a VLAN while staying where it is gives it nothing new.
                let is_less = before.0 == after.0 && (before.1 == after.1 || after.1.is_none());
                let is_free = !is_somewhere(&after);
                let filter = state.spaces[&after.0].filter.as_ref();
                let is_filtered = filters.get(&after.0).is_none_or(|wanted| filter == Some(wanted));
                assert!(is_less || is_free || is_filtered, "{}: {filter:?}", words());
                assert!(is_less || is_free || !is_somewhere(&before), "{} was in {before:?}", words());
                let is_up = link_of(&state, name).is_up;
                assert!(
                    is_free || (is_less && is_somewhere(&before)) || !is_up,
                    "{} was switched on",
                    words()
                );
            }
            if let Some(table) = table_of(&state, name) {
                assert!(tables.contains(&table), "{} is in {table}", words());
            }
        }
    }
    state
}

fn check(layout: Layout, first: &Switch, second: &Switch, cut: f64, mess: &[Mess]) {
    let mut actual = bare(PORTS);
    let steps = plan(first, layout, &actual).unwrap();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share"
    )]
    let done = (steps.len() as f64 * cut) as usize;
    apply(&mut actual, &steps[..done]);
    make_mess(&mut actual, mess);
    let end = watch(&actual, second, layout);
    let rest = plan(second, layout, &end).unwrap();
    assert!(rest.is_empty(), "left over: {:?}", describe(&rest));
    assert!(missing(second, &end).is_empty());
    let found = end.spaces.iter().filter_map(|(place, space)| Some((place.clone(), space.filter.clone()?)));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), filters(second, layout));
    for (port, class) in second.classes() {
        let (place, master, _) = membership(&end, port.as_str());
        let link = link_of(&end, port.as_str());
        assert_eq!(link.is_up, second.is_up(port), "{port}");
        let in_table = match class {
            PortClass::Tenant(vni) | PortClass::External(vni) if second.is_up(port) => {
                Some(second.vrf_name(vni).as_str().to_owned())
            }
            _ => None,
        };
        assert_eq!(table_of(&end, port.as_str()), in_table, "{port} {place} {master:?}");
    }
}

proptest! {
    #[test]
    fn plans_converge_with_vrf_devices(
        first in intent(Layout::Vrf),
        second in intent(Layout::Vrf),
        cut in 0.0..=1.0_f64,
        mess in proptest::collection::vec(mess(), 0..6),
    ) {
        check(Layout::Vrf, &first, &second, cut, &mess);
    }

    #[test]
    fn plans_converge_with_namespaces(
        first in intent(Layout::Netns),
        second in intent(Layout::Netns),
        cut in 0.0..=1.0_f64,
        mess in proptest::collection::vec(mess(), 0..6),
    ) {
        check(Layout::Netns, &first, &second, cut, &mess);
    }
}
