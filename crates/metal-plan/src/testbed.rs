//! A small data centre for tests: partition `p1` with two leaves per rack, and inventories of machines plugged into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::id::{MachineId, NetworkId};
use metal_model::machine::{Allocation, Machine, MachineNetwork, MachineNetworkType, Role};
use metal_model::partition::Partition;
use metal_model::switch::Switch;
use metal_model::v1;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::registration::{BmcAccess, Inventory};
use crate::switch::{Neighbor, Nic};
use crate::{Caller, Env, Snapshot, Tx, switch};

/// When all tests begin.
pub const START: Timestamp = Timestamp::constant(1_700_000_000, 0);

/// So many seconds after the beginning.
pub fn env(seconds: i64) -> Env {
    let caller =
        Caller { name: "ops".to_owned(), email: "ops@example.org".to_owned(), tenant: "t1".to_owned() };
    Env::new(START + SignedDuration::from_secs(seconds), 1, caller)
}

/// An empty data centre with partition `p1`.
pub fn partition() -> Tx {
    let mut tx = Tx::new(&Snapshot::default());
    tx.put(Partition { id: "p1".into(), ..Partition::default() });
    tx
}

/// Partition `p1` with the leaves `leaf01` and `leaf02` in rack `r1`: four ports each, Cumulus and SONiC.
pub fn rack() -> Tx {
    let mut tx = partition();
    for (id, vendor) in [("leaf01", "Cumulus"), ("leaf02", "SONiC")] {
        switch::register(&mut tx, &mut env(0), &leaf(id, "r1", vendor, 4)).unwrap();
    }
    tx
}

/// The registration of a leaf with unsplit ports; identifiers are `<id>-<line>`.
pub fn leaf(id: &str, rack: &str, vendor: &str, ports: usize) -> v1::SwitchRegisterRequest {
    let nic = |number: usize| v1::SwitchNic {
        name: port(vendor, number),
        mac: format!("{id}:{number:02}"),
        identifier: format!("{id}-{number}"),
        ..v1::SwitchNic::default()
    };
    v1::SwitchRegisterRequest {
        id: id.to_owned(),
        name: Some(id.to_owned()),
        partition_id: "p1".to_owned(),
        rack_id: rack.to_owned(),
        os: Some(v1::SwitchOs { vendor: vendor.to_owned(), ..v1::SwitchOs::default() }),
        nics: (0..ports).map(nic).collect(),
        ..v1::SwitchRegisterRequest::default()
    }
}

/// Name of the port with this number, from 0.
pub fn port(vendor: &str, number: usize) -> String {
    match vendor {
        "Cumulus" | "Linux" => format!("swp{}", number + 1),
        _ => format!("Ethernet{}", number * 4),
    }
}

/// Interfaces plugged into these ports of these leaves.
pub fn cables(plugs: &[(&str, usize)]) -> Vec<Nic> {
    let nic = |(at, (leaf, number)): (usize, &(&str, usize))| Nic {
        mac: format!("nic:{at:02}"),
        name: format!("eth{at}"),
        identifier: String::new(),
        neighbors: vec![Neighbor {
            hostname: (*leaf).to_owned(),
            mac: format!("{leaf}:{number:02}"),
            name: format!("port{number}"),
            identifier: format!("{leaf}-{number}"),
        }],
    };
    plugs.iter().enumerate().map(nic).collect()
}

/// The inventory of a machine on the same port of both leaves.
pub fn inventory(machine: &str, number: usize) -> Inventory {
    Inventory {
        machine: machine.to_owned(),
        partition: "p1".to_owned(),
        hardware: Some(v1::MachineHardware { memory: 1 << 36, ..v1::MachineHardware::default() }),
        nics: cables(&[("leaf01", number), ("leaf02", number)]),
        bios: Some(v1::MachineBios { version: "1.0".to_owned(), ..v1::MachineBios::default() }),
        bmc: Some(BmcAccess {
            address: format!("10.0.0.{}:623", number + 1),
            mac: format!("bmc:{number:02}"),
            user: "metal".to_owned(),
            ..BmcAccess::default()
        }),
        tags: vec!["first".to_owned()],
        hammer_version: "v1".to_owned(),
    }
}

