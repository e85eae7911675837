//! Networks, addresses, and the claims on VRF and AS numbers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{MachineId, NetworkId, PartitionId, ProjectId};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AddressFamily {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl AddressFamily {
    /// `IPv4` or `IPv6`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// Reads a family in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("ipv4") {
            Some(Self::V4)
        } else if text.eq_ignore_ascii_case("ipv6") {
            Some(Self::V6)
        } else {
            None
        }
    }

    /// Family of a prefix.
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// Family of an address.
    pub fn of_ip(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A network of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Chosen by the operator, or a UUID.
    pub id: NetworkId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Empty for networks of all partitions.
    pub partition: PartitionId,
    /// Owner; empty when none.
    pub project: ProjectId,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Other projects may use it.
    pub shared: bool,
    /// Prefixes as given, host bits kept.
    pub prefixes: Vec<IpNet>,
    /// Where it leads.
    pub destination_prefixes: Vec<IpNet>,
    /// Length of child prefixes per family; only for private super networks.
    pub default_child_prefix_length: BTreeMap<AddressFamily, u8>,
    /// Masquerade towards it.
    pub nat: bool,
    /// Parent of the project networks of a partition.
    pub private_super: bool,
    /// The fabric itself.
    pub underlay: bool,
    /// VRF number (layer-3 VNI), 0 when none.
    pub vrf: u32,
    /// Parent of a child network.
    pub parent: Option<NetworkId>,
    /// What machines in child networks may announce besides their own.
    pub additional_announcable_cidrs: Vec<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            id: NetworkId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            partition: PartitionId::default(),
            project: ProjectId::default(),
            labels: BTreeMap::new(),
            shared: false,
            prefixes: Vec::new(),
            destination_prefixes: Vec::new(),
            default_child_prefix_length: BTreeMap::new(),
            nat: false,
            private_super: false,
            underlay: false,
            vrf: 0,
            parent: None,
            additional_announcable_cidrs: Vec::new(),
        }
    }
}

impl Network {
    /// `super`, `underlay`, `child`, `child-shared` or `external`.
    pub fn kind(&self) -> &'static str {
        if self.private_super {
            "super"
        } else if self.underlay {
            "underlay"
        } else if self.parent.is_some() {
            if self.shared { "child-shared" } else { "child" }
        } else {
            "external"
        }
    }

    /// `ipv4-masq` or `none`.
    pub fn nat_kind(&self) -> &'static str {
        if self.nat { "ipv4-masq" } else { "none" }
    }
}

/// Does an address outlive its machine?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpType {
    /// Gone when its last machine is freed.
    #[default]
    Ephemeral,
    /// Stays with the project until freed.
    Static,
}

impl IpType {
    /// `ephemeral` or `static`.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Ephemeral => "ephemeral",
            Self::Static => "static",
        }
    }
}

/// Tag key that binds an address to a machine: `<key>=<machine id>`.
pub const MACHINE_TAG: &str = "machine.metal-stack.io/id";

/// Who an address belongs to, derived from its project and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpScope {
    /// No project.
    None,
    /// A machine.
    Machine,
    /// A project.
    Project,
}

/// An acquired address; its key is its uniqueness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// The address, its key.
    pub address: IpAddr,
    /// Random per record, tells re-acquired addresses apart.
    pub allocation_uuid: String,
    /// Acquired.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// The prefix of the network it was taken from, masked.
    pub parent_prefix: IpNet,
    /// The network.
    pub network: NetworkId,
    /// Owner.
    pub project: ProjectId,
    /// Ephemeral or static.
    pub kind: IpType,
    /// Sorted, without duplicates.
    pub tags: Vec<String>,
}

impl Ip {
    /// Machines this address is bound to by tag.
    pub fn machines(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().filter_map(|tag| tag.strip_prefix(MACHINE_TAG)?.strip_prefix('='))
    }

    /// Derived scope.
    pub fn scope(&self) -> IpScope {
        if self.project.is_empty() {
            IpScope::None
        } else if self.tags.iter().any(|tag| tag.starts_with(MACHINE_TAG)) {
            IpScope::Machine
        } else {
            IpScope::Project
        }
    }
}

/// Smallest and largest VRF number, and the same for the ASN pool's offset.
pub const POOL: std::ops::RangeInclusive<u32> = 1..=131_072;
/// ASN of pool number n is this plus n.
pub const ASN_BASE: u32 = 4_210_000_000;

/// A VRF number in use. The key is the number; several networks share one only with `vrfshared`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrfClaim {
    /// 1 ..= 131072.
    pub vrf: u32,
    /// Networks that use it; the claim goes with the last one.
    pub networks: Vec<NetworkId>,
}

/// An AS number in use by a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsnClaim {
    /// [`ASN_BASE`] + n.
    pub asn: u32,
    /// The machine.
    pub machine: MachineId,
}
