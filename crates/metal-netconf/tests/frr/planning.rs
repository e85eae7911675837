//! Plans between any two configurations lead where they should, say no more than needed, and stay closed on the way.

use metal_netconf::frr::{self, Command, Flavor, Plan, Tree};
use metal_netconf::intent::Switch;
use metal_netconf::name::Asn;
use proptest::prelude::*;

use crate::fixture;

fn tree(intent: &Switch) -> Tree {
    frr::switch(intent, Flavor::Netns).tree()
}

fn after(start: &Tree, plan: &Plan) -> Tree {
    let mut tree = start.clone();
    plan.commands().for_each(|command| tree.apply(command));
    tree
}

fn said(plan: &Plan) -> Vec<String> {
    plan.commands().map(Command::to_string).collect()
}

/// What may stand on one of the ports swp1 to swp8.
#[derive(Debug, Clone)]
enum Use {
    Nothing,
    Machine(u32, Vec<usize>),
    Firewall(Vec<usize>, Vec<u32>),
    Down(u32),
    Isolated,
}

const PREFIXES: [&str; 6] =
    ["10.1.0.0/16", "10.2.0.0/17", "10.2.128.0/17", "203.0.113.9/32", "fd00:1::/48", "fd00:77::1/128"];

fn any_use() -> impl Strategy<Value = Use> {
    let prefixes = || prop::collection::vec(0..PREFIXES.len(), 0..4);
    prop_oneof![
        Just(Use::Nothing),
        (1u32..4, prefixes()).prop_map(|(vni, prefixes)| Use::Machine(vni, prefixes)),
        (prefixes(), prop::collection::vec(1u32..4, 0..3)).prop_map(|(own, vnis)| Use::Firewall(own, vnis)),
        (1u32..4).prop_map(Use::Down),
        Just(Use::Isolated),
    ]
}

