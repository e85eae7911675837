//! Netlink and namespaces against the running kernel. Needs root; every test works in namespaces of its own.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::time::Duration;

use metal_linux::namespace::{Namespace, apart};
use metal_linux::netlink::{
    BridgeOptions, BridgePort, Change, LinkKind, Monitor, Netlink, Route, VxlanOptions,
};
use metal_linux::sysctl;

fn as_root(test: impl FnOnce() + Send) {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    apart(test).unwrap();
}

#[test]
fn namespaces_are_made_listed_entered_and_deleted() {
    as_root(|| {
        assert_eq!(Namespace::names().unwrap(), [] as [&str; 0]);
        let made = Namespace::create("vrf1").unwrap();
        assert_eq!(Namespace::names().unwrap(), ["vrf1"]);
        assert!(Namespace::create("vrf1").is_err(), "the name is taken");
        assert!(Namespace::create("../vrf2").is_err(), "a name is no path");
        let links = Netlink::open(Some(&made)).unwrap().links().unwrap();
        assert!(links.iter().all(|link| !link.is_up), "{links:?}");
        Netlink::open(None).unwrap().add_bridge("outside", &BridgeOptions::default()).unwrap();
        let again = Namespace::named("vrf1").unwrap();
        let seen = again.enter(|| Netlink::open(None).unwrap().link("outside").is_err()).unwrap();
        assert!(seen, "another namespace's link was visible");
        std::fs::File::create("/run/netns/vrf2").unwrap();
        assert_eq!(Namespace::names().unwrap(), ["vrf1"], "a file alone is no namespace");
        Namespace::create("vrf2").unwrap();
        assert_eq!(Namespace::names().unwrap(), ["vrf1", "vrf2"]);
        Namespace::delete("vrf2").unwrap();
        Namespace::delete("vrf1").unwrap();
        Namespace::delete("vrf1").unwrap();
        assert!(Namespace::names().unwrap().is_empty());
        assert!(made.enter(|| ()).is_ok(), "an open namespace outlives its name");
    });
}

#[test]
fn a_cable_has_each_end_where_it_belongs() {
    as_root(|| {
        let (left, right) = (Namespace::create("left").unwrap(), Namespace::create("right").unwrap());
        let mut own = Netlink::open(None).unwrap();
        own.veth("swp1", Some(&left), "lan0", Some(&right)).unwrap();
        own.veth("here", None, "there", Some(&right)).unwrap();
        own.veth("there2", Some(&left), "here2", None).unwrap();
        let names = |namespace: Option<&Namespace>| {
            let links = Netlink::open(namespace).unwrap().links().unwrap();
            let mut names: Vec<_> =
                links.into_iter().filter(|link| link.kind == LinkKind::Veth).map(|link| link.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(Some(&left)), ["swp1", "there2"]);
        assert_eq!(names(Some(&right)), ["lan0", "there"]);
        assert_eq!(names(None), ["here", "here2"]);
    });
}

#[test]
fn links_are_changed_and_read_back() {
    as_root(|| {
        let mut netlink = Netlink::open(None).unwrap();
        let mac = [2, 0, 10, 0, 0, 11];
        let options = BridgeOptions { mac: Some(mac), ..BridgeOptions::default() };
        netlink.add_bridge("br1", &options).unwrap();
        netlink.veth("swp1", None, "peer", None).unwrap();
        let bridge = netlink.link("br1").unwrap();
        assert_eq!(bridge.mac, "02:00:0a:00:00:0b");
        assert_eq!(bridge.settings.addr_gen_mode, Some(0));
        sysctl::write("net/ipv6/conf/br1/addr_gen_mode", "1").unwrap();
        sysctl::write("net/ipv4/conf/br1/rp_filter", "1").unwrap();
        let settings = netlink.link("br1").unwrap().settings;
        assert_eq!((settings.addr_gen_mode, settings.rp_filter), (Some(1), Some(1)));
        let port = netlink.link("swp1").unwrap();
        assert!(port.lower.is_some() && port.bridge_port.is_none());
        netlink.set_mtu(&port, 9000).unwrap();
        netlink.set_master(&port, Some(bridge.index)).unwrap();
        netlink.set_bridge_port(&port, BridgePort { is_learning: false, is_neigh_suppress: true }).unwrap();
        netlink.set_up(&port, true).unwrap();
        let port = netlink.link("swp1").unwrap();
        assert_eq!(
            (port.mtu, port.master, port.is_up, port.is_running),
            (9000, Some(bridge.index), true, false)
        );
        assert_eq!(port.bridge_port, Some(BridgePort { is_learning: false, is_neigh_suppress: true }));
        let peer = netlink.link("peer").unwrap();
        netlink.set_up(&peer, true).unwrap();
        assert!(netlink.link("swp1").unwrap().is_running);
        netlink.set_master(&port, None).unwrap();
        assert_eq!(netlink.link("swp1").unwrap().master, None);
        netlink.set_name(&peer, "lan0").unwrap();
        let elsewhere = Namespace::anonymous().unwrap();
        netlink.set_namespace(&peer, &elsewhere).unwrap();
        assert!(netlink.link("lan0").unwrap_err().is_missing());
        assert!(Netlink::open(Some(&elsewhere)).unwrap().link("lan0").is_ok());
        netlink.delete_link(&bridge).unwrap();
        assert!(netlink.delete_link(&bridge).unwrap_err().is_missing());
    });
}

#[test]
fn addresses_and_routes_are_set() {
    as_root(|| {
        let mut netlink = Netlink::open(None).unwrap();
        netlink.veth("swp1", None, "peer", None).unwrap();
        let port = netlink.link("swp1").unwrap();
        let peer = netlink.link("peer").unwrap();
        netlink.set_up(&port, true).unwrap();
        netlink.set_up(&peer, true).unwrap();
        for address in ["192.0.2.1/31", "2001:db8::1/64"] {
            netlink.add_address(&port, address.parse().unwrap()).unwrap();
            netlink.add_address(&port, address.parse().unwrap()).unwrap();
        }
        let global = |netlink: &mut Netlink| {
            let all = netlink.addresses().unwrap();
            let mut all: Vec<_> = all
                .into_iter()
                .filter(|it| it.link == port.index && it.is_global)
                .map(|it| it.address)
                .collect();
            all.sort();
            all
        };
        assert_eq!(
            global(&mut netlink),
            ["192.0.2.1/31".parse().unwrap(), "2001:db8::1/64".parse().unwrap()]
        );
        let hop = |address: &str| (Some(address.parse().unwrap()), Some(port.index));
        let route =
            |destination: &str, hops| Route { destination: destination.parse().unwrap(), hops, source: None };
        netlink.add_route(&route("0.0.0.0/0", vec![hop("192.0.2.0")])).unwrap();
        netlink.add_route(&route("2001:db8:1::/48", vec![hop("2001:db8::2"), hop("2001:db8::3")])).unwrap();
        let error = netlink.add_route(&route("198.51.100.0/24", vec![hop("203.0.113.9")])).unwrap_err();
        assert_eq!(error.to_string(), "add route to 198.51.100.0/24");
        assert_eq!(error.errno(), Some(libc::ENETUNREACH));
        assert!(
            error.source.to_string().contains("Nexthop"),
            "the kernel's words are lost: {}",
            error.source
        );
        netlink.delete_address(&port, "192.0.2.1/31".parse().unwrap()).unwrap();
        assert_eq!(global(&mut netlink), ["2001:db8::1/64".parse().unwrap()]);
    });
}

#[test]
fn a_tunnel_made_in_another_namespace_runs_in_the_one_it_was_asked_in() {
    as_root(|| {
        let vrf = Namespace::create("vrf7").unwrap();
        let mut main = Netlink::open(None).unwrap();
        let options =
            VxlanOptions { id: 7, local: "192.0.2.1".parse().unwrap(), port: 4789, is_learning: false };
        main.add_vxlan("vni7", Some(&vrf), &options).unwrap();
        let mut inside = Netlink::open(Some(&vrf)).unwrap();
        let link = inside.link("vni7").unwrap();
        let expected = LinkKind::Vxlan { id: 7, local: Some(options.local), port: 4789, is_learning: false };
        assert_eq!(link.kind, expected);
        inside.set_up(&link, true).unwrap();
        let sockets = |namespace: &Namespace| {
            namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap()).unwrap()
        };
        let is_there = |text: &str| text.contains(":12B5 ");
        assert!(
            is_there(&sockets(&Namespace::current().unwrap())),
            "the tunnel has no socket in the underlay"
        );
        assert!(!is_there(&sockets(&vrf)), "the tunnel has a socket in the VRF");
        assert_eq!(main.add_vxlan("other", None, &options).unwrap_err().errno(), Some(libc::EEXIST));
    });
}

