//! What a kernel has, as far as it matters here. Filled by an observer, changed by [`effect`](super::effect).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::setting::{self, LinkSetting};
use crate::name::VrfName;
use crate::nftables::Outline;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The switch's own, with the underlay.
    Main,
    /// A routing table's, in the layout with namespaces.
    Vrf(VrfName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("the main namespace"),
            Self::Vrf(name) => write!(f, "namespace {name}"),
        }
    }
}

/// A link, by where it is and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Where.
    pub place: Place,
    /// Its name.
    pub name: String,
}

impl Device {
    /// A link in the main namespace.
    pub fn main(name: impl Into<String>) -> Self {
        Self { place: Place::Main, name: name.into() }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Main => f.write_str(&self.name),
            Place::Vrf(vrf) => write!(f, "{} in {vrf}", self.name),
        }
    }
}

/// Everything observed. The main namespace is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    /// Namespaces with what is in them.
    pub spaces: BTreeMap<Place, Space>,
}

impl Default for Actual {
    fn default() -> Self {
        Self { spaces: BTreeMap::from([(Place::Main, Space::fresh())]) }
    }
}

impl Actual {
    /// A link, if it is there.
    #[must_use]
    pub fn link(&self, device: &Device) -> Option<&Link> {
        self.spaces.get(&device.place)?.links.get(&device.name)
    }

    /// A namespace, if it is there.
    #[must_use]
    pub fn space(&self, place: &Place) -> Option<&Space> {
        self.spaces.get(place)
    }
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// Its links by name.
    pub links: BTreeMap<String, Link>,
    /// Its settings by path, see [`setting::SPACE`]; what the kernel does not have is missing.
    pub settings: BTreeMap<&'static str, u32>,
    /// Our packet filter; nothing if there is none.
    pub filter: Option<Outline>,
    /// Whether the tables of VRF devices are asked before that of the switch's own addresses.
    pub is_local_late: bool,
    /// Tables that end with a route to nowhere.
    pub closed: BTreeSet<u32>,
}

impl Space {
    /// As the kernel makes one: a loopback device that is off, and settings nobody has looked at.
    #[must_use]
    pub fn fresh() -> Self {
        let loopback = Link { kind: Kind::Loopback, mtu: 65536, ..Link::default() };
        Self {
            links: BTreeMap::from([("lo".to_owned(), loopback)]),
            settings: setting::SPACE.iter().map(|(path, _)| (*path, setting::UNKNOWN)).collect(),
            ..Self::default()
        }
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub kind: Kind,
    /// Whether it is one of the switch's ports, which are ours to put somewhere even when no intent mentions them.
    pub is_port: bool,
    /// Lower case, colon separated.
    pub mac: String,
    /// Octets.
    pub mtu: u32,
    /// Whether it is switched on.
    pub is_up: bool,
    /// The bridge or VRF it belongs to, in the same namespace.
    pub master: Option<String>,
    /// Its settings as a bridge's port.
    pub bridge_port: Option<BridgePort>,
    /// VLANs of it as a bridge's port, or of the bridge: whether frames without tag are in it.
    pub vlans: BTreeMap<u16, bool>,
    /// Addresses that are valid beyond the link.
    pub addresses: BTreeSet<IpNet>,
    /// Settings; what the kernel does not tell is missing.
    pub settings: BTreeMap<LinkSetting, u32>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            kind: Kind::Other,
            is_port: false,
            mac: String::new(),
            mtu: 1500,
            is_up: false,
            master: None,
            bridge_port: None,
            vlans: BTreeMap::new(),
            addresses: BTreeSet::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `lo`.
    Loopback,
    /// A bridge.
    Bridge {
        /// Whether it tells VLANs apart.
        is_vlan_filtering: bool,
        /// The VLAN new ports of such a bridge are put into; 0 for none.
        default_pvid: u16,
    },
    /// A tunnel endpoint.
    Vxlan {
        /// The VNI.
        id: u32,
        /// The outer source.
        local: Option<Ipv4Addr>,
        /// The outer UDP port.
        port: u16,
        /// Whether it learns from what it receives.
        is_learning: bool,
    },
    /// A VLAN on another link of the same namespace.
    Vlan {
        /// The VLAN.
        id: u16,
        /// The other link.
        lower: Option<String>,
    },
    /// A routing table.
    Vrf {
        /// Its number.
        table: u32,
    },
    /// Hardware, one end of a cable, or anything else.
    Other,
}

/// Settings of a bridge's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgePort {
    /// Whether the bridge learns addresses from it.
    pub is_learning: bool,
    /// Whether the bridge answers for neighbours it knows instead of flooding.
    pub is_neigh_suppress: bool,
}

impl Default for BridgePort {
    /// As the kernel makes it.
    fn default() -> Self {
        Self { is_learning: true, is_neigh_suppress: false }
    }
}
