//! A simulator that follows steps as SONiC's daemons do and refuses what they refuse; goldens; random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::intent::{Bgp, External, ExtraVlans, FirewallFilter, MachineFilter, Pxe, Switch, Tenant};
use crate::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};

const PORTS: u32 = 8;

fn port(number: u32) -> PortName {
    PortName::parse(&format!("Ethernet{}", number * 4)).unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn vlan(number: u16) -> VlanId {
    VlanId::new(number.into()).unwrap()
}

fn bare() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: [port(0)].into(),
        pxe: Some(Pxe { vlan: vlan(4000), address: None }),
        unprovisioned: BTreeSet::new(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: ExtraVlans::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: None,
    }
}

fn tenant(ports: impl IntoIterator<Item = u32>) -> Tenant {
    Tenant { ports: ports.into_iter().map(|number| (port(number), MachineFilter::default())).collect() }
}

fn row<const N: usize>(fields: [(&str, &str); N]) -> Row {
    fields.into_iter().map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
}

/// A switch as it is before the agent first runs: ports, the PXE VLAN, the tunnel endpoint, and rows of others.
fn factory(ports: u32) -> Actual {
    let mut rows: BTreeMap<Key, Row> = (0..ports)
        .map(|number| {
            (Key::Port(port(number)), row([("mtu", "9100"), ("admin_status", "up"), ("speed", "25000")]))
        })
        .collect();
    rows.insert(Key::Vlan(vlan(4000)), row([("vlanid", "4000")]));
    rows.insert(Key::Vlan(vlan(1002)), row([("vlanid", "1002")]));
    rows.insert(Key::VlanMember(vlan(1002), port(1000)), row([("tagging_mode", "tagged")]));
    rows.insert(Key::Vrf(VrfName::parse("VrfStorage").unwrap()), row([("NULL", "NULL")]));
    rows.insert(Key::Interface(port(1001)), row([("vrf_name", "VrfStorage")]));
    Actual { rows, tunnels: vec!["vtep".into()], ..Actual::default() }
}

/// Rows that belong to nobody of us and must outlive everything.
fn foreign(actual: &Actual) -> BTreeMap<Key, Row> {
    let is_foreign = |key: &Key| match key {
        Key::Vlan(id) => id.get() == 1002,
        Key::VlanMember(id, _) => id.get() == 1002,
        Key::Vrf(vrf) => vrf.as_str() == "VrfStorage",
        Key::Interface(name) => *name == port(1001),
        _ => false,
    };
    actual
        .rows
        .iter()
        .filter(|(key, _)| is_foreign(key))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect()
}

