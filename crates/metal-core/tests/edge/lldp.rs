//! LLDP between two of us on ports that appear and move, and with lldpd.

use std::collections::BTreeMap;
use std::time::Duration;

use metal_core::neighbor::{Chassis, Identity, NeighborHandle, NeighborWatch, Pace, PhoneHome, PortIdKind};
use metal_linux::namespace::Namespace;
use metal_linux::netlink::Netlink;
use metal_runtime::TaskTree;

use super::node::{Sandbox, connect, eventually, in_network_of_its_own, output, set_up};

const MACHINE: &str = "00000000-0000-0000-0000-0000000000a1";

fn identity(name: &str, description: &str) -> Identity {
    Identity {
        chassis: Chassis::PortMac,
        port_id: PortIdKind::InterfaceName,
        system_name: name.to_owned(),
        system_description: description.to_owned(),
    }
}

fn watch(tree: &TaskTree, port: &str, name: &str, description: &str) -> NeighborHandle {
    let ports = BTreeMap::from([(port.to_owned(), format!("port {port}"))]);
    let (watch, handle) = NeighborWatch::new(Pace::default(), ports, identity(name, description));
    watch.run(tree);
    handle
}

async fn phoned(handle: &mut NeighborHandle) -> PhoneHome {
    tokio::time::timeout(Duration::from_secs(20), handle.phone_homes.recv())
        .await
        .expect("somebody phones")
        .unwrap()
}

#[test]
fn neighbors_are_found_on_ports_that_appear_and_move() {
    in_network_of_its_own(|| async {
        let (switch_tree, machine_tree) = (TaskTree::root("switch"), TaskTree::root("machine"));
        let mut switch = watch(&switch_tree, "swp1", "leaf01", "metal-core");
        let machine = watch(&machine_tree, "lan0", MACHINE, "an installer");
        let there = Namespace::create("machine").unwrap();
        Netlink::open(None).unwrap().veth("swp1", None, "lan0", Some(&there)).unwrap();
        set_up(None, "swp1");
        set_up(Some(&there), "lan0");
        let sees = |handle: &NeighborHandle, port: &str, name: &str| {
            handle.neighbors.borrow().get(port).is_some_and(|it| it.system_name == name)
        };
        eventually("each sees the other", || {
            sees(&switch, "swp1", MACHINE) && sees(&machine, "lan0", "leaf01")
        })
        .await;
        let seen = machine.neighbors.borrow()["lan0"].clone();
        assert_eq!((seen.port_id.as_str(), seen.port_description.as_str()), ("swp1", "port swp1"));
        assert!(switch.phone_homes.try_recv().is_err(), "an installer does not phone home");

        let vrf = Namespace::create("vrf3981").unwrap();
        let mut own = Netlink::open(None).unwrap();
        let link = own.link("swp1").unwrap();
        own.set_namespace(&link, &vrf).unwrap();
        set_up(Some(&vrf), "swp1");
        machine.identity.send_replace(identity(MACHINE, "provisioned since today"));
        let call = phoned(&mut switch).await;
        assert_eq!(call.machine, MACHINE);
        assert_eq!((call.port.as_str(), call.message.as_str()), ("swp1", "provisioned since today"));

        let back = Netlink::open(Some(&vrf)).unwrap().link("swp1").unwrap();
        Netlink::open(Some(&vrf)).unwrap().set_namespace(&back, &Namespace::current().unwrap()).unwrap();
        set_up(None, "swp1");
        switch.identity.send_replace(identity("leaf01-renamed", "metal-core"));
        eventually("the port works where it was", || sees(&machine, "lan0", "leaf01-renamed")).await;

        assert!(machine_tree.shutdown(Duration::from_secs(5)).await.is_clean());
        eventually("the machine's goodbye is heard", || switch.neighbors.borrow().is_empty()).await;
        assert!(switch_tree.shutdown(Duration::from_secs(5)).await.is_clean());
    });
}

#[test]
fn a_neighbor_on_a_dead_link_and_on_a_port_that_is_no_longer_ours_is_forgotten() {
    in_network_of_its_own(|| async {
        let tree = TaskTree::root("test");
        let switch = watch(&tree, "swp1", "leaf01", "metal-core");
        let _machine = watch(&tree, "lan0", MACHINE, "an installer");
        let there = Namespace::create("machine").unwrap();
        Netlink::open(None).unwrap().veth("swp1", None, "lan0", Some(&there)).unwrap();
        set_up(None, "swp1");
        set_up(Some(&there), "lan0");
        eventually("the machine is seen", || switch.neighbors.borrow().contains_key("swp1")).await;
        let mut far = Netlink::open(Some(&there)).unwrap();
        let link = far.link("lan0").unwrap();
        far.set_up(&link, false).unwrap();
        eventually("a dead link has no neighbor", || switch.neighbors.borrow().is_empty()).await;
        far.set_up(&link, true).unwrap();
        eventually("the machine is back", || switch.neighbors.borrow().contains_key("swp1")).await;
        switch.ports.send_replace(BTreeMap::new());
        eventually("a port we gave up has no neighbor", || switch.neighbors.borrow().is_empty()).await;
        assert!(tree.shutdown(Duration::from_secs(5)).await.is_clean());
    });
}

#[test]
fn lldpd_sees_us_and_we_see_it() {
    in_network_of_its_own(|| async {
        let sandbox = Sandbox::new();
        let script = "mkdir -p /run/lldpd; exec lldpd -d -I eth0 -S 'provisioned since yesterday'";
        let node = sandbox.node(MACHINE, script);
        let tree = TaskTree::root("switch");
        let mut switch = watch(&tree, "swp1", "leaf01", "metal-core 1");
        connect("swp1", &node);
        set_up(None, "swp1");
        let call = phoned(&mut switch).await;
        assert_eq!((call.machine.as_str(), call.message.as_str()), (MACHINE, "provisioned since yesterday"));
        let seen = switch.neighbors.borrow()["swp1"].clone();
        assert_eq!(seen.system_name, MACHINE);
        assert_eq!(seen.port_description, "eth0");

        let report = || output(&node, "lldpcli", &["show", "neighbors", "-f", "json"]);
        eventually("lldpd sees us", || report().contains("leaf01")).await;
        let text = report();
        let report_now: serde_json::Value = serde_json::from_str(&text).unwrap();
        let interface = &report_now["lldp"]["interface"]["eth0"];
        assert_eq!(interface["chassis"]["leaf01"]["id"]["type"], "mac", "{text}");
        assert_eq!(interface["chassis"]["leaf01"]["descr"], "metal-core 1", "{text}");
        assert_eq!(interface["port"]["id"]["type"], "ifname", "{text}");
        assert_eq!(interface["port"]["id"]["value"], "swp1", "{text}");
        assert_eq!(interface["port"]["descr"], "port swp1", "{text}");
        assert_eq!(interface["port"]["ttl"], "40", "{text}");

        assert!(tree.shutdown(Duration::from_secs(5)).await.is_clean());
        eventually("lldpd hears our goodbye", || !report().contains("leaf01")).await;
    });
}
