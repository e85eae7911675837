//! Tags of an allocated machine: the user's, with the system's on top.

use std::collections::BTreeMap;

use metal_model::machine::Machine;

use crate::Snapshot;

/// ASN of the primary network.
const ASN: &str = "machine.metal-stack.io/network.primary.asn";
/// Rack, if known.
const RACK: &str = "machine.metal-stack.io/rack";
/// Serial number of the chassis, if known.
const CHASSIS: &str = "machine.metal-stack.io/chassis";

/// The user's tags merged with the system's, without duplicates, sorted.
///
/// A tag with an equals sign is a label: the last value of a key counts, and the system's labels always win.
pub fn machine_tags(snapshot: &Snapshot, machine: &Machine, asn: u32, user: &[String]) -> Vec<String> {
    let mut labels: BTreeMap<&str, String> = BTreeMap::new();
    let mut tags = Vec::new();
    for tag in user {
        match tag.split_once('=') {
            Some((key, value)) => {
                labels.insert(key, value.to_owned());
            }
            None => tags.push(tag.clone()),
        }
    }
    labels.insert(ASN, asn.to_string());
    if !machine.rack.is_empty() {
        labels.insert(RACK, machine.rack.to_string());
    }
    let bmc = snapshot.bmcs.get(machine.id.as_str());
    if let Some(serial) = bmc.map(|bmc| &bmc.fru.chassis_part_serial).filter(|serial| !serial.is_empty()) {
        labels.insert(CHASSIS, serial.clone());
    }
    tags.extend(labels.into_iter().map(|(key, value)| format!("{key}={value}")));
    tags.sort_unstable();
    tags.dedup();
    tags
}
