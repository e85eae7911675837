//! What FRR refuses is told with its words, what hostile machines say is not believed, and a dead daemon is noticed.

use std::time::Duration;

use metal_core::frr::FrrError;
use metal_netconf::frr::{self, Command, Flavor, Tree};

use crate::fixture;
use crate::node::Node;
use crate::round_trip::wait;

#[test]
fn refusals_name_the_command_and_the_reason() {
    let node = Node::start();
    let frr = node.frr();
    node.reach("spine", &frr::switch(&fixture::spine(), Flavor::Netns));
    let say = |context: &str, line: &str| Command::new(vec![context.to_owned()], line.to_owned());
    let commands = [
        say("router bgp 4200000001", "neighbor FABRIC timers 3 9"),
        say("router bgp 4200000001", "neighbor nobody activate"),
        say("router bgp 4200000001", "neighbor FABRIC timers 5 15"),
    ];
    let Err(FrrError::Refused { command, answer }) = frr.apply(&commands) else { panic!("was not refused") };
    assert_eq!(command, "router bgp 4200000001 / neighbor nobody activate");
    assert!(answer.contains("remote-as"), "{answer}");
    let running = frr.running().unwrap();
    let lines = &running.blocks()["router bgp 4200000001"].lines;
    assert!(lines.contains(&"neighbor FABRIC timers 3 9".to_owned()), "what came before counts: {lines:?}");

    let Err(FrrError::Refused { answer, .. }) = frr.apply(&[say("router bgp 4200000001", "no such words")])
    else {
        panic!("was not refused")
    };
    assert!(answer.contains("Unknown command"), "{answer}");
    let Err(FrrError::Invalid { answer }) = frr.validate("router bgp 1\n neighbour swp1\nexit\n") else {
        panic!("was accepted")
    };
    assert!(answer.contains("line 2"), "{answer}");
}

#[test]
fn a_hung_or_dead_daemon_is_an_error_not_an_empty_configuration() {
    let node = Node::start();
    let frr = node.frr();
    assert!(frr.is_running().unwrap());
    node.run("pkill -STOP bgpd");
    let hasty = frr.clone().with_patience(Duration::from_secs(2));
    assert!(matches!(hasty.running(), Err(FrrError::TimedOut { .. })));
    node.run("pkill -KILL bgpd");
    wait("bgpd is gone", || !frr.is_running().unwrap());
    let Err(FrrError::Incomplete { missing }) = frr.running() else {
        panic!("a part was taken for the whole")
    };
    assert_eq!(missing, "bgpd");
    node.run("pkill -KILL zebra");
    node.run("pkill -KILL staticd");
    node.run("pkill -KILL mgmtd");
    wait("nothing runs", || !frr.is_running().unwrap());
    assert!(frr.running().is_err());
}

/// The machine is FRR in the other table, with a number of its own.
const MACHINE: &str = "interface x-swp1 vrf vrf3982\n ipv6 nd ra-interval 6\n no ipv6 nd suppress-ra\nexit\n\
    router bgp 65001 vrf vrf3982\n bgp router-id 10.1.2.3\n neighbor x-swp1 interface remote-as external\n \
    address-family ipv4 unicast\n  redistribute connected\n exit-address-family\n \
    address-family ipv6 unicast\n  redistribute connected\n  neighbor x-swp1 activate\n exit-address-family\nexit\n";

fn with_machine(config: &frr::Config) -> Tree {
    Tree::parse(&format!("{config}{MACHINE}"))
}

/// Puts the ends of a cable into two tables, the second of which has addresses.
fn plug(node: &Node, addresses: &[&str]) {
    for command in [
        "ip link set swp1 netns vrf3981",
        "ip link set x-swp1 netns vrf3982",
        "ip -n vrf3981 link set lo up",
        "ip -n vrf3982 link set lo up",
        "ip -n vrf3981 link set swp1 up",
        "ip -n vrf3982 link set x-swp1 up",
    ] {
        node.run(command);
    }
    for address in addresses {
        node.run(&format!("ip -n vrf3982 address add {address} dev lo"));
    }
}

fn lead(node: &Node, wanted: &Tree) {
    let frr = node.frr();
    let plan = frr.plan(wanted).unwrap();
    frr.apply(&plan.withdraw).unwrap();
    frr.apply(&plan.announce).unwrap();
    node.is_at("with the machine", wanted);
}

/// State of the session with the machine, and how many of its prefixes are accepted.
fn accepted(node: &Node) -> Option<(String, i64)> {
    let sessions = node.frr().sessions().unwrap();
    sessions
        .iter()
        .find(|session| session.port == "swp1")
        .map(|session| (session.state.clone(), session.accepted))
}

/// Nobody has to open the session again by hand.
#[test]
fn a_machine_that_said_too_much_is_heard_again() {
    let node = Node::start();
    let many: Vec<String> = (1..=9).map(|last| format!("10.1.2.{last}/32")).collect();
    plug(&node, &many.iter().map(String::as_str).collect::<Vec<_>>());
    let mut leaf = fixture::leaf();
    leaf.bgp.maximum_prefix = 5;
    fixture::machine_on(&mut leaf, 3981, "swp1", &["10.1.0.0/16"]);
    lead(&node, &with_machine(&frr::switch(&leaf, Flavor::Netns)));
    wait("the session is closed", || {
        node.output(&["vtysh", "-c", "show bgp vrf vrf3981 summary"]).contains("PfxCt")
    });
    for address in &many[3..] {
        node.run(&format!("ip -n vrf3982 address del {address} dev lo"));
    }
    wait("it is open again", || accepted(&node) == Some(("Established".to_owned(), 3)));
}

/// Two tables of one device, a port of each at the ends of one cable: one is the leaf, the other a hostile machine.
#[test]
fn a_machine_is_believed_only_what_its_port_may_announce() {
    let node = Node::start();
    plug(&node, &["10.1.2.3/32", "8.8.8.8/32", "fd00:1::7/128", "fd00:666::1/128"]);
    let mut leaf = fixture::leaf();
    fixture::machine_on(&mut leaf, 3981, "swp1", &["10.1.0.0/16", "fd00:1::/48"]);
    let honest = frr::switch(&leaf, Flavor::Netns);
    fixture::machine_on(&mut leaf, 3981, "swp1", &[]);
    let nothing = frr::switch(&leaf, Flavor::Netns);
    let lead = |wanted: &Tree| lead(&node, wanted);
    let accepted = || accepted(&node);
    lead(&with_machine(&honest));
    wait("its own addresses are accepted, of both families", || {
        accepted() == Some(("Established".to_owned(), 2))
    });
    lead(&with_machine(&nothing));
    wait("nothing is accepted", || accepted() == Some(("Established".to_owned(), 0)));
    lead(&with_machine(&honest));
    wait("they are accepted again", || accepted() == Some(("Established".to_owned(), 2)));
    let routes = || node.run("ip -n vrf3981 route") + &node.run("ip -n vrf3981 -6 route");
    wait("they are routed", || routes().contains("10.1.2.3") && routes().contains("fd00:1::7"));
    let routes = routes();
    assert!(!routes.contains("8.8.8.8") && !routes.contains("fd00:666"), "{routes}");
}
