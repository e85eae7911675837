//! Columns of networks and addresses. Networks are shown as a tree: children under what they were taken from.

use std::collections::BTreeMap;

use metal_model::v1::{IpResponse, NetworkResponse, NetworkUsage};

use super::cell::row;
use super::{Cell, Colour, Row, View};

/// How full something is, in the colour of the urgency.
fn usage(used: u64, of: u64) -> Cell {
    if of == 0 {
        return Cell::default();
    }
    let text = format!("{used}/{of}");
    // Whole numbers up to 2^64 do not fit a float exactly, which does not matter for a colour.
    match used.saturating_mul(100) / of {
        90.. => Cell::coloured(text, Colour::Red),
        70.. => Cell::coloured(text, Colour::Yellow),
        _ => Cell::from(text),
    }
}

fn sum(network: &NetworkResponse, of: fn(&NetworkUsage) -> u64) -> u64 {
    let parts = [&network.consumption.ipv4, &network.consumption.ipv6];
    if parts.iter().all(|p| p.is_none()) {
        return of(&network.usage);
    }
    parts.into_iter().flatten().map(of).fold(0, u64::saturating_add)
}

impl Row for NetworkResponse {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "ID",
                "Description",
                "Name",
                "Project",
                "Partition",
                "Nat",
                "Shared",
                "Child Prefixes",
                "Prefixes",
                "IP Usage",
                "VRF",
                "Parent",
                "Labels",
            ]
        } else {
            &["ID", "Name", "Project", "Partition", "Nat", "Shared", "Child Prefixes", "Prefixes", "IP Usage"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let children = usage(sum(self, |u| u.used_prefixes), sum(self, |u| u.available_prefixes));
        let ips = usage(sum(self, |u| u.used_ips), sum(self, |u| u.available_ips));
        let nat = self.nat.to_string();
        let shared = self.shared.to_string();
        let prefixes = self.prefixes.join(",");
        if !view.wide {
            return row![
                &self.id,
                &self.name,
                &self.projectid,
                &self.partitionid,
                nat,
                shared,
                children,
                prefixes,
                ips
            ];
        }
        row![
            &self.id,
            &self.description,
            &self.name,
            &self.projectid,
            &self.partitionid,
            nat,
            shared,
            children,
            prefixes,
            ips,
            self.vrf.map(|v| v.to_string()).unwrap_or_default(),
            self.parentnetworkid.clone().unwrap_or_default(),
            pairs(&self.labels),
        ]
    }
}

/// `key=value` pairs.
pub fn pairs(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(k, v)| if v.is_empty() { k.clone() } else { format!("{k}={v}") })
        .collect::<Vec<_>>()
        .join(",")
}

/// Puts children under their parents and marks them, for a table.
pub fn tree(networks: Vec<NetworkResponse>) -> Vec<NetworkResponse> {
    let ids: std::collections::BTreeSet<String> = networks.iter().map(|n| n.id.clone()).collect();
    let (mut children, mut roots): (BTreeMap<String, Vec<NetworkResponse>>, Vec<NetworkResponse>) =
        Default::default();
    for network in networks {
        match network.parentnetworkid.clone().filter(|p| ids.contains(p) && *p != network.id) {
            Some(parent) => children.entry(parent).or_default().push(network),
            None => roots.push(network),
        }
    }
    roots.sort_by(|a, b| a.id.cmp(&b.id));
    let mut rows = Vec::new();
    for root in roots {
        let mut below = children.remove(&root.id).unwrap_or_default();
        below.sort_by(|a, b| a.id.cmp(&b.id));
        rows.push(root);
        let last = below.len().saturating_sub(1);
        for (i, mut child) in below.into_iter().enumerate() {
            child.id = format!("{}─{}", if i == last { "└" } else { "├" }, child.id);
            rows.push(child);
        }
    }
    // Networks have two levels; anything deeper is shown rather than lost.
    rows.extend(children.into_values().flatten());
    rows
}

impl Row for IpResponse {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &["IP", "Allocation UUID", "Description", "Name", "Network", "Project", "Type", "Tags"]
        } else {
            &["IP", "Description", "Name", "Network", "Project", "Type", "Tags"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let mut cells = row![Cell::sorted(&self.ipaddress, &address_key(&self.ipaddress))];
        if view.wide {
            cells.push(Cell::from(&self.allocationuuid));
        }
        let tags = self.tags.join(",");
        cells.extend(row![&self.description, &self.name, &self.networkid, &self.projectid, &self.kind, tags]);
        cells
    }
}

/// Text that sorts like the address.
fn address_key(address: &str) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => format!("4-{:010}", u32::from(v4)),
        Ok(std::net::IpAddr::V6(v6)) => format!("6-{:039}", u128::from(v6)),
        Err(_) => address.to_owned(),
    }
}
