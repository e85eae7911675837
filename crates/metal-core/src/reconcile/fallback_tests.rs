//! Tests of falling back: nobody gets more than before or than wanted.

use metal_netconf::intent::PortClass;
use proptest::prelude::*;

use super::*;
use crate::config::tests::leaf;

fn port(number: u8) -> PortName {
    PortName::parse(&format!("swp{number}")).unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn prefixes(texts: &[&str]) -> BTreeSet<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Puts a port somewhere: 0 cut off, 1 unprovisioned, 2 firewall, others a tenant.
fn put(intent: &mut Switch, number: u8, place: u8, cidr: &str) {
    let (port, prefixes) = (port(number), prefixes(&[cidr]));
    match place {
        0 => drop(intent.isolated.insert(port)),
        1 => drop(intent.unprovisioned.insert(port)),
        2 => {
            let filter = FirewallFilter { prefixes, vnis: [vni(100)].into() };
            intent.firewalls.insert(port, filter);
        }
        other => {
            let tenant = intent.tenants.entry(vni(other.into())).or_default();
            tenant.ports.insert(port, MachineFilter { prefixes });
        }
    }
}

fn with(ports: &[(u8, u8, &str)]) -> Switch {
    let mut intent = leaf().base;
    for (number, place, cidr) in ports {
        put(&mut intent, *number, *place, cidr);
    }
    intent
}

fn class(intent: &Switch, number: u8) -> Option<PortClass> {
    intent.classes().into_iter().find(|(name, _)| **name == port(number)).map(|(_, class)| class)
}

#[test]
fn a_released_port_goes_to_the_pxe_segment_and_if_that_fails_nowhere() {
    let good = with(&[(1, 7, "10.0.0.0/24"), (2, 8, "10.0.0.0/24")]);
    let wanted = with(&[(1, 1, "10.0.0.0/24"), (2, 9, "10.0.0.0/24")]);
    let rungs = retreats(&good, &wanted);
    assert_eq!(rungs.len(), 2);
    assert_eq!(class(&rungs[0], 1), Some(PortClass::Unprovisioned));
    assert_eq!(class(&rungs[1], 1), Some(PortClass::Isolated));
    for rung in rungs {
        assert_eq!(class(&rung, 2), Some(PortClass::Isolated), "no tenant gets the port of another");
        assert!(rung.tenants.is_empty() && rung.faults().is_empty());
    }
}

#[test]
fn a_port_that_stays_may_announce_only_what_both_filters_allow() {
    let good = with(&[(1, 7, "10.0.0.0/16")]);
    let (narrow, wide) = (with(&[(1, 7, "10.0.0.0/24")]), with(&[(1, 7, "10.0.0.0/8")]));
    let filter = |intent: &Switch| intent.tenants[&vni(7)].ports[&port(1)].prefixes.clone();
    assert_eq!(filter(&retreats(&good, &wide)[0]), prefixes(&["10.0.0.0/16"]));
    assert_eq!(filter(&retreats(&good, &narrow)[0]), prefixes(&[]));
}

#[test]
fn a_new_tenant_waits_where_it_was() {
    let good = with(&[(1, 1, "10.0.0.0/24")]);
    let wanted = with(&[(1, 7, "10.0.0.0/24")]);
    assert_eq!(retreats(&good, &wanted), [good]);
}

#[test]
fn a_port_that_does_not_exist_any_more_is_left_out() {
    let good = with(&[(1, 7, "10.0.0.0/24"), (2, 7, "10.0.0.0/24")]);
    let wanted = with(&[(2, 7, "10.0.0.0/24"), (3, 7, "10.0.0.0/24")]);
    let rung = &retreats(&good, &wanted)[0];
    assert_eq!((class(rung, 1), class(rung, 3)), (None, Some(PortClass::Isolated)));
}

#[test]
fn a_search_finds_the_culprits_and_takes_the_rest() {
    let good = with(&(1..=16).map(|number| (number, 1, "10.0.0.0/24")).collect::<Vec<_>>());
    let wanted = with(&(1..=16).map(|number| (number, 100 + number, "10.0.0.0/24")).collect::<Vec<_>>());
    let bad = [vni(103), vni(112)];
    let mut search = Search::new(Some(&good), &wanted);
    let mut tries = 0;
    while let Some(ports) = search.next() {
        tries += 1;
        let intent = compose(Some(&good), &wanted, &ports);
        let is_refused = bad.iter().any(|vni| intent.tenants.contains_key(vni));
        search.answer(if is_refused { Err("no".to_owned()) } else { Ok(()) });
    }
    let Findings { taken, refused, is_complete } = search.finish();
    assert!(is_complete);
    let cut = isolate(&compose(Some(&good), &wanted, &taken), refused.keys());
    assert_eq!((class(&cut, 3), class(&cut, 12)), (Some(PortClass::Isolated), Some(PortClass::Isolated)));
    assert!(cut.faults().is_empty() && cut.tenants.len() == 14);
    assert_eq!(refused.into_keys().collect::<Vec<_>>(), [port(12), port(3)]);
    assert_eq!(taken.len(), 14);
    assert!(tries < 20, "{tries}");
}

#[test]
fn a_single_change_is_its_own_culprit() {
    let (good, wanted) = (with(&[(1, 1, "10.0.0.0/24")]), with(&[(1, 7, "10.0.0.0/24")]));
    let mut search = Search::new(Some(&good), &wanted);
    assert_eq!(search.next(), Some([port(1)].into()));
    search.answer(Err("no".to_owned()));
    assert_eq!(search.next(), None);
}

prop_compose! {
    fn intents()(ports in proptest::collection::vec((0u8..6, prop_oneof![Just("10.0.0.0/8"), Just("10.1.0.0/16"), Just("192.168.0.0/24")], any::<bool>()), 6)) -> Switch {
        let mut intent = leaf().base;
        for (number, (place, cidr, is_down)) in (1..).zip(ports) {
            put(&mut intent, number, place, cidr);
            if is_down {
                intent.down.insert(port(number));
            }
        }
        intent
    }
}

proptest! {
    #[test]
    fn falling_back_only_takes_away(good in intents(), wanted in intents(), mask in 0u8..64) {
        let taken: BTreeSet<PortName> = (1..=6).filter(|number| mask & (1 << (number - 1)) != 0).map(port).collect();
        let mut all = retreats(&good, &wanted);
        all.push(compose(Some(&good), &wanted, &taken));
        let is_composed = all.len() - 1;
        for (at, intent) in all.iter().enumerate() {
            prop_assert_eq!(intent.faults(), Vec::<String>::new());
            for number in 1..=6 {
                let (now, was, shall) = (class(intent, number), class(&good, number), class(&wanted, number));
                let is_taken = at == is_composed && taken.contains(&port(number));
                prop_assert!(now.is_some());
                if matches!(now, Some(PortClass::Tenant(_) | PortClass::Firewall)) {
                    prop_assert_eq!(now, shall, "in a table only if wanted there");
                    prop_assert!(is_taken || now == was, "and only if it was there before");
                }
                if wanted.down.contains(&port(number)) {
                    prop_assert!(!intent.is_up(&port(number)));
                }
            }
        }
    }

    #[test]
    fn taking_all_is_what_is_wanted(good in intents(), wanted in intents()) {
        let all: BTreeSet<PortName> = (1..=6).map(port).collect();
        prop_assert_eq!(&compose(Some(&good), &wanted, &all), &wanted);
        prop_assert_eq!(&compose(None, &wanted, &all), &wanted);
    }

    #[test]
    fn a_search_that_is_always_allowed_takes_all(good in intents(), wanted in intents()) {
        let mut search = Search::new(Some(&good), &wanted);
        while search.next().is_some() {
            search.answer(Ok(()));
        }
        let Findings { taken, refused, .. } = search.finish();
        prop_assert!(refused.is_empty());
        prop_assert_eq!(compose(Some(&good), &wanted, &taken), wanted);
    }
}
