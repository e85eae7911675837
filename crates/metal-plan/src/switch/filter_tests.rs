//! What may be announced on ports, by who has the machine.

use std::sync::Arc;

use ipnet::IpNet;
use metal_model::machine::{Allocation, Machine, MachineNetworkType, Role};
use metal_model::network::{Ip, IpType, Network};
use metal_model::v1::BgpFilter;

use super::*;
use crate::registration;
use crate::testbed::{allocate, allocation, env, inventory, network, rack};
use crate::{Class, Tx};

fn used_rack(allocation: Allocation) -> Tx {
    let mut tx = rack();
    registration::register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    allocate(&mut tx, "m1", allocation);
    tx.put(Network {
        id: "n1".into(),
        parent: Some("super".into()),
        prefixes: vec!["10.1.0.0/22".parse().unwrap()],
        vrf: 42,
        ..Network::default()
    });
    tx.put(Network {
        id: "super".into(),
        private_super: true,
        additional_announcable_cidrs: vec!["10.240.0.0/12".into(), "nonsense".into()],
        ..Network::default()
    });
    for (address, project) in [
        ("10.1.0.5", "pr1"),
        ("212.34.83.4", "pr1"),
        ("212.34.83.5", "pr1"),
        ("2001:db8::7", "pr1"),
        ("212.34.83.9", "other"),
        ("10.200.0.1", "pr1"),
    ] {
        tx.put(Ip {
            address: address.parse().unwrap(),
            allocation_uuid: String::new(),
            created: crate::testbed::START,
            changed: crate::testbed::START,
            name: String::new(),
            description: String::new(),
            parent_prefix: "0.0.0.0/0".parse::<IpNet>().unwrap(),
            network: "n".into(),
            project: project.into(),
            kind: IpType::Ephemeral,
            tags: Vec::new(),
        });
    }
    tx
}

fn filter(tx: &Tx) -> Option<BgpFilter> {
    let view = response(tx.state(), tx.state().switches.get("leaf01").unwrap()).unwrap();
    assert!(view.nics[1..].iter().all(|nic| nic.filter.is_none()), "only where a machine is");
    view.nics[0].filter.clone()
}

#[test]
fn machines_announce_their_network_and_the_projects_addresses_elsewhere() {
    let tx = used_rack(allocation(Role::Machine));
    let filter = filter(&tx).unwrap();
    assert_eq!(
        filter.cidrs,
        ["10.1.0.0/22", "10.200.0.1/32", "10.240.0.0/12", "2001:db8::7/128", "212.34.83.4/31"]
    );
    assert!(filter.vnis.is_empty());
    let desired = desired(tx.state(), tx.state().switches.get("leaf01").unwrap());
    assert_eq!(desired.ports[0].cidrs, filter.cidrs);
    assert_eq!((desired.ports[0].machine.as_str(), desired.ports[1].machine.as_str()), ("m1", ""));
    assert_eq!(
        list_response(tx.state(), tx.state().switches.get("leaf01").unwrap()).nics[0].filter,
        Some(filter)
    );
}

#[test]
fn addresses_in_underlay_prefixes_are_left_out_and_the_last_private_network_counts() {
    let mut machine = allocation(Role::Machine);
    machine.networks.push(network("u1", MachineNetworkType::Underlay, "10.200.0.0/16", &[], 0));
    machine.networks.push(network("n2", MachineNetworkType::PrivateSecondaryShared, "10.9.0.0/22", &[], 9));
    let mut tx = used_rack(machine);
    tx.put(Network { id: "n2".into(), prefixes: vec!["10.9.0.0/22".parse().unwrap()], ..Network::default() });
    assert_eq!(filter(&tx).unwrap().cidrs, ["10.9.0.0/22", "2001:db8::7/128", "212.34.83.4/31"]);
}

#[test]
fn missing_networks_are_errors_of_single_reads_only() {
    for gone in ["n1", "super"] {
        let mut tx = used_rack(allocation(Role::Machine));
        tx.delete::<Network>(gone);
        let switch = Arc::clone(tx.state().switches.get("leaf01").unwrap());
        let refusal = response(tx.state(), &switch).unwrap_err();
        assert_eq!(refusal.class, Class::NotFound);
        assert!(refusal.message.contains(gone), "{}", refusal.message);
        let lenient = list_response(tx.state(), &switch);
        assert!(!lenient.nics[0].filter.as_ref().unwrap().cidrs.contains(&"10.240.0.0/12".to_owned()));
    }
}

#[test]
fn firewalls_announce_their_underlay_addresses_once_they_are_installed() {
    let mut firewall = allocation(Role::Firewall);
    firewall.networks.push(network("u1", MachineNetworkType::Underlay, "10.200.0.0/16", &["10.200.0.7"], 0));
    firewall.networks.push(network(
        "internet",
        MachineNetworkType::External,
        "0.0.0.0/0",
        &["212.34.83.4"],
        104_009,
    ));
    let mut tx = used_rack(firewall);
    assert_eq!(filter(&tx), Some(BgpFilter::default()));
    set_vrf(&mut tx, &env(2), "m1", "default");
    let filter = filter(&tx).unwrap();
    assert_eq!(filter.cidrs, ["10.200.0.7/32"]);
    assert_eq!(filter.vnis, ["104009", "42"]);
}

#[test]
fn free_machines_have_no_filter() {
    let mut tx = used_rack(allocation(Role::Machine));
    tx.modify::<Machine>("m1", |machine| machine.allocation = None).unwrap();
    assert_eq!(filter(&tx), None);
}
