//! The wire against the running kernel: two tenants with a router in between, which leaks or does not. Needs root; every
//! test works in namespaces of its own.

use ipnet::IpNet;
use metal_linux::namespace::{Namespace, apart};
use metal_linux::netlink::{Netlink, Route};
use metal_linux::sysctl;

use super::*;
use crate::probe::expectation::{Check, Expectation};
use crate::probe::judge::judge;
use crate::probe::outcome::Verdict;

/// `a` and `b` on two ports of `leaf`, each with an address of both families on `lo`.
struct Rig {
    a: Namespace,
    b: Namespace,
    leaf: Namespace,
}

const A: [&str; 2] = ["10.9.0.1", "fd09::1"];
const B: [&str; 2] = ["10.9.0.2", "fd09::2"];
const LINKS: [[&str; 4]; 2] = [
    ["192.0.2.1/30", "192.0.2.2/30", "fd0a::1/126", "fd0a::2/126"],
    ["192.0.2.5/30", "192.0.2.6/30", "fd0a::5/126", "fd0a::6/126"],
];

fn rig(mtu: u32, b_answers: bool) -> Rig {
    let rig = Rig {
        a: Namespace::create("a").unwrap(),
        b: Namespace::create("b").unwrap(),
        leaf: Namespace::create("leaf").unwrap(),
    };
    for (machine, own, links, port) in [(&rig.a, A, LINKS[0], "swp1"), (&rig.b, B, LINKS[1], "swp2")] {
        let mut leaf = Netlink::open(Some(&rig.leaf)).unwrap();
        leaf.veth(port, Some(&rig.leaf), "lan0", Some(machine)).unwrap();
        let mut inside = Netlink::open(Some(machine)).unwrap();
        let lo = inside.link("lo").unwrap();
        for address in own {
            inside.add_address(&lo, address.parse::<IpAddr>().unwrap().into()).unwrap();
        }
        for (netlink, name, which, mtu) in [(&mut inside, "lan0", 0, 9000), (&mut leaf, port, 1, mtu)] {
            let link = netlink.link(name).unwrap();
            netlink.set_mtu(&link, mtu).unwrap();
            for address in [links[which], links[which + 2]] {
                netlink.add_address(&link, address.parse().unwrap()).unwrap();
            }
        }
        for name in ["lo", "lan0"] {
            let link = inside.link(name).unwrap();
            inside.set_up(&link, true).unwrap();
        }
        for name in ["lo", port] {
            let link = leaf.link(name).unwrap();
            leaf.set_up(&link, true).unwrap();
        }
        let answers = b_answers || port != "swp2";
        for (family, hop) in [("0.0.0.0/0", links[1]), ("::/0", links[3])].into_iter().filter(|_| answers) {
            inside.add_route(&route(family, hop)).unwrap();
        }
        for (to, hop) in [(own[0], links[0]), (own[1], links[2])] {
            let to = IpNet::from(to.parse::<IpAddr>().unwrap()).to_string();
            leaf.add_route(&route(&to, hop)).unwrap();
        }
    }
    rig
}

fn route(to: &str, hop: &str) -> Route {
    let hop = hop.parse::<IpNet>().unwrap().addr();
    Route { destination: to.parse().unwrap(), hops: vec![(Some(hop), None)], source: None }
}

fn forward(rig: &Rig, families: [bool; 2]) {
    let set = |path: &str, is_on: bool| sysctl::write(path, if is_on { "1" } else { "0" }).unwrap();
    rig.leaf
        .enter(|| {
            set("net/ipv4/conf/all/forwarding", families[0]);
            set("net/ipv6/conf/all/forwarding", families[1]);
        })
        .unwrap();
}

fn place(name: &str) -> Place {
    Place::of_namespace(name, Namespace::named(name).unwrap())
}

