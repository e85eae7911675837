//! Switches and machines that the tests configure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use metal_netconf::frr::Machine;
use metal_netconf::intent::{Bgp, External, FirewallFilter, MachineFilter, Management, Pxe, Switch, Tenant};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};

pub fn port(name: &str) -> PortName {
    name.parse().unwrap()
}

pub fn ports(names: &[&str]) -> BTreeSet<PortName> {
    names.iter().map(|name| port(name)).collect()
}

pub fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// A switch with nothing but its uplinks.
pub fn spine() -> Switch {
    Switch {
        hostname: Hostname::parse("spine01").unwrap(),
        asn: Asn::new(4_200_000_001).unwrap(),
        loopback: Ipv4Addr::new(10, 0, 0, 1),
        bgp: Bgp::default(),
        is_vtep: false,
        uplinks: ports(&["swp31", "swp32"]),
        pxe: None,
        unprovisioned: BTreeSet::new(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: Default::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: None,
    }
}

/// A leaf without machines.
pub fn leaf() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: Ipv4Addr::new(10, 0, 0, 11),
        is_vtep: true,
        bgp: Bgp { route_map_delay: Some(1), ..Bgp::default() },
        pxe: Some(Pxe { vlan: VlanId::new(4000).unwrap(), address: Some("10.4.0.11/24".parse().unwrap()) }),
        ..spine()
    }
}

/// Puts a machine on a port.
pub fn machine_on(switch: &mut Switch, number: u32, name: &str, prefixes: &[&str]) {
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let tenant: &mut Tenant = switch.tenants.entry(vni(number)).or_default();
    tenant.ports.insert(port(name), MachineFilter { prefixes });
}

/// Puts a firewall on a port.
pub fn firewall_on(switch: &mut Switch, name: &str, prefixes: &[&str], vnis: &[u32]) {
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let vnis = vnis.iter().map(|number| vni(*number)).collect();
    switch.firewalls.insert(port(name), FirewallFilter { prefixes, vnis });
}

/// A leaf with something of everything.
pub fn busy_leaf() -> Switch {
    let mut leaf = leaf();
    machine_on(&mut leaf, 3981, "swp1", &["10.1.0.0/16", "10.2.0.0/17", "10.2.128.0/17", "203.0.113.9/32"]);
    machine_on(&mut leaf, 3981, "swp2", &["10.1.0.0/16", "fd00:1::/48"]);
    machine_on(&mut leaf, 3982, "swp3", &["fd00:2::/48", "fd00:77::1/128"]);
    machine_on(&mut leaf, 3982, "swp4", &[]);
    firewall_on(&mut leaf, "swp5", &["10.0.0.77/32"], &[3981, 104_009]);
    firewall_on(&mut leaf, "swp6", &[], &[]);
    leaf
}

/// The same with a port switched off, one cut off and an uplink switched off.
pub fn dark_leaf() -> Switch {
    let mut leaf = busy_leaf();
    leaf.down = ports(&["swp1", "swp5", "swp32"]);
    leaf.firewalls.remove(&port("swp6"));
    leaf.isolated = ports(&["swp6"]);
    leaf.unprovisioned = ports(&["swp8"]);
    leaf.management = Some(Management {
        gateway: Ipv4Addr::new(192, 168, 0, 1),
        routes: ["172.16.0.0/12".parse().unwrap()].into(),
    });
    leaf
}

/// A switch with two external networks, one with neighbours and one with static routes.
pub fn exit() -> Switch {
    let internet = External {
        name: VrfName::parse("vrfInternet").unwrap(),
        port: port("swp7"),
        addresses: ["203.0.113.2/30".parse().unwrap(), "2001:db8::2/64".parse().unwrap()].into(),
        routes: BTreeSet::new(),
        neighbors: [
            ("203.0.113.1".parse().unwrap(), Asn::new(65_000).unwrap()),
            ("2001:db8::1".parse().unwrap(), Asn::new(65_000).unwrap()),
        ]
        .into(),
    };
    let partner = External {
        name: VrfName::parse("vrfPartner").unwrap(),
        port: port("swp8"),
        addresses: ["198.51.100.2/30".parse().unwrap()].into(),
        routes: [
            ("0.0.0.0/0".parse().unwrap(), "198.51.100.1".parse().unwrap()),
            ("::/0".parse().unwrap(), "2001:db8:1::1".parse().unwrap()),
        ]
        .into(),
        neighbors: BTreeMap::new(),
    };
    Switch {
        hostname: Hostname::parse("exit01").unwrap(),
        asn: Asn::new(4_200_000_021).unwrap(),
        loopback: Ipv4Addr::new(10, 0, 0, 21),
        is_vtep: true,
        bgp: Bgp { keepalive: 1, hold: 3, ..Bgp::default() },
        externals: [(vni(104_009), internet), (vni(104_010), partner)].into(),
        ..spine()
    }
}

/// A machine.
pub fn machine() -> Machine {
    Machine {
        hostname: Hostname::parse("web-1").unwrap(),
        asn: Asn::new(4_210_000_007).unwrap(),
        router_id: Ipv4Addr::new(10, 1, 0, 7),
        uplinks: vec![port("lan0"), port("lan1")],
        bgp: Bgp::default(),
    }
}
