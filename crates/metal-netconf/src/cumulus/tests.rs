//! Golden files, and what a file tells about the device it is on.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::intent::{Bgp, ExtraVlans, FirewallFilter, MachineFilter, Management, Pxe, Switch, Tenant};
use crate::name::{Asn, Hostname, PortName, VlanId, Vni};

fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

fn vlan(number: u32) -> VlanId {
    VlanId::new(number).unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn tenant<const N: usize>(ports: [&str; N]) -> Tenant {
    Tenant { ports: ports.into_iter().map(|name| (port(name), MachineFilter::default())).collect() }
}

fn leaf() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: [port("swp31"), port("swp32")].into(),
        pxe: Some(Pxe { vlan: vlan(4000), address: Some("10.1.0.1/24".parse().unwrap()) }),
        unprovisioned: [port("swp1"), port("swp2")].into(),
        tenants: [(vni(3981), tenant(["swp3"])), (vni(3982), tenant(["swp4", "swp5"]))].into(),
        firewalls: [(port("swp6"), FirewallFilter::default())].into(),
        externals: BTreeMap::new(),
        extra: ExtraVlans { vlans: [vlan(201), vlan(202)].into(), ports: [port("swp20")].into() },
        down: [port("swp5")].into(),
        isolated: [port("swp7")].into(),
        management: Some(Management { gateway: "192.168.0.1".parse().unwrap(), routes: BTreeSet::new() }),
    }
}

fn device(file: &str) -> Actual {
    Actual {
        file: Stanzas::parse(file),
        vlans: BTreeSet::new(),
        management: Some("192.168.0.11/24".parse().unwrap()),
    }
}

#[test]
fn a_leaf() {
    let text = render(&leaf(), &device("")).unwrap();
    insta::assert_snapshot!("leaf", text);
    for off in ["swp5", "swp7"] {
        assert!(!text.contains(off), "{off} shall be off and is in the file");
    }
}

#[test]
fn a_spine() {
    let mut intent = leaf();
    intent.is_vtep = false;
    intent.pxe = None;
    intent.unprovisioned.clear();
    intent.tenants.clear();
    intent.firewalls.clear();
    intent.extra = ExtraVlans::default();
    insta::assert_snapshot!("spine", render(&intent, &device("")).unwrap());
}

#[test]
fn tenants_keep_their_vlan_and_leave_none_behind() {
    let mut intent = leaf();
    let first = render(&intent, &device("")).unwrap();
    assert_eq!(Stanzas::parse(&first).vlans()[&vni(3982)], vlan(1002));
    intent.tenants.remove(&vni(3981));
    let mut device = device(&first);
    device.vlans = [vlan(1001), vlan(1002), vlan(4000)].into();
    let second = render(&intent, &device).unwrap();
    assert_eq!(
        Stanzas::parse(&second).vlans(),
        BTreeMap::from([(vni(3982), vlan(1002)), (vni(104_000), vlan(4000))])
    );
    device.file = Stanzas::parse(&second);
    assert_eq!(render(&intent, &device).unwrap(), second, "the same again");
}

#[test]
fn changes_are_named_by_stanza() {
    let mut intent = leaf();
    let first = render(&intent, &device("")).unwrap();
    intent.unprovisioned.remove(&port("swp1"));
    intent.tenants.insert(vni(3981), tenant(["swp3", "swp1"]));
    let second = render(&intent, &device(&first)).unwrap();
    let changes = Stanzas::parse(&first).changes(&Stanzas::parse(&second));
    let lines: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert_eq!(lines, ["change iface bridge", "change iface swp1"]);
    assert_eq!(Stanzas::parse(&second).changes(&Stanzas::parse(&second)), []);
}

#[test]
fn what_moves_is_not_staying() {
    let mut intent = leaf();
    intent.down.clear();
    intent.isolated.clear();
    let first = Stanzas::parse(&render(&intent, &device("")).unwrap());
    assert_eq!(staying(&intent, &first), intent);
    let mut next = intent.clone();
    next.tenants = [(vni(3982), tenant(["swp3", "swp4"])), (vni(4000), tenant(["swp5"]))].into();
    let part = staying(&next, &first);
    assert_eq!(part.tenants, BTreeMap::from([(vni(3982), tenant(["swp4"]))]));
    assert_eq!(part.uplinks, intent.uplinks);
}

#[test]
fn the_management_network_is_never_cut() {
    let actual = Actual { management: None, ..device("") };
    assert_eq!(render(&leaf(), &actual), Err(Fault::NoManagement));
}
