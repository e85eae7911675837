//! Cabling: what is accepted, and each way it can be wrong.

use super::*;
use crate::testbed::{cables, connection, env, leaf, rack, vrfs};
use crate::{Class, Error, Tx};

fn plug(tx: &mut Tx, machine: &str, nics: &[Nic]) -> Result<String, Error> {
    connect(tx, &mut env(1), &machine.into(), &"p1".into(), nics).map(|rack| rack.to_string())
}

fn with_second_rack() -> Tx {
    let mut tx = rack();
    for id in ["leaf03", "leaf04"] {
        register(&mut tx, &mut env(0), &leaf(id, "r2", "SONiC", 4)).unwrap();
    }
    tx
}

#[test]
fn mirrored_cables_are_accepted() {
    let mut tx = rack();
    assert_eq!(plug(&mut tx, "m1", &cables(&[("leaf01", 0), ("leaf02", 0)])).unwrap(), "r1");
    assert_eq!(
        plug(&mut tx, "m2", &cables(&[("leaf01", 1), ("leaf02", 2), ("leaf01", 2), ("leaf02", 1)])).unwrap(),
        "r1"
    );
    let leaf01 = tx.state().switches.get("leaf01").unwrap();
    assert_eq!(connection(leaf01, "m1"), ["swp1"]);
    assert_eq!(connection(leaf01, "m2"), ["swp2", "swp3"]);
    assert_eq!(connection(tx.state().switches.get("leaf02").unwrap(), "m2"), ["Ethernet4", "Ethernet8"]);
}

#[test]
fn identifiers_fall_back_to_mac_addresses_and_names_of_switches_may_be_empty() {
    let mut tx = partition_with_anonymous_leaves();
    let mut nics = cables(&[("leaf01", 0), ("leaf02", 0)]);
    for neighbor in nics.iter_mut().flat_map(|nic| &mut nic.neighbors) {
        neighbor.identifier.clear();
        neighbor.hostname = "anything".to_owned();
    }
    plug(&mut tx, "m1", &nics).unwrap();
}

fn partition_with_anonymous_leaves() -> Tx {
    let mut tx = crate::testbed::partition();
    for id in ["leaf01", "leaf02"] {
        let mut request = leaf(id, "r1", "SONiC", 2);
        request.name = None;
        request.nics.iter_mut().for_each(|nic| nic.identifier.clear());
        register(&mut tx, &mut env(0), &request).unwrap();
    }
    tx
}

#[test]
fn wrong_cables_are_refused() {
    let mut tx = with_second_rack();
    plug(&mut tx, "m0", &cables(&[("leaf01", 3), ("leaf02", 3)])).unwrap();
    for (plugs, why) in [
        (&[][..], "exactly two switches"),
        (&[("leaf01", 0)], "exactly two switches"),
        (&[("leaf01", 0), ("elsewhere", 0)], "exactly two switches"),
        (&[("leaf01", 0), ("leaf02", 0), ("leaf03", 0)], "LLDP shows 3: [leaf01, leaf02, leaf03]"),
        (&[("leaf01", 0), ("leaf01", 1), ("leaf02", 0)], "has 2 connections to switch leaf01 but 1"),
        (&[("leaf01", 0), ("leaf03", 0)], "different racks"),
        (
            &[("leaf01", 3), ("leaf02", 3)],
            "port swp4 of switch leaf01 is connected to machine m1 and to machine m0",
        ),
        (&[("leaf01", 0), ("leaf02", 3)], "port Ethernet12 of switch leaf02 is connected"),
        (&[("leaf01", 0), ("leaf02", 1)], "not to port Ethernet0 of switch leaf02"),
        (&[("leaf01", 0), ("leaf02", 0), ("leaf01", 1), ("leaf02", 2)], "not to port Ethernet4"),
    ] {
        let refusal = plug(&mut tx, "m1", &cables(plugs)).unwrap_err();
        assert_eq!(refusal.class, Class::Refused, "{plugs:?}");
        assert!(refusal.message.contains(why), "{plugs:?}: {}", refusal.message);
    }
}

#[test]
fn neighbors_with_another_host_name_do_not_count() {
    let mut tx = rack();
    let mut nics = cables(&[("leaf01", 0), ("leaf02", 0)]);
    nics[1].neighbors[0].hostname = "leaf2".to_owned();
    assert!(plug(&mut tx, "m1", &nics).unwrap_err().message.contains("LLDP shows 1: [leaf01]"));
}

#[test]
fn unreadable_port_names_are_refused_between_vendors() {
    let mut tx = rack();
    let mut request = leaf("leaf01", "r1", "Cumulus", 4);
    request.nics[3].name = "mgmt0".to_owned();
    register(&mut tx, &mut env(0), &request).unwrap();
    let refusal = plug(&mut tx, "m1", &cables(&[("leaf01", 0), ("leaf02", 0)])).unwrap_err();
    assert!(refusal.message.contains("mgmt0"), "{}", refusal.message);
}

#[test]
fn a_machine_moves_within_its_rack_but_not_to_another() {
    let mut tx = with_second_rack();
    plug(&mut tx, "m1", &cables(&[("leaf01", 0), ("leaf02", 0)])).unwrap();
    assert_eq!(set_vrf(&mut tx, &env(2), "m1", "vrf42"), 2);
    plug(&mut tx, "m1", &cables(&[("leaf01", 1), ("leaf02", 1)])).unwrap();
    assert!(vrfs(&tx, "leaf01").is_empty(), "the port it left must not stay in the tenant's network");
    let refusal = plug(&mut tx, "m1", &cables(&[("leaf03", 0), ("leaf04", 0)])).unwrap_err();
    assert!(refusal.message.contains("delete it first"), "{}", refusal.message);
    assert_eq!(disconnect(&mut tx, &mut env(2), "m1").len(), 2);
    plug(&mut tx, "m1", &cables(&[("leaf03", 0), ("leaf04", 0)])).unwrap();
}

#[test]
fn vrfs_touch_only_the_ports_of_the_machine() {
    let mut tx = rack();
    plug(&mut tx, "m1", &cables(&[("leaf01", 0), ("leaf02", 0)])).unwrap();
    plug(&mut tx, "m2", &cables(&[("leaf01", 1), ("leaf02", 1)])).unwrap();
    assert_eq!(set_vrf(&mut tx, &env(2), "m2", "vrf7"), 2);
    assert_eq!(set_vrf(&mut tx, &env(2), "nobody", "vrf8"), 0);
    assert_eq!(vrfs(&tx, "leaf01"), [("swp2".to_owned(), "vrf7".to_owned())].into());
    assert_eq!(vrfs(&tx, "leaf02"), [("Ethernet4".to_owned(), "vrf7".to_owned())].into());
    let mut again = Tx::new(tx.state());
    assert_eq!(set_vrf(&mut again, &env(2), "m2", "vrf7"), 2);
    assert!(again.is_empty(), "nothing changes, nothing is written");
}