/// Carries out one step; what the hardware loses it loses only when it is waited for.
fn follow(actual: &mut Actual, step: &Step) {
    match step {
        Step::Set { key, fields } => {
            enter(actual, key, fields);
            let row = actual.rows.entry(key.clone()).or_default();
            row.extend(fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
        }
        Step::Delete { key } => {
            assert!(actual.rows.remove(key).is_some(), "{key} is deleted and was not there");
            let uses = |(other, row): (&Key, &Row)| match key {
                Key::Vrf(vrf) => row.get("vrf_name").is_some_and(|name| name == vrf.as_str()),
                Key::Vlan(id) => match other {
                    Key::VlanMember(of, _) | Key::VlanInterface(of) | Key::Suppress(of) => of == id,
                    Key::TunnelMap(..) => row["vlan"] == format!("Vlan{id}"),
                    _ => false,
                },
                Key::Interface(owner) => matches!(other, Key::InterfaceAddress(of, _) if of == owner),
                _ => false,
            };
            assert!(!actual.rows.iter().any(uses), "{key} is deleted while it is used");
        }
        Step::WaitGone { what } => {
            let name = what.port().clone();
            match what {
                Fact::BridgePort(_) => {
                    let is_its = |key: &Key| matches!(key, Key::VlanMember(_, member) if *member == name);
                    assert!(!actual.rows.keys().any(is_its), "waits for {what} in vain");
                    actual.bridged.remove(&name);
                }
                Fact::RouterInterface(_) => {
                    assert!(
                        !actual.rows.contains_key(&Key::Interface(name.clone())),
                        "waits for {what} in vain"
                    );
                    actual.routed.remove(&name);
                }
            }
        }
    }
    let members = |actual: &Actual| -> BTreeSet<PortName> {
        let of = |key: &Key| if let Key::VlanMember(_, member) = key { Some(member.clone()) } else { None };
        actual.rows.keys().filter_map(of).collect()
    };
    for member in members(actual) {
        assert!(
            !actual.rows.contains_key(&Key::Interface(member.clone())),
            "{member} is in a VLAN and routed at once"
        );
    }
}

fn enter(actual: &mut Actual, key: &Key, fields: &Fields) {
    match key {
        Key::Interface(name) => {
            assert!(!actual.bridged.contains(name), "{name} is routed while the hardware has it in a VLAN");
            if let Some(vrf) = fields.get("vrf_name") {
                assert!(
                    !actual.routed.contains(name),
                    "{name} changes its table while the hardware has it in one"
                );
                assert!(
                    actual.rows.contains_key(&Key::Vrf(VrfName::parse(vrf).unwrap())),
                    "{vrf} is not there"
                );
            }
            actual.routed.insert(name.clone());
        }
        Key::VlanMember(id, name) => {
            assert!(!actual.routed.contains(name), "{name} enters a VLAN while the hardware routes it");
            assert!(actual.rows.contains_key(&Key::Vlan(*id)), "VLAN {id} is not there");
            actual.bridged.insert(name.clone());
        }
        Key::Port(_) => assert!(actual.rows.contains_key(key), "{key} would be invented"),
        Key::VlanInterface(id) => {
            assert!(actual.rows.contains_key(&Key::Vlan(*id)), "VLAN {id} is not there");
        }
        Key::InterfaceAddress(name, _) => assert!(actual.rows.contains_key(&Key::Interface(name.clone()))),
        Key::Vrf(_) | Key::Vlan(_) | Key::Suppress(_) | Key::VlanAddress(..) | Key::TunnelMap(..) => {}
    }
}

fn carry_out(intent: &Switch, actual: &mut Actual) -> Vec<Step> {
    let steps = plan(intent, actual).unwrap();
    for step in &steps {
        follow(actual, step);
    }
    assert_eq!(plan(intent, actual).unwrap(), [], "nothing is left to do");
    steps
}

fn lines(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

#[test]
fn first_run_and_a_machine_that_comes_and_goes() {
    let mut actual = factory(PORTS);
    let mut intent = bare();
    intent.unprovisioned = [port(1), port(2)].into();
    insta::assert_snapshot!("first_run", lines(&carry_out(&intent, &mut actual)));

    intent.unprovisioned = [port(2)].into();
    intent.tenants = [(vni(3981), tenant([1]))].into();
    insta::assert_snapshot!("allocated", lines(&carry_out(&intent, &mut actual)));
    insta::assert_snapshot!("allocated_rows", render(&wanted(&intent, &actual).unwrap()));

    intent.unprovisioned = [port(1), port(2)].into();
    intent.tenants.clear();
    insta::assert_snapshot!("freed", lines(&carry_out(&intent, &mut actual)));
}

#[test]
fn a_port_goes_from_one_tenant_to_another_in_one_plan() {
    let mut actual = factory(PORTS);
    let mut intent = bare();
    intent.tenants = [(vni(10), tenant([1])), (vni(20), tenant([2]))].into();
    carry_out(&intent, &mut actual);
    intent.tenants = [(vni(20), tenant([1, 2]))].into();
    let steps = carry_out(&intent, &mut actual);
    insta::assert_snapshot!("moved", lines(&steps));
    assert!(leaves_something(&steps));
}

#[test]
fn everything_a_switch_may_have() {
    let mut actual = factory(PORTS);
    let mut intent = bare();
    intent.pxe = Some(Pxe { vlan: vlan(3900), address: Some("10.255.0.2/24".parse().unwrap()) });
    intent.unprovisioned = [port(1)].into();
    intent.tenants = [(vni(3981), tenant([2]))].into();
    intent.firewalls = [(port(3), FirewallFilter::default())].into();
    let external = External {
        name: VrfName::parse("VrfInternet").unwrap(),
        port: port(4),
        addresses: ["203.0.113.2/30".parse().unwrap()].into(),
        routes: BTreeSet::new(),
        neighbors: BTreeMap::new(),
    };
    intent.externals = [(vni(104_009), external)].into();
    intent.extra = ExtraVlans { vlans: [vlan(201), vlan(202)].into(), ports: [port(5)].into() };
    intent.isolated = [port(6)].into();
    intent.down = [port(2)].into();
    insta::assert_snapshot!("everything", lines(&carry_out(&intent, &mut actual)));
    insta::assert_snapshot!("everything_rows", render(&wanted(&intent, &actual).unwrap()));
    assert_eq!(staying(&intent, &actual), intent);
    // Externals go too when nobody wants them.
    intent.externals.clear();
    carry_out(&intent, &mut actual);
    assert!(!actual.rows.contains_key(&Key::Vrf(VrfName::parse("VrfInternet").unwrap())));
}

#[test]
fn without_a_tunnel_endpoint_nothing_is_allocated() {
    let mut actual = factory(PORTS);
    actual.tunnels.clear();
    let mut intent = bare();
    intent.tenants = [(vni(3981), tenant([1]))].into();
    let fault = plan(&intent, &actual).unwrap_err();
    assert_eq!(fault, Fault::NoTunnel);
    assert!(fault.to_string().contains("VXLAN_TUNNEL"), "{fault}");
}

#[test]
fn a_port_that_is_not_there_is_not_invented() {
    let mut intent = bare();
    intent.unprovisioned = [port(50)].into();
    assert_eq!(plan(&intent, &factory(PORTS)), Err(Fault::NoSuchPort(vec![port(50)])));
}

#[test]
fn what_a_half_applied_change_left_behind_is_cleaned_up() {
    let mut actual = factory(PORTS);
    // A VLAN without a mapping, one bound to a table that nobody wants, and a mapping of an unknown network.
    actual.rows.insert(Key::Vlan(vlan(1001)), row([("vlanid", "1001")]));
    actual.rows.insert(Key::Suppress(vlan(1003)), row([("suppress", "on")]));
    actual.rows.insert(Key::Vlan(vlan(1003)), row([("vlanid", "1003")]));
    actual.rows.insert(Key::Vrf(VrfName::parse("Vrf77").unwrap()), row([("vni", "77")]));
    actual.rows.insert(Key::VlanInterface(vlan(1003)), row([("vrf_name", "Vrf77")]));
    let map = Key::TunnelMap(PortName::parse("vtep").unwrap(), MapName::parse("map_78_Vlan1004").unwrap());
    actual.rows.insert(map, row([("vlan", "Vlan1004"), ("vni", "78")]));
    actual.rows.insert(Key::Interface(port(7)), row([("vrf_name", "Vrf77")]));
    let kept = foreign(&actual);
    carry_out(&bare(), &mut actual);
    assert_eq!(foreign(&actual), kept);
    let mut fresh = factory(PORTS);
    carry_out(&bare(), &mut fresh);
    assert_eq!(actual.rows, fresh.rows);
}

#[test]
fn a_virtual_network_finds_its_vlan_again() {
    let mut actual = factory(PORTS);
    let mut intent = bare();
    intent.tenants = [(vni(10), tenant([1])), (vni(20), tenant([2]))].into();
    carry_out(&intent, &mut actual);
    // Only the interface is left of VNI 20's rows: its VLAN is taken from that.
    actual.rows.retain(|key, _| !matches!(key, Key::TunnelMap(_, map) if map.as_str().contains("_20_")));
    let steps = carry_out(&intent, &mut actual);
    insta::assert_snapshot!(lines(&steps), @"set VXLAN_TUNNEL_MAP|vtep|map_20_Vlan1003 vlan=Vlan1003 vni=20");
}

#[test]
fn keys_are_read_as_they_are_written() {
    for text in [
        "PORT|Ethernet0",
        "VRF|Vrf3981",
        "VLAN|Vlan4000",
        "VLAN_MEMBER|Vlan4000|Ethernet0",
        "SUPPRESS_VLAN_NEIGH|Vlan1001",
        "VLAN_INTERFACE|Vlan1001",
        "VLAN_INTERFACE|Vlan4000|10.0.0.1/24",
        "VXLAN_TUNNEL_MAP|vtep|map_3981_Vlan1001",
        "INTERFACE|Ethernet0",
        "INTERFACE|Ethernet0|2001:db8::1/64",
    ] {
        assert_eq!(Key::parse(text).unwrap().to_string(), text);
    }
    for text in
        ["PORT", "VLAN|Vlan5000", "VLAN|Foo", "INTERFACE|Ethernet 0", "PORTCHANNEL|PortChannel1", "LOOPBACK"]
    {
        assert_eq!(Key::parse(text), None, "{text}");
    }
}

#[test]
fn steps_are_proportional_to_the_change() {
    let mut actual = factory(128);
    let mut intent = bare();
    intent.tenants = (0..500).map(|number| (vni(3000 + number), Tenant::default())).collect();
    for number in 1..128 {
        intent.tenants.insert(vni(3000 + number), tenant([number]));
    }
    carry_out(&intent, &mut actual);
    intent.tenants.insert(vni(3001), Tenant::default());
    intent.unprovisioned = [port(1)].into();
    let steps = carry_out(&intent, &mut actual);
    insta::assert_snapshot!(lines(&steps), @r"
    delete INTERFACE|Ethernet4
    wait until the router interface of Ethernet4 is gone
    set VLAN_MEMBER|Vlan4000|Ethernet4 tagging_mode=untagged
    ");
}

/// What a port is: number of a class.
fn intent_of(choices: &[u8], down: &[bool]) -> Switch {
    let mut intent = bare();
    for (number, choice) in (1..PORTS).zip(choices) {
        let name = port(number);
        match choice {
            0 => {
                intent.unprovisioned.insert(name);
            }
            1..=3 => {
                let tenant = intent.tenants.entry(vni(100 + u32::from(*choice))).or_default();
                tenant.ports.insert(name, MachineFilter::default());
            }
            4 => {
                intent.firewalls.insert(name, FirewallFilter::default());
            }
            5 => {
                intent.isolated.insert(name);
            }
            6 => {
                intent.uplinks.insert(name);
            }
            _ => {}
        }
    }
    intent.down = (1..PORTS).zip(down).filter(|(_, down)| **down).map(|(number, _)| port(number)).collect();
    intent
}

proptest! {
    #[test]
    fn any_history_with_interruptions_ends_as_intended(
        history in proptest::collection::vec(
            (proptest::collection::vec(0u8..8, PORTS as usize - 1),
             proptest::collection::vec(any::<bool>(), PORTS as usize - 1),
             proptest::option::of(0usize..40)), 1..8),
    ) {
        let mut actual = factory(PORTS);
        let kept = foreign(&actual);
        let mut last = None;
        for (choices, down, interrupted) in history {
            let intent = intent_of(&choices, &down);
            match interrupted {
                Some(after) => plan(&intent, &actual).unwrap().iter().take(after).for_each(|step| follow(&mut actual, step)),
                None => { carry_out(&intent, &mut actual); }
            }
            last = Some(intent);
        }
        let intent = last.unwrap();
        carry_out(&intent, &mut actual);
        prop_assert_eq!(&foreign(&actual), &kept);
        let rows = wanted(&intent, &actual).unwrap();
        for (key, fields) in &rows {
            for (field, value) in fields {
                prop_assert_eq!(&actual.rows[key][*field], value);
            }
        }
        // Nothing is left over: VLANs of the pool and tables are exactly those wanted.
        for key in actual.rows.keys().filter(|key| !matches!(key, Key::Port(_)) && !kept.contains_key(*key)) {
            let stays = matches!(key, Key::Interface(_) | Key::VlanMember(..)) && !mentions(&intent, key);
            prop_assert!(rows.contains_key(key) || stays, "{} is left over", key);
        }
        prop_assert_eq!(staying(&intent, &actual), intent);
    }
}

/// Whether a row is about a port the intent names.
fn mentions(intent: &Switch, key: &Key) -> bool {
    let (Key::Interface(name) | Key::VlanMember(_, name)) = key else { return true };
    intent.classes().iter().any(|(port, _)| *port == name)
}
