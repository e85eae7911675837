//! Every pair of standings, and properties of random fabrics.

use proptest::prelude::*;

use super::*;

fn topology() -> Topology {
    Topology::load(None).unwrap()
}

fn member(node: &str, standing: Standing, addresses: &[&str]) -> Member {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Member { node: node.to_owned(), standing, addresses }
}

fn fabric() -> Vec<Member> {
    vec![
        member("mgmt", Standing::Management, &["192.168.250.1"]),
        member("leaf01", Standing::Switch, &["10.0.0.11", "192.168.250.11", "10.0.1.1"]),
        member("exit", Standing::Switch, &["10.0.0.31", "192.168.250.31", "203.0.113.128"]),
        member("ext", Standing::Outside, &["203.0.113.100", "2001:db8::10"]),
        member("m1", Standing::Tenant(10), &["10.0.16.1", "fd00::1"]),
        member("m2", Standing::Tenant(10), &["10.0.16.2", "203.0.113.129"]),
        member("m3", Standing::Tenant(20), &["10.0.16.2", "10.0.16.9"]),
        member("m4", Standing::Pxe, &["10.0.1.100"]),
        member("m5", Standing::Pxe, &["10.0.1.101"]),
        member("m6", Standing::Moving(Some(10)), &["10.0.16.3", "10.0.1.102"]),
    ]
}

/// `must X`, `may X` or `never`.
fn said(from: &str, to: &str) -> String {
    let all = checks(&fabric(), &topology());
    let to: IpAddr = to.parse().unwrap();
    let check = all.iter().find(|check| check.from == from && check.to == to).unwrap();
    let only: Vec<&str> = check.expectation.only.iter().map(String::as_str).collect();
    match (check.expectation.must, only.is_empty()) {
        (false, true) => "never".to_owned(),
        (true, _) => format!("must {}", only.join(" ")),
        (false, false) => format!("may {}", only.join(" ")),
    }
}

#[test]
fn each_kind_of_pair_has_its_rule() {
    let table = [
        // One VRF: every address, also an external one, also IPv6.
        ("m1", "203.0.113.129", "must m2"),
        ("m2", "fd00::1", "must m1"),
        // An address two tenants have: each reaches its own holder only.
        ("m1", "10.0.16.2", "must m2"),
        ("m1", "10.0.16.9", "never"),
        ("m3", "10.0.16.1", "never"),
        // Tenants see nothing of the fabric, and it nothing of them.
        ("m1", "10.0.0.11", "never"),
        ("m1", "192.168.250.1", "never"),
        ("m1", "10.0.1.1", "never"),
        ("m1", "10.0.1.100", "never"),
        ("m1", "203.0.113.100", "never"),
        ("leaf01", "10.0.16.1", "never"),
        ("mgmt", "10.0.16.1", "never"),
        ("ext", "10.0.16.1", "never"),
        ("ext", "203.0.113.129", "never"),
        // Nobody's machines: one another, the leaves, the boot service.
        ("m4", "10.0.1.101", "must m5"),
        ("m4", "10.0.1.1", "may leaf01"),
        ("leaf01", "10.0.1.100", "must m4"),
        ("m4", "192.168.250.1", "may mgmt"),
        ("m4", "192.168.250.11", "never"),
        ("m4", "10.0.0.11", "never"),
        ("m4", "10.0.16.1", "never"),
        ("m4", "2001:db8::10", "never"),
        // The fabric's own.
        ("leaf01", "10.0.0.31", "must exit"),
        ("mgmt", "192.168.250.11", "must leaf01"),
        ("ext", "203.0.113.128", "must exit"),
        ("ext", "10.0.0.31", "never"),
        // A machine being moved is in one network or the other.
        ("m6", "10.0.16.1", "may m1"),
        ("m6", "10.0.1.100", "may m4"),
        ("m6", "10.0.16.9", "never"),
        ("m1", "10.0.16.3", "may m6"),
        ("m3", "10.0.16.3", "never"),
        ("m4", "10.0.1.102", "may m6"),
    ];
    for (from, to, expected) in table {
        assert_eq!(said(from, to), expected, "{from} to {to}");
    }
}

#[test]
fn leaves_are_pinged_by_machines_of_nobody_only_and_reach_them_one_way() {
    let pings = pings(&fabric(), &topology());
    let said: Vec<(&str, String)> = pings.iter().map(|it| (&*it.from, it.to.to_string())).collect();
    let to = |address: &str| address.to_owned();
    assert_eq!(
        said,
        [("m4", to("10.0.1.1")), ("m4", to("10.0.1.2")), ("m5", to("10.0.1.1")), ("m5", to("10.0.1.2"))]
    );
    assert!(pings.iter().all(|it| it.expectation.must && it.expectation.only.len() == 1));
    for check in checks(&fabric(), &topology()) {
        let is_expected =
            matches!(&*check.from, "leaf01" | "exit") && ["m4", "m5"].contains(&check_only(&check));
        assert_eq!(check.one_way, is_expected, "{check:?}");
    }
}

