//! From any configuration to any other and back, on the real daemons.

use metal_core::frr::Frr;
use metal_netconf::frr::{self, Config, Flavor, Tree};
use metal_netconf::intent::Switch;
use metal_netconf::name::Asn;

use crate::fixture;
use crate::node::Node;

fn config(intent: &Switch) -> Config {
    config_for(intent, Flavor::Netns)
}

fn config_for(intent: &Switch, flavor: Flavor) -> Config {
    assert_eq!(intent.faults(), Vec::<String>::new());
    frr::switch(intent, flavor)
}

fn clear(frr: &Frr) {
    let plan = frr.plan(&Tree::default()).unwrap();
    frr.apply(&plan.withdraw).unwrap();
    frr.apply(&plan.announce).unwrap();
    let left = frr.running().unwrap();
    assert!(left.is_same(&Tree::parse("frr defaults datacenter")), "left over: {left:?}");
}

/// Leaves that differ in everything a leaf can differ in.
pub fn leaves(flavor: Flavor) -> Vec<(&'static str, Config)> {
    let mut only_v4 = fixture::leaf();
    fixture::machine_on(&mut only_v4, 3981, "swp1", &["10.1.0.0/16"]);
    let mut only_v6 = fixture::leaf();
    fixture::machine_on(&mut only_v6, 3981, "swp1", &["fd00:1::/48", "fd00:77::1/128"]);
    let mut moved = fixture::leaf();
    fixture::machine_on(&mut moved, 3982, "swp1", &["10.1.0.0/16", "fd00:1::/48"]);
    fixture::machine_on(&mut moved, 3981, "swp2", &["10.5.0.0/16"]);
    fixture::firewall_on(&mut moved, "swp3", &["10.0.0.78/32", "fd00::78/128"], &[3981]);
    let mut more_vnis = moved.clone();
    fixture::firewall_on(&mut more_vnis, "swp3", &["10.0.0.79/32"], &[3980, 3981, 3982]);
    let mut renumbered = fixture::busy_leaf();
    renumbered.asn = Asn::new(4_200_000_012).unwrap();
    renumbered.bgp.hold = 9;
    renumbered.bgp.route_map_delay = None;
    renumbered.bgp.maximum_prefix = 100;
    let config = |intent| config_for(intent, flavor);
    vec![
        ("empty leaf", config(&fixture::leaf())),
        ("IPv4 tenant", config(&only_v4)),
        ("busy leaf", config(&fixture::busy_leaf())),
        ("IPv6 tenant", config(&only_v6)),
        ("moved", config(&moved)),
        ("more VNIs", config(&more_vnis)),
        ("ports down", config(&fixture::dark_leaf())),
        ("renumbered", config(&renumbered)),
    ]
}

#[test]
fn leaves_lead_to_each_other() {
    let node = Node::start();
    let leaves = leaves(Flavor::Netns);
    tour(&node, &leaves);
    // Every second one, so that other pairs meet.
    for (name, config) in leaves.iter().step_by(2).chain(leaves.iter().skip(1).step_by(2)) {
        node.reach(name, config);
    }
    clear(&node.frr());
}

#[test]
fn leaves_lead_to_each_other_where_tables_are_devices() {
    let node = Node::start_with_vrf_devices();
    tour(&node, &leaves(Flavor::Vrf));
    clear(&node.frr());
}

/// There and back again.
fn tour(node: &Node, stations: &[(&str, Config)]) {
    for (name, config) in stations.iter().chain(stations.iter().rev()) {
        node.reach(name, config);
    }
}

#[test]
fn every_role_comes_and_goes() {
    let node = Node::start();
    let mut no_neighbors = fixture::exit();
    no_neighbors.externals.get_mut(&fixture::vni(104_009)).unwrap().neighbors.clear();
    let mut other_neighbor = fixture::exit();
    let internet = other_neighbor.externals.get_mut(&fixture::vni(104_009)).unwrap();
    internet.neighbors.insert("203.0.113.1".parse().unwrap(), Asn::new(65_001).unwrap());
    internet.neighbors.remove(&"2001:db8::1".parse().unwrap());
    let mut dark_exit = fixture::exit();
    dark_exit.down = fixture::ports(&["swp7"]);
    let roles = [
        ("spine", config(&fixture::spine())),
        ("exit", config(&fixture::exit())),
        ("other neighbour", config(&other_neighbor)),
        ("exit without neighbours", config(&no_neighbors)),
        ("exit again", config(&fixture::exit())),
        ("exit with a port down", config(&dark_exit)),
        ("machine", frr::machine(&fixture::machine())),
    ];
    tour(&node, &roles);
    clear(&node.frr());
}

#[test]
fn a_port_moves_with_its_devices() {
    let node = Node::start();
    let frr = node.frr();
    node.run("ip link add vni3981 type vxlan id 3981 dstport 4789 local 10.0.0.11 nolearning");
    for command in [
        "ip link set vni3981 netns vrf3981",
        "ip -n vrf3981 link add br3981 type bridge",
        "ip -n vrf3981 link set vni3981 master br3981",
        "ip -n vrf3981 link set vni3981 up",
        "ip -n vrf3981 link set br3981 up",
    ] {
        node.run(command);
    }
    let mut leaf = fixture::leaf();
    let empty = config(&leaf);
    fixture::machine_on(&mut leaf, 3981, "swp1", &["10.1.0.0/16", "fd00:1::/48"]);
    let allocated = config(&leaf);
    node.reach("empty", &empty);
    for _ in 0..3 {
        node.run("ip link set swp1 netns vrf3981");
        node.run("ip -n vrf3981 link set swp1 up");
        node.reach("allocated", &allocated);
        wait("the VNI is up", || frr.vnis().unwrap().get(&3981).is_some_and(|tunnel| tunnel.is_up));
        let sessions = frr.sessions().unwrap();
        let session = sessions.iter().find(|session| session.port == "swp1").unwrap();
        assert_eq!((session.vrf.as_str(), session.peer_group.as_str()), ("vrf3981", "MACHINE"));
        // First the neighbour goes, then the port, then the rest.
        let plan = frr.plan(&empty.tree()).unwrap();
        frr.apply(&plan.withdraw).unwrap();
        node.run("ip -n vrf3981 link set swp1 netns 1");
        node.run("ip link set swp1 up");
        frr.apply(&plan.announce).unwrap();
        node.is_at("released", &empty.tree());
        assert!(!frr.vnis().unwrap().contains_key(&3981));
    }
    let known: Vec<String> = frr.vrfs().unwrap().into_iter().collect();
    assert_eq!(known, ["vrf3981", "vrf3982", "vrfInternet", "vrfPartner"]);
}

/// Waits for something FRR does by itself; minutes are for machines that do much else.
pub fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1800 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("waited for: {what}");
}
