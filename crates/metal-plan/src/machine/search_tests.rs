//! Each criterion of a machine search, once so that it matches and once so that it does not.

use std::sync::Arc;

use metal_model::machine::{Availability, Bmc, Machine, MachineNetworkType, Role};
use metal_model::v1::{self, MachineFindRequest};

use super::find;
use crate::testbed::{allocate, allocation, env, inventory, network, rack};
use crate::{Class, Tx, registration, switch};

/// `m1` has everything that can be searched for, `m2` is free, `m3` is another project's firewall.
fn machines() -> Tx {
    let mut tx = rack();
    for (number, id) in ["m1", "m2", "m3"].into_iter().enumerate() {
        registration::register(&mut tx, &mut env(1), &inventory(id, number)).unwrap();
    }
    let mut held = allocation(Role::Machine);
    held.networks.push(network(
        "internet",
        MachineNetworkType::External,
        "212.34.83.0/27",
        &["212.34.83.1"],
        104,
    ));
    allocate(&mut tx, "m1", held);
    let mut other = allocation(Role::Firewall);
    other.project = "pr2".into();
    other.image = "firewall-3".into();
    (other.name, other.hostname) = ("fw".into(), "fw01".into());
    other.networks = vec![network("n3", MachineNetworkType::PrivatePrimaryUnshared, "10.3.0.0/22", &[], 43)];
    other.networks[0].asn = 4_210_000_003;
    other.networks[0].destination_prefixes.clear();
    allocate(&mut tx, "m3", other);
    tx.modify::<Machine>("m1", |machine| {
        machine.name = "record".into();
        machine.size = "s1".into();
        machine.rack = "r7".into();
        machine.state.value = Availability::Reserved;
        machine.tags = vec!["a".into(), "b".into()];
        let disks = [("/dev/sda", 100), ("/dev/sdb", 200)];
        machine.hardware = Arc::new(v1::MachineHardware {
            memory: 1024,
            disks: disks.map(|(name, size)| v1::MachineBlockDevice { name: name.into(), size }).into(),
            ..v1::MachineHardware::clone(&machine.hardware)
        });
    })
    .unwrap();
    tx.modify::<Bmc>("m1", |bmc| {
        bmc.user = "root".into();
        bmc.interface = "lanplus".into();
        bmc.fru = v1::MachineFru {
            chassis_part_number: "1".into(),
            chassis_part_serial: "2".into(),
            board_mfg: "3".into(),
            board_mfg_serial: "4".into(),
            board_part_number: "5".into(),
            product_manufacturer: "6".into(),
            product_part_number: "7".into(),
            product_serial: "8".into(),
        };
    })
    .unwrap();
    switch::set_vrf(&mut tx, &env(2), "m1", "vrf42");
    tx
}