fn check_only(check: &Check) -> &str {
    check.expectation.only.first().map_or("", String::as_str)
}

#[test]
fn what_is_allowed_neither_before_nor_after_is_never_allowed() {
    let mut later = fabric();
    later[4].standing = Standing::Tenant(20);
    let (before, after) = (checks(&fabric(), &topology()), checks(&later, &topology()));
    let merged = merge(&before, &after);
    let of = |from: &str, to: &str| {
        let to: IpAddr = to.parse().unwrap();
        merged.iter().find(|check| check.from == from && check.to == to).unwrap().expectation.clone()
    };
    let only = |nodes: &[&str]| nodes.iter().map(|&node| node.to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(of("m1", "10.0.16.2"), Expectation { only: only(&["m2", "m3"]), must: true });
    assert_eq!(of("m1", "203.0.113.129"), Expectation { only: only(&["m2"]), must: false });
    assert_eq!(of("m1", "10.0.16.9"), Expectation { only: only(&["m3"]), must: false });
    assert_eq!(of("m1", "10.0.1.100"), Expectation::default());
}

fn standings() -> impl Strategy<Value = Vec<(Standing, BTreeSet<u8>)>> {
    let standing = prop_oneof![
        (1..4_u64).prop_map(Standing::Tenant),
        Just(Standing::Pxe),
        (1..4_u64).prop_map(|vrf| Standing::Moving(Some(vrf))),
        Just(Standing::Moving(None)),
    ];
    prop::collection::vec((standing, prop::collection::btree_set(1..20_u8, 1..4)), 2..7)
}

fn random(machines: &[(Standing, BTreeSet<u8>)]) -> Vec<Member> {
    let mut all = fabric();
    all.truncate(4);
    for (index, (standing, numbers)) in machines.iter().enumerate() {
        let of = |number: &u8| match standing {
            // Addresses of the PXE network are given once.
            Standing::Pxe => IpAddr::from([10, 0, 1, u8::try_from(index * 30).unwrap() + number + 5]),
            _ if number.is_multiple_of(2) => IpAddr::from([10, 0, 16, *number]),
            _ => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(*number)]),
        };
        let mut addresses: BTreeSet<IpAddr> = numbers.iter().map(of).collect();
        if matches!(standing, Standing::Moving(_)) {
            // One that is on its way still holds what it was leased.
            addresses.insert(IpAddr::from([10, 0, 1, u8::try_from(index * 30).unwrap() + 4]));
        }
        all.push(Member { node: format!("m{index}"), standing: *standing, addresses });
    }
    all
}

proptest! {
    #[test]
    fn every_pair_is_covered_once(machines in standings()) {
        let members = random(&machines);
        let all = checks(&members, &topology());
        let addresses: BTreeSet<IpAddr> = members.iter().flat_map(|it| it.addresses.iter().copied()).collect();
        let mut seen = BTreeSet::new();
        for check in &all {
            prop_assert!(seen.insert((check.from.clone(), check.to)));
        }
        for member in &members {
            for address in &addresses {
                prop_assert_eq!(seen.contains(&(member.node.clone(), *address)), !member.addresses.contains(address));
            }
        }
    }

    #[test]
    fn only_holders_are_allowed_and_tenants_never_meet_others(machines in standings()) {
        let members = random(&machines);
        for check in checks(&members, &topology()) {
            let from = members.iter().find(|it| it.node == check.from).unwrap();
            for node in &check.expectation.only {
                let to = members.iter().find(|it| it.node == *node).unwrap();
                prop_assert!(to.addresses.contains(&check.to));
                if let (Standing::Tenant(mine), theirs) = (from.standing, to.standing) {
                    prop_assert!(matches!(theirs, Standing::Tenant(it) | Standing::Moving(Some(it)) if it == mine));
                }
            }
            prop_assert!(!check.expectation.must || !check.expectation.only.is_empty());
        }
    }

    #[test]
    fn machines_that_reach_are_reached(machines in standings()) {
        let members = random(&machines);
        let all = checks(&members, &topology());
        let reaches = |from: &Member, to: &Member| {
            all.iter().any(|check| check.from == from.node && to.addresses.contains(&check.to) && check.expectation.only.contains(&to.node))
        };
        let machines: Vec<&Member> = members.iter().filter(|it| it.node.starts_with('m') && it.node != "mgmt").collect();
        for one in &machines {
            for other in machines.iter().filter(|other| other.node != one.node) {
                // Two that hold the same addresses only cannot be told apart.
                if one.addresses.is_disjoint(&other.addresses) {
                    prop_assert_eq!(reaches(one, other), reaches(other, one), "{:?} {:?}", one, other);
                }
            }
        }
    }
}