/// What the probe says of a packet to each of the addresses from `a`.
fn verdicts(
    expectation: &Expectation,
    to: [&str; 2],
    shape: impl Fn(&mut Shot),
) -> Vec<(Verdict, Option<String>)> {
    let mut wire = Wire::open(["a", "b", "leaf"].map(place).into()).unwrap();
    let mut shots = Vec::new();
    let mut checks = Vec::new();
    for to in to {
        let to = to.parse().unwrap();
        checks.push(Check {
            from: "a".to_owned(),
            to,
            expectation: expectation.clone(),
            one_way: false,
            why: "the test says so",
        });
        let mut shot = Shot { must: expectation.must, answer: true, ..Shot::to(0, to) };
        shape(&mut shot);
        shots.push(shot);
    }
    let part = if shots[0].answer { "plain" } else { "other" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hits = runtime.block_on(wire.fire(&shots)).unwrap();
    let judged = checks.iter().zip(&hits).map(|(check, hit)| judge(part, check, hit, &wire, clock::now()));
    judged.map(|(verdict, finding)| (verdict, finding.map(|finding| finding.happened))).collect()
}

fn kinds(all: &[(Verdict, Option<String>)]) -> Vec<Verdict> {
    all.iter().map(|(verdict, _)| *verdict).collect()
}

fn b_only() -> Expectation {
    Expectation { only: ["b".to_owned()].into(), must: true }
}

fn as_root(test: impl FnOnce() + Send) {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    apart(test).unwrap();
}

#[test]
fn what_must_arrive_and_does_is_reached() {
    as_root(|| {
        forward(&rig(9000, true), [true, true]);
        assert_eq!(kinds(&verdicts(&b_only(), B, |_| ())), [Verdict::Reached; 2]);
    });
}

#[test]
fn a_leak_is_a_violation_also_where_no_answer_can_come_back() {
    as_root(|| {
        forward(&rig(9000, true), [true, true]);
        // Link-local addresses are not used before they are known to be alone.
        assert_eq!(kinds(&verdicts(&b_only(), B, |_| ())), [Verdict::Reached; 2]);
        let found = verdicts(&Expectation::default(), B, |_| ());
        assert_eq!(kinds(&found), [Verdict::Violation; 2]);
        assert_eq!(found[0].1.as_deref(), Some("arrived at b"));
    });
    as_root(|| {
        forward(&rig(9000, false), [true, true]);
        let found = verdicts(&b_only(), B, |_| ());
        assert_eq!(kinds(&found), [Verdict::Blocked; 2]);
        assert_eq!(found[0].1.as_deref(), Some("arrived, but the answer did not come back"));
        assert_eq!(kinds(&verdicts(&Expectation::default(), B, |_| ())), [Verdict::Violation; 2]);
    });
}

#[test]
fn what_must_arrive_and_does_not_is_a_false_block() {
    as_root(|| {
        forward(&rig(9000, true), [true, false]);
        let found = verdicts(&b_only(), B, |_| ());
        assert_eq!(kinds(&found), [Verdict::Reached, Verdict::Blocked]);
        assert_eq!(found[1].1.as_deref(), Some("did not arrive"));
    });
}

#[test]
fn what_must_stay_apart_and_does_is_apart() {
    as_root(|| {
        forward(&rig(9000, true), [false, false]);
        assert_eq!(kinds(&verdicts(&Expectation::default(), B, |_| ())), [Verdict::Apart; 2]);
    });
}

#[test]
fn the_wrong_holder_of_an_address_is_a_violation() {
    as_root(|| {
        forward(&rig(9000, true), [true, true]);
        let other = Expectation { only: ["c".to_owned()].into(), must: true };
        assert_eq!(kinds(&verdicts(&other, B, |_| ())), [Verdict::Violation; 2]);
    });
}

#[test]
fn large_packets_that_would_be_cut_are_blocked_every_time() {
    let large = |shot: &mut Shot| {
        shot.answer = false;
        shot.manner = Manner { whole: true, ..Manner::default() };
        shot.size = 9000 - if shot.to.is_ipv4() { 28 } else { 48 };
    };
    as_root(move || {
        forward(&rig(9000, true), [true, true]);
        assert_eq!(kinds(&verdicts(&b_only(), B, large)), [Verdict::Reached; 2]);
    });
    as_root(move || {
        forward(&rig(1500, true), [true, true]);
        assert_eq!(kinds(&verdicts(&b_only(), B, large)), [Verdict::Blocked; 2]);
    });
}

#[test]
fn forged_sources_are_really_sent() {
    as_root(|| {
        forward(&rig(9000, true), [true, true]);
        // Link-local addresses are not used before they are known to be alone.
        assert_eq!(kinds(&verdicts(&b_only(), B, |_| ())), [Verdict::Reached; 2]);
        for (source, to) in [("198.51.100.7", B[0]), ("2001:db8:7::7", B[1])] {
            let forge = |shot: &mut Shot| {
                shot.answer = false;
                shot.manner = Manner { source: Some(source.parse().unwrap()), ..Manner::default() };
            };
            assert_eq!(
                kinds(&verdicts(&Expectation::default(), [to, to], forge)),
                [Verdict::Violation; 2],
                "{source}"
            );
        }
    });
}

#[test]
fn places_of_one_namespace_share_a_port_and_each_hears_its_own() {
    as_root(|| {
        forward(&rig(9000, true), [true, true]);
        let inside = |device| Place::of_device("b", Namespace::named("b").unwrap(), device);
        let mut wire = Wire::open(vec![place("a"), inside(None), inside(Some("lan0"))]).unwrap();
        let shots = B.map(|to| Shot { must: true, ..Shot::to(0, to.parse().unwrap()) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hits = runtime.block_on(wire.fire(&shots)).unwrap();
        for hit in hits {
            assert_eq!(hit.arrived, BTreeSet::from([2]));
        }
    });
}