#[test]
fn settings_are_those_of_the_namespace_one_is_in() {
    as_root(|| {
        let other = Namespace::anonymous().unwrap();
        sysctl::write("net/ipv4/conf/all/rp_filter", "2").unwrap();
        other.enter(|| sysctl::write("net/ipv4/conf/all/rp_filter", "1")).unwrap().unwrap();
        assert_eq!(sysctl::read("net/ipv4/conf/all/rp_filter").unwrap().unwrap(), "2");
        assert_eq!(sysctl::read("net/ipv4/conf/none/rp_filter").unwrap(), None);
        let error = sysctl::write("net/ipv4/conf/none/rp_filter", "1").unwrap_err();
        assert_eq!(error.to_string(), "write kernel setting net/ipv4/conf/none/rp_filter");
        assert!(sysctl::write("net/../kernel/hostname", "x").is_err());
    });
}

#[test]
fn changes_of_carrier_are_told() {
    as_root(|| {
        let mut netlink = Netlink::open(None).unwrap();
        netlink.veth("swp1", None, "peer", None).unwrap();
        let port = netlink.link("swp1").unwrap();
        netlink.set_up(&port, true).unwrap();
        let monitor = Monitor::open(None).unwrap();
        assert_eq!(monitor.wait(Duration::ZERO).unwrap(), Change::None);
        let peer = netlink.link("peer").unwrap();
        netlink.set_up(&peer, true).unwrap();
        let mut changed = Vec::new();
        while !changed.contains(&"swp1".to_owned()) {
            match monitor.wait(Duration::from_secs(30)).unwrap() {
                Change::Links(names) => changed.extend(names),
                other => panic!("{other:?} after {changed:?}"),
            }
        }
        assert!(netlink.link("swp1").unwrap().is_running);
    });
}

#[test]
fn tables_are_closed_and_own_addresses_asked_late() {
    as_root(|| {
        let mut own = Netlink::open(None).unwrap();
        let loopback = own.link("lo").unwrap();
        own.set_up(&loopback, true).unwrap();
        assert!(!own.is_local_late().unwrap(), "the kernel asks for own addresses first");
        for _ in 0..2 {
            own.put_local_late().unwrap();
            assert!(own.is_local_late().unwrap());
        }
        assert!(own.closed_tables().unwrap().is_empty());
        for table in [10_001, 77, 10_001] {
            own.close_table(table).unwrap();
        }
        assert_eq!(own.closed_tables().unwrap(), [77, 10_001].into());
        // Other questions are answered as before.
        assert_eq!(own.links().unwrap().iter().filter(|link| link.name == "lo").count(), 1);
        assert!(own.link("lo").unwrap().is_up);
    });
}
