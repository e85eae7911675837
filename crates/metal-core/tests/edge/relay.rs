//! A lease from dnsmasq for busybox's client, over our relay.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use metal_core::relay::{Relay, RelaySettings};
use metal_linux::netlink::{BridgeOptions, Netlink};
use metal_runtime::TaskTree;

use super::node::{Sandbox, connect, eventually, in_network_of_its_own, output, set_up};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

/// Answers requests that come with the relay's address, for the network behind it.
const DNSMASQ: &str = "ip addr add 10.1.0.2/24 dev eth0; ip route add 10.2.0.0/24 via 10.1.0.1; \
    exec dnsmasq --no-daemon --port=0 --user=root --pid-file= --dhcp-authoritative \
    --dhcp-leasefile=/tmp/leases --dhcp-range=10.2.0.100,10.2.0.150,255.255.255.0,10m";

/// Writes down what happens to its lease.
const UDHCPC: &str = "printf '#!/bin/sh\necho $1 $ip >> /tmp/events\n[ \"$1\" = bound ] && ip addr add $ip/24 dev $interface\nexit 0\n' \
    > /tmp/told; chmod +x /tmp/told; exec busybox udhcpc -f -i eth0 -s /tmp/told -t 20 -T 1 -A 1";

/// The interface towards the machines: a bridge with an address.
fn add_interface() {
    let mut netlink = Netlink::open(None).unwrap();
    netlink.add_bridge("vlan4000", &BridgeOptions::default()).unwrap();
    let bridge = netlink.link("vlan4000").unwrap();
    netlink.add_address(&bridge, "10.2.0.1/24".parse().unwrap()).unwrap();
    set_up(None, "vlan4000");
}

fn attach(port: &str) {
    let mut netlink = Netlink::open(None).unwrap();
    let bridge = netlink.link("vlan4000").unwrap().index;
    let port = netlink.link(port).unwrap();
    netlink.set_master(&port, Some(bridge)).unwrap();
}

#[test]
fn a_foreign_client_gets_a_lease_of_a_foreign_server_over_the_relay() {
    in_network_of_its_own(|| async {
        let tree = TaskTree::root("relay");
        let relay = Relay::new(RelaySettings::new("vlan4000", vec![SERVER], "leaf01"));
        let counters = relay.counters();
        relay.run(&tree);

        let sandbox = Sandbox::new();
        let server = sandbox.node("server", DNSMASQ);
        connect("uplink", &server);
        let mut netlink = Netlink::open(None).unwrap();
        let uplink = netlink.link("uplink").unwrap();
        netlink.add_address(&uplink, "10.1.0.1/24".parse().unwrap()).unwrap();
        set_up(None, "uplink");

        let client = sandbox.node("client", UDHCPC);
        connect("swp1", &client);
        set_up(None, "swp1");
        add_interface();
        attach("swp1");
        let events = || output(&client, "cat", &["/tmp/events"]);
        eventually("the client has a lease", || events().contains("bound 10.2.0.1")).await;
        assert!(output(&server, "cat", &["/tmp/leases"]).contains(" 10.2.0.1"));
        assert!(counters.requests.load(Ordering::Relaxed) >= 2);
        assert!(counters.replies.load(Ordering::Relaxed) >= 2);

        // The interface is made anew, and the relay follows: a second client gets a lease, too.
        let bridge = netlink.link("vlan4000").unwrap();
        netlink.delete_link(&bridge).unwrap();
        add_interface();
        let second = sandbox.node("second", UDHCPC);
        connect("swp2", &second);
        set_up(None, "swp2");
        attach("swp2");
        let events = || output(&second, "cat", &["/tmp/events"]);
        eventually("the second client has a lease", || events().contains("bound 10.2.0.1")).await;
        assert!(tree.shutdown(Duration::from_secs(5)).await.is_clean());
    });
}

#[test]
fn replies_of_strangers_and_requests_from_outside_are_dropped() {
    in_network_of_its_own(|| async {
        let tree = TaskTree::root("relay");
        let relay = Relay::new(RelaySettings::new("vlan4000", vec![SERVER], "leaf01"));
        let counters = relay.counters();
        relay.run(&tree);
        set_up(None, "lo");
        add_interface();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |bytes: &[u8]| drop(stranger.send_to(bytes, "10.2.0.1:67"));
        let mut message = vec![0; 244];
        message[236..].copy_from_slice(&[99, 130, 83, 99, 53, 1, 5, 255]);
        message[0] = 2;
        eventually("a stranger's reply is dropped", || {
            send(&message);
            counters.stranger.load(Ordering::Relaxed) > 0
        })
        .await;
        message[0] = 1;
        eventually("a request from outside is dropped", || {
            send(&message);
            counters.wrong_side.load(Ordering::Relaxed) > 0
        })
        .await;
        eventually("what is no message is dropped", || {
            send(b"hello");
            counters.malformed.load(Ordering::Relaxed) > 0
        })
        .await;
        assert_eq!(counters.requests.load(Ordering::Relaxed), 0);
        assert!(tree.shutdown(Duration::from_secs(5)).await.is_clean());
    });
}
