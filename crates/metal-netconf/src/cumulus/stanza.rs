//! Files in the form of ifupdown2: stanzas with a head and indented lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::name::{VlanId, Vni};

/// A file as stanzas by their head, for example `iface swp1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanzas(BTreeMap<String, BTreeSet<String>>);

/// A difference between two files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A stanza that is new.
    Added(String),
    /// A stanza that is gone.
    Removed(String),
    /// A stanza whose lines differ.
    Changed(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(head) => write!(f, "add {head}"),
            Self::Removed(head) => write!(f, "remove {head}"),
            Self::Changed(head) => write!(f, "change {head}"),
        }
    }
}

impl Stanzas {
    /// Reads a file. Comments, blank lines, `auto` lines and the amount of blanks do not count; what cannot be
    /// understood becomes a stanza of its own, so that it is seen as a difference.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut stanzas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut head = None;
        for raw in text.lines() {
            let line = raw.split_whitespace().collect::<Vec<_>>().join(" ");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let word = line.split(' ').next().unwrap_or_default();
            if matches!(word, "auto" | "allow-hotplug") {
                head = None;
            } else if matches!(word, "iface" | "source" | "vlan") {
                stanzas.entry(line.clone()).or_default();
                head = Some(line);
            } else if let Some(head) = &head {
                stanzas.entry(head.clone()).or_default().insert(line);
            } else {
                stanzas.entry(line).or_default();
            }
        }
        Self(stanzas)
    }

    /// What changes on the way to another file.
    #[must_use]
    pub fn changes(&self, to: &Self) -> Vec<Change> {
        let heads: BTreeSet<&String> = self.0.keys().chain(to.0.keys()).collect();
        let change = |head: &String| match (self.0.get(head), to.0.get(head)) {
            (None, _) => Some(Change::Added(head.clone())),
            (_, None) => Some(Change::Removed(head.clone())),
            (Some(one), Some(other)) => (one != other).then(|| Change::Changed(head.clone())),
        };
        heads.into_iter().filter_map(change).collect()
    }

    /// Which VLAN each VNI has.
    #[must_use]
    pub fn vlans(&self) -> BTreeMap<Vni, VlanId> {
        let devices = self.0.values().filter_map(|lines| {
            let vni = value(lines, "vxlan-id").and_then(|id| Vni::parse(id).ok())?;
            Some((vni, value(lines, "bridge-access").and_then(|id| VlanId::parse(id).ok())?))
        });
        devices.collect()
    }

    /// The routing table a device is in; nothing if it has no stanza, the empty text for the default table.
    #[must_use]
    pub fn table_of(&self, device: &str) -> Option<&str> {
        let lines = self.0.get(&format!("iface {device}"))?;
        Some(value(lines, "vrf").unwrap_or_default())
    }

    /// Whether a device is a port of the bridge.
    #[must_use]
    pub fn is_bridged(&self, device: &str) -> bool {
        let ports = self.0.get("iface bridge").and_then(|lines| value(lines, "bridge-ports"));
        ports.is_some_and(|ports| ports.split(' ').any(|port| port == device))
    }
}

fn value<'a>(lines: &'a BTreeSet<String>, option: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(option)?.strip_prefix(' '))
}