/// A network of an allocation.
pub fn network(id: &str, kind: MachineNetworkType, prefix: &str, ips: &[&str], vrf: u32) -> MachineNetwork {
    MachineNetwork {
        network: NetworkId::from(id),
        prefixes: vec![prefix.parse().unwrap()],
        destination_prefixes: vec!["0.0.0.0/0".parse().unwrap()],
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        kind,
        vrf,
        asn: 4_210_000_001,
        nat: false,
        project: "pr1".into(),
        network_type_v2: "child".to_owned(),
        nat_type_v2: "none".to_owned(),
    }
}

/// An allocation of project `pr1` in the private network `n1`.
pub fn allocation(role: Role) -> Allocation {
    let private = MachineNetworkType::PrivatePrimaryUnshared;
    Allocation {
        uuid: "a1".to_owned(),
        name: "web".to_owned(),
        project: "pr1".into(),
        hostname: "web01".to_owned(),
        image: "debian-12.0".into(),
        role,
        asn: 4_210_000_001,
        networks: vec![network("n1", private, "10.1.0.0/22", &["10.1.0.5"], 42)],
        ..Allocation::default()
    }
}

/// Gives a machine this allocation.
pub fn allocate(tx: &mut Tx, machine: &str, allocation: Allocation) -> Arc<Machine> {
    tx.modify::<Machine>(machine, |machine| machine.allocation = Some(Arc::new(allocation))).unwrap()
}

/// Names and VRFs of the ports of a switch that are not in the PXE network.
pub fn vrfs(tx: &Tx, switch: &str) -> BTreeMap<String, String> {
    let switch = tx.state().switches.get(switch).unwrap();
    let used = switch.ports.iter().filter(|port| !port.vrf.is_empty());
    used.map(|port| (port.name.clone(), port.vrf.clone())).collect()
}

/// Ports of a switch that a machine is connected to.
pub fn connection<'a>(switch: &'a Switch, machine: &str) -> &'a [String] {
    switch.connections.get(&MachineId::from(machine)).map_or(&[], Vec::as_slice)
}

/// Requests with some of these members, holding whatever JSON may hold; those that do not decode are left out.
pub fn any_request<T: DeserializeOwned + Default + std::fmt::Debug>(
    members: &'static [&'static str],
) -> impl Strategy<Value = T> {
    let text = prop_oneof![
        prop::sample::select(vec![
            "",
            "p1",
            "m1",
            "m2",
            "leaf01",
            "leaf02",
            "leaf03",
            "r1",
            "swp1",
            "Ethernet0",
            "UP",
            "DOWN",
            "replace",
            "RESERVED",
            "LOCKED",
            "TAINTED",
            "10.0.0.1",
            "10.0.0.0/8",
            "::1",
            "[::1]",
            "fe80::/64",
            "SONiC",
            "Cumulus",
            "minor",
            "crashloop",
            "pr1",
            "machine",
            "LED-ON",
            "\u{0}",
            "a/b",
            "swp1s9",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ];
    let number = prop_oneof![Just(0i64), Just(i64::MIN), Just(i64::MAX), -9i64..9];
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        number.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    let list = prop::collection::vec(leaf.clone(), 0..3).prop_map(Value::from);
    let port = (text.clone(), text.clone(), text.clone())
        .prop_map(|(name, mac, identifier)| json!({"name": name, "mac": mac, "identifier": identifier}));
    let ports = prop::collection::vec(port, 0..3).prop_map(Value::from);
    let os = text.clone().prop_map(|vendor| json!({ "vendor": vendor }));
    let states = prop::collection::btree_map(text.clone(), text.clone(), 0..3).prop_map(|map| json!(map));
    let report = (text.clone(), text.clone())
        .prop_map(|(ip, led)| json!({"BMCIp": ip, "IndicatorLEDState": led, "PowerMetric": {}, "FRU": null}));
    let reports = prop::collection::btree_map(text, report, 0..3).prop_map(|map| json!(map));
    let value = prop_oneof![4 => leaf, 2 => list, 1 => ports, 1 => os, 1 => states, 1 => reports];
    prop::collection::btree_map(prop::sample::select(members), value, 0..members.len().min(5))
        .prop_map(|map| v1::json::decode_value(json!(map)).unwrap_or_default())
}