fn any_switch() -> impl Strategy<Value = Switch> {
    let bgp = (prop::bool::weighted(0.9), prop::option::of(1u16..3), 0u8..3, prop::bool::weighted(0.2));
    (prop::collection::vec(any_use(), 8), bgp).prop_map(|(uses, (is_usual, delay, uplinks, is_exit))| {
        let mut switch = if is_exit { fixture::exit() } else { fixture::leaf() };
        if is_exit {
            switch.externals.remove(&fixture::vni(104_010));
            switch.asn = fixture::leaf().asn;
        }
        if !is_usual {
            switch.asn = Asn::new(4_200_000_012).unwrap();
            switch.bgp.hold = 9;
        }
        switch.bgp.route_map_delay = delay;
        switch.uplinks = fixture::ports(&["swp31", "swp32"][..usize::from(uplinks)]);
        for (place, usage) in uses.into_iter().enumerate() {
            let name = format!("swp{}", place + 10);
            let texts = |own: &[usize]| own.iter().map(|place| PREFIXES[*place]).collect::<Vec<_>>();
            match usage {
                Use::Nothing => {}
                Use::Machine(vni, own) => fixture::machine_on(&mut switch, vni, &name, &texts(&own)),
                Use::Firewall(own, vnis) => fixture::firewall_on(&mut switch, &name, &texts(&own), &vnis),
                Use::Down(vni) => {
                    fixture::machine_on(&mut switch, vni, &name, &["10.9.0.0/16"]);
                    switch.down.insert(fixture::port(&name));
                }
                Use::Isolated => drop(switch.isolated.insert(fixture::port(&name))),
            }
        }
        switch
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_leads_to_what_is_wanted(one in any_switch(), other in any_switch()) {
        prop_assume!(one.faults().is_empty() && other.faults().is_empty());
        let (from, to) = (tree(&one), tree(&other));
        let plan = frr::plan(&from, &to);
        let reached = after(&from, &plan);
        prop_assert!(reached.is_same(&to), "{:#?}", said(&plan));
        prop_assert!(frr::plan(&reached, &to).is_empty());
        prop_assert!(frr::plan(&to, &to).is_empty());
        prop_assert_eq!(plan.is_empty(), from.is_same(&to));
    }

    #[test]
    fn everything_can_be_built_and_removed(intent in any_switch()) {
        let (nothing, all) = (Tree::default(), tree(&intent));
        prop_assert!(after(&nothing, &frr::plan(&nothing, &all)).is_same(&all));
        let left = after(&all, &frr::plan(&all, &nothing));
        prop_assert!(left.is_same(&Tree::parse("frr defaults datacenter")), "{left:?}");
    }

    #[test]
    fn a_neighbor_that_appears_is_closed_from_its_first_moment(one in any_switch(), other in any_switch()) {
        let (from, to) = (tree(&one), tree(&other));
        let mut state = from.clone();
        for command in frr::plan(&from, &to).commands() {
            state.apply(command);
            prop_assert_eq!(open_neighbors(&state), Vec::<String>::new(), "after {}", command);
        }
    }
}

/// Neighbours in the groups of machines and firewalls that some family leaves unfiltered, and lists and maps that let
/// everything in.
fn open_neighbors(tree: &Tree) -> Vec<String> {
    let mut open = Vec::new();
    for (head, block) in tree.blocks() {
        if let Some(map) = head.strip_prefix("route-map ")
            && let Some((name, _)) = map.split_once(" permit ")
            && (name.contains("-in") || name.contains("-vni"))
            && !name.starts_with("ext")
            && !block.lines.iter().any(|line| line.starts_with("match "))
        {
            open.push(head.clone());
        }
        for group in ["MACHINE", "FIREWALL"] {
            let has_members = block.lines.iter().any(|line| line.ends_with(&format!(" peer-group {group}")));
            let filter = format!("neighbor {group} route-map CLOSED in");
            let is_open =
                |family: &str| !block.families.get(family).is_some_and(|lines| lines.contains(&filter));
            if has_members && ["ipv4 unicast", "ipv6 unicast"].iter().any(|family| is_open(family)) {
                open.push(format!("{head} {group}"));
            }
            let telling = format!("neighbor {group} route-map CLOSED out");
            if has_members && group == "FIREWALL" && !block.families["l2vpn evpn"].contains(&telling) {
                open.push(format!("{head} {group} evpn"));
            }
        }
        // A map is used only while the list it asks exists: a list without entries would permit everything.
        for line in block.lines.iter().filter(|line| line.contains("address prefix-list ")) {
            let list = line.replacen("match ", "", 1).replacen("address ", "", 1);
            if !tree.globals().iter().any(|entry| entry.starts_with(&format!("{list} "))) {
                open.push(format!("{head}: {line}"));
            }
        }
    }
    open
}

#[test]
fn one_more_machine_costs_the_same_whatever_else_there_is() {
    let mut small = fixture::leaf();
    fixture::machine_on(&mut small, 3981, "swp1", &["10.1.0.0/16"]);
    let mut large = small.clone();
    for number in 1..200 {
        fixture::machine_on(&mut large, number, &format!("Ethernet{number}"), &["10.1.0.0/16", "fd00::/48"]);
    }
    let mut costs = Vec::new();
    for before in [small, large] {
        let mut after = before.clone();
        fixture::machine_on(&mut after, 3981, "swp2", &["10.1.0.0/16"]);
        let (from, to) = (tree(&before), tree(&after));
        costs.push((frr::plan(&from, &to).len(), frr::plan(&to, &from).len()));
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0], (6, 5));
}

#[test]
fn what_frr_adds_and_what_others_wrote_is_left_alone() {
    let running = "frr version 10.3\nfrr defaults datacenter\nhostname leaf01\nno ip forwarding\nlog syslog\n!\n\
        ip prefix-list swp1-in-prefixes seq 5 permit 10.1.0.0/16 le 32\n!\ninterface eth0\n description uplink\n\
        ip address 10.0.0.1/24\nexit\n!\nrouter ospf\n network 10.0.0.0/8 area 0\nexit\n!\nvrf vrf7\nexit-vrf\n!\nend\n";
    let wanted = "frr defaults datacenter\nip prefix-list swp1-in-prefixes permit 10.1.0.0/16 le 32\n";
    assert_eq!(said(&frr::plan(&Tree::parse(running), &Tree::parse(wanted))), Vec::<String>::new());
}

#[test]
fn a_port_that_changes_its_table_is_dismissed_before_it_moves() {
    let (mut before, mut after) = (fixture::leaf(), fixture::leaf());
    fixture::machine_on(&mut before, 3981, "swp1", &["10.1.0.0/16"]);
    fixture::machine_on(&mut before, 3981, "swp2", &["10.1.0.0/16"]);
    fixture::machine_on(&mut after, 3982, "swp1", &["10.1.0.0/16"]);
    fixture::machine_on(&mut after, 3981, "swp2", &["10.1.0.0/16"]);
    let plan = frr::plan(&tree(&before), &tree(&after));
    let withdraw: Vec<String> = plan.withdraw.iter().map(Command::to_string).collect();
    assert_eq!(
        withdraw,
        [
            "router bgp 4200000011 vrf vrf3981 / no neighbor swp1 interface peer-group MACHINE",
            "interface swp1 vrf vrf3981 / no ipv6 nd ra-interval 6",
            "interface swp1 vrf vrf3981 / ipv6 nd suppress-ra",
        ]
    );
}

/// With VRF devices a port exists once, and FRR prints it without its table; the file says it all the same, for old FRR.
#[test]
fn a_port_that_changes_its_table_goes_on_with_its_advertisements_where_tables_are_devices() {
    let (mut before, mut after) = (fixture::leaf(), fixture::leaf());
    fixture::machine_on(&mut before, 3981, "swp1", &["10.1.0.0/16"]);
    fixture::machine_on(&mut after, 3982, "swp1", &["10.1.0.0/16"]);
    let config = |intent| frr::switch(intent, Flavor::Vrf);
    assert!(config(&before).to_text().contains("interface swp1 vrf vrf3981\n"));
    let said = said(&frr::plan(&config(&before).tree(), &config(&after).tree()));
    assert!(!said.iter().any(|command| command.starts_with("interface ")), "{said:#?}");
}

#[test]
fn a_table_loses_its_vni_before_its_bgp() {
    let mut before = fixture::leaf();
    fixture::machine_on(&mut before, 3981, "swp1", &["10.1.0.0/16"]);
    let plan = frr::plan(&tree(&before), &tree(&fixture::leaf()));
    let withdraw: Vec<String> = plan.withdraw.iter().map(Command::to_string).collect();
    assert_eq!(withdraw.first().unwrap(), "vrf vrf3981 / no vni 3981");
    assert_eq!(withdraw.last().unwrap(), "no router bgp 4200000011 vrf vrf3981");
    // A changed number takes every instance with it, the default one last.
    let mut other = before.clone();
    other.asn = Asn::new(65_000).unwrap();
    let plan = frr::plan(&tree(&before), &tree(&other));
    assert_eq!(plan.withdraw.last().unwrap().to_string(), "no router bgp 4200000011");
    assert!(said(&plan).contains(&"vrf vrf3981 / vni 3981".to_owned()));
}