type Set = fn(&mut MachineFindRequest);

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Name, a value only `m1` has, a value nobody has.
const CRITERIA: [(&str, Set, Set); 41] = [
    ("id", |r| r.id = text("m1"), |r| r.id = text("m")),
    ("name", |r| r.name = text("record"), |r| r.name = text("web")),
    ("sizeid", |r| r.sizeid = text("s1"), |r| r.sizeid = text("s2")),
    ("rackid", |r| r.rackid = text("r7"), |r| r.rackid = text("r8")),
    ("tags", |r| r.tags = list(&["b", "a"]), |r| r.tags = list(&["a", "c"])),
    ("allocation_name", |r| r.allocation_name = text("web"), |r| r.allocation_name = text("x")),
    ("allocation_project", |r| r.allocation_project = text("pr1"), |r| r.allocation_project = text("x")),
    (
        "allocation_image_id",
        |r| r.allocation_image_id = text("debian-12.0"),
        |r| r.allocation_image_id = text("x"),
    ),
    ("allocation_hostname", |r| r.allocation_hostname = text("web01"), |r| r.allocation_hostname = text("x")),
    ("allocation_role", |r| r.allocation_role = text("machine"), |r| r.allocation_role = text("x")),
    (
        "allocation_succeeded",
        |r| {
            r.allocation_succeeded = Some(false);
            r.allocation_name = text("web");
        },
        |r| r.allocation_succeeded = Some(true),
    ),
    ("network_ids", |r| r.network_ids = list(&["internet", "n1"]), |r| r.network_ids = list(&["n1", "n3"])),
    (
        "network_prefixes",
        |r| r.network_prefixes = list(&["10.1.0.0/22"]),
        |r| r.network_prefixes = list(&["10.1.0.0/27"]),
    ),
    ("network_ips", |r| r.network_ips = list(&["212.34.83.1"]), |r| r.network_ips = list(&["212.34.83.2"])),
    (
        "network_destination_prefixes",
        |r| r.network_destination_prefixes = list(&["0.0.0.0/0"]),
        |r| r.network_destination_prefixes = list(&["0.0.0.0/1"]),
    ),
    ("network_vrfs", |r| r.network_vrfs = vec![42, 104], |r| r.network_vrfs = vec![42, -1]),
    ("network_asns", |r| r.network_asns = vec![4_210_000_001], |r| r.network_asns = vec![i64::MAX]),
    ("hardware_memory", |r| r.hardware_memory = Some(1024), |r| r.hardware_memory = Some(-1024)),
    (
        "nics_mac_addresses",
        |r| {
            r.nics_mac_addresses = list(&["nic:00", "nic:01"]);
            r.name = text("record");
        },
        |r| r.nics_mac_addresses = list(&["nic:02"]),
    ),
    (
        "nics_names",
        |r| {
            r.nics_names = list(&["eth0"]);
            r.name = text("record");
        },
        |r| r.nics_names = list(&["eth9"]),
    ),
    ("nics_vrfs", |r| r.nics_vrfs = list(&["vrf42"]), |r| r.nics_vrfs = list(&["vrf1"])),
    (
        "nics_neighbor_mac_addresses",
        |r| r.nics_neighbor_mac_addresses = list(&["leaf01:00", "leaf02:00"]),
        |r| r.nics_neighbor_mac_addresses = list(&["leaf01:00", "leaf02:01"]),
    ),
    (
        "nics_neighbor_names",
        |r| r.nics_neighbor_names = list(&["port0"]),
        |r| r.nics_neighbor_names = list(&["port9"]),
    ),
    (
        "nics_neighbor_vrfs",
        |r| r.nics_neighbor_vrfs = list(&["vrf42"]),
        |r| r.nics_neighbor_vrfs = list(&["x"]),
    ),
    ("disk_names", |r| r.disk_names = list(&["/dev/sdb"]), |r| r.disk_names = list(&["/dev/sd"])),
    ("disk_sizes", |r| r.disk_sizes = vec![200, 100], |r| r.disk_sizes = vec![-100]),
    ("state RESERVED", |r| r.state_value = text("RESERVED"), |r| r.state_value = text("LOCKED")),
    ("state TAINTED", |r| r.state_value = text("TAINTED"), |r| r.state_value = text("LOCKED")),
    ("ipmi_address", |r| r.ipmi_address = text("10.0.0.1:623"), |r| r.ipmi_address = text("10.0.0.1")),
    ("ipmi_mac_address", |r| r.ipmi_mac_address = text("bmc:00"), |r| r.ipmi_mac_address = text("x")),
    ("ipmi_user", |r| r.ipmi_user = text("root"), |r| r.ipmi_user = text("x")),
    ("ipmi_interface", |r| r.ipmi_interface = text("lanplus"), |r| r.ipmi_interface = text("x")),
    (
        "chassis_part_number",
        |r| r.fru_chassis_part_number = text("1"),
        |r| r.fru_chassis_part_number = text("x"),
    ),
    (
        "chassis_part_serial",
        |r| r.fru_chassis_part_serial = text("2"),
        |r| r.fru_chassis_part_serial = text("x"),
    ),
    ("board_mfg", |r| r.fru_board_mfg = text("3"), |r| r.fru_board_mfg = text("x")),
    ("board_mfg_serial", |r| r.fru_board_mfg_serial = text("4"), |r| r.fru_board_mfg_serial = text("x")),
    ("board_part_number", |r| r.fru_board_part_number = text("5"), |r| r.fru_board_part_number = text("x")),
    (
        "product_manufacturer",
        |r| r.fru_product_manufacturer = text("6"),
        |r| r.fru_product_manufacturer = text("x"),
    ),
    (
        "product_part_number",
        |r| r.fru_product_part_number = text("7"),
        |r| r.fru_product_part_number = text("x"),
    ),
    ("product_serial", |r| r.fru_product_serial = text("8"), |r| r.fru_product_serial = text("x")),
    (
        "partition_id",
        |r| {
            r.partition_id = text("p1");
            r.sizeid = text("s1");
        },
        |r| r.partition_id = text("p2"),
    ),
];

fn ids(tx: &Tx, set: Set) -> Vec<String> {
    let mut req = MachineFindRequest::default();
    set(&mut req);
    find(tx.state(), &req).unwrap().iter().map(|machine| machine.id.to_string()).collect()
}

#[test]
fn each_criterion() {
    let tx = machines();
    for (name, hit, miss) in CRITERIA {
        assert_eq!(ids(&tx, hit), ["m1"], "{name}");
        assert_eq!(ids(&tx, miss), [] as [&str; 0], "{name}");
    }
}

#[test]
fn combinations() {
    let tx = machines();
    assert_eq!(ids(&tx, |_| {}), ["m1", "m2", "m3"]);
    assert_eq!(ids(&tx, |r| r.partition_id = text("p1")), ["m1", "m2", "m3"]);
    assert_eq!(ids(&tx, |r| r.state_value = text("")), ["m2", "m3"], "empty means available");
    assert_eq!(ids(&tx, |r| r.allocation_succeeded = Some(false)), ["m1", "m3"], "never the free one");
    assert_eq!(ids(&tx, |r| r.allocation_role = text("firewall")), ["m3"]);
    let contradiction: Set = |r| {
        r.allocation_project = text("pr1");
        r.allocation_role = text("firewall");
    };
    assert_eq!(ids(&tx, contradiction), [] as [&str; 0]);
}

#[test]
fn unreadable_values_are_refused() {
    let tx = machines();
    for (field, set) in [
        ("network_prefixes", (|r| r.network_prefixes = list(&["10.0.0.0/33"])) as Set),
        ("network_destination_prefixes", |r| r.network_destination_prefixes = list(&["x"])),
        ("network_ips", |r| r.network_ips = list(&["10.0.0"])),
        ("state_value", |r| r.state_value = text("BROKEN")),
    ] {
        let mut req = MachineFindRequest::default();
        set(&mut req);
        let refusal = find(tx.state(), &req).unwrap_err();
        assert_eq!((refusal.class, refusal.field), (Class::Invalid, Some(field)));
        assert!(refusal.message.contains(field), "{}", refusal.message);
    }
}
