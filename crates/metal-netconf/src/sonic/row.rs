//! Rows of `CONFIG_DB` that we read and write: tables and keys as types, so that a key is written in one way only.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::name::{PortName, VlanId, VrfName};

/// Fields we write.
pub type Fields = BTreeMap<&'static str, String>;
/// Fields as they are in the database.
pub type Row = BTreeMap<String, String>;

/// Name of a row that maps a VLAN to a VNI: letters, digits, `-`, `_` and `.`, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapName(String);

impl MapName {
    /// Checks a name; nothing if it has other characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((1..=64).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A row: its table and its key in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A port of the switch.
    Port(PortName),
    /// A routing table.
    Vrf(VrfName),
    /// A VLAN.
    Vlan(VlanId),
    /// A port in a VLAN.
    VlanMember(VlanId, PortName),
    /// No flooding of neighbour discovery in a VLAN.
    Suppress(VlanId),
    /// A VLAN's routed interface.
    VlanInterface(VlanId),
    /// An address on it.
    VlanAddress(VlanId, IpNet),
    /// A VLAN's VNI: the tunnel endpoint and the mapping's name.
    TunnelMap(PortName, MapName),
    /// A port as a routed interface.
    Interface(PortName),
    /// An address on it.
    InterfaceAddress(PortName, IpNet),
}

impl Key {
    /// The tables these rows are in.
    pub const TABLES: [&'static str; 8] = [
        "PORT",
        "VRF",
        "VLAN",
        "VLAN_MEMBER",
        "SUPPRESS_VLAN_NEIGH",
        "VLAN_INTERFACE",
        "VXLAN_TUNNEL_MAP",
        "INTERFACE",
    ];

    /// The table.
    #[must_use]
    pub fn table(&self) -> &'static str {
        match self {
            Self::Port(_) => "PORT",
            Self::Vrf(_) => "VRF",
            Self::Vlan(_) => "VLAN",
            Self::VlanMember(..) => "VLAN_MEMBER",
            Self::Suppress(_) => "SUPPRESS_VLAN_NEIGH",
            Self::VlanInterface(_) | Self::VlanAddress(..) => "VLAN_INTERFACE",
            Self::TunnelMap(..) => "VXLAN_TUNNEL_MAP",
            Self::Interface(_) | Self::InterfaceAddress(..) => "INTERFACE",
        }
    }

    /// The key inside the table.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Port(port) | Self::Interface(port) => port.to_string(),
            Self::Vrf(vrf) => vrf.to_string(),
            Self::Vlan(vlan) | Self::Suppress(vlan) | Self::VlanInterface(vlan) => format!("Vlan{vlan}"),
            Self::VlanMember(vlan, port) => format!("Vlan{vlan}|{port}"),
            Self::VlanAddress(vlan, address) => format!("Vlan{vlan}|{address}"),
            Self::TunnelMap(tunnel, map) => format!("{tunnel}|{}", map.as_str()),
            Self::InterfaceAddress(port, address) => format!("{port}|{address}"),
        }
    }

    /// Reads a key of the database; nothing if it is of another table or not of the usual form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (table, name) = text.split_once('|')?;
        let (first, second) =
            name.split_once('|').map_or((name, None), |(first, second)| (first, Some(second)));
        match (table, second) {
            ("PORT", None) => PortName::parse(first).ok().map(Self::Port),
            ("VRF", None) => VrfName::parse(first).ok().map(Self::Vrf),
            ("VLAN", None) => vlan(first).map(Self::Vlan),
            ("VLAN_MEMBER", Some(port)) => Some(Self::VlanMember(vlan(first)?, PortName::parse(port).ok()?)),
            ("SUPPRESS_VLAN_NEIGH", None) => vlan(first).map(Self::Suppress),
            ("VLAN_INTERFACE", None) => vlan(first).map(Self::VlanInterface),
            ("VLAN_INTERFACE", Some(address)) => Some(Self::VlanAddress(vlan(first)?, address.parse().ok()?)),
            ("VXLAN_TUNNEL_MAP", Some(map)) => {
                Some(Self::TunnelMap(PortName::parse(first).ok()?, MapName::parse(map)?))
            }
            ("INTERFACE", None) => PortName::parse(first).ok().map(Self::Interface),
            ("INTERFACE", Some(address)) => {
                Some(Self::InterfaceAddress(PortName::parse(first).ok()?, address.parse().ok()?))
            }
            _ => None,
        }
    }
}

/// Reads `Vlan4000`.
pub(super) fn vlan(text: &str) -> Option<VlanId> {
    text.strip_prefix("Vlan").and_then(|id| VlanId::parse(id).ok())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.table(), self.name())
    }
}
