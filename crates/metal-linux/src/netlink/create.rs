//! Making links.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, InfoVlan, InfoVrf, InfoVxlan, LinkAttribute, LinkInfo,
    LinkMessage,
};

use super::{Netlink, NetlinkError};
use crate::namespace::Namespace;

/// How a bridge is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeOptions {
    /// Whether it tells VLANs apart; new ports of such a bridge are in none.
    pub is_vlan_filtering: bool,
    /// Its address. Without one it takes the lowest of its ports, which changes as they come and go.
    pub mac: Option<[u8; 6]>,
}

/// How a VXLAN tunnel endpoint is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VxlanOptions {
    /// The VNI.
    pub id: u32,
    /// The outer source address.
    pub local: Ipv4Addr,
    /// The outer UDP port, 4789.
    pub port: u16,
    /// Whether it learns where addresses are from what it receives.
    pub is_learning: bool,
}

fn named(name: &str, namespace: Option<&Namespace>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    if let Some(namespace) = namespace {
        message.attributes.push(LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd()));
    }
    message
}

impl Netlink {
    fn create(
        &mut self,
        action: &'static str,
        name: &str,
        mut message: LinkMessage,
        info: Vec<LinkInfo>,
    ) -> Result<(), NetlinkError> {
        message.attributes.push(LinkAttribute::LinkInfo(info));
        self.request(action, name, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes a virtual cable with each end directly in its namespace; `None` is this connection's own. Both ends are down.
    ///
    /// # Errors
    /// Fails if one of the names is taken, or the kernel refuses.
    pub fn veth(
        &mut self,
        name_a: &str,
        namespace_a: Option<&Namespace>,
        name_b: &str,
        namespace_b: Option<&Namespace>,
    ) -> Result<(), NetlinkError> {
        let peer = InfoData::Veth(InfoVeth::Peer(named(name_b, namespace_b)));
        let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(peer)];
        self.create("create veth", &format!("{name_a} - {name_b}"), named(name_a, namespace_a), info)
    }

    /// Makes a bridge, down.
    ///
    /// # Errors
    /// Fails if the name is taken, or the kernel refuses (for example VLAN filtering it does not have).
    pub fn add_bridge(&mut self, name: &str, options: &BridgeOptions) -> Result<(), NetlinkError> {
        let mut message = named(name, None);
        if let Some(mac) = options.mac {
            message.attributes.push(LinkAttribute::Address(mac.to_vec()));
        }
        let mut data = Vec::new();
        if options.is_vlan_filtering {
            // Tagging frames has no say in whether a port belongs to VLAN 1: none does.
            data.extend([InfoBridge::VlanFiltering(true), InfoBridge::VlanDefaultPvid(0)]);
        }
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(data))];
        self.create("create bridge", name, message, info)
    }

    /// Makes a VXLAN tunnel endpoint, down, in this connection's namespace or directly in another; either way its tunnel
    /// runs in this one.
    ///
    /// # Errors
    /// Fails if the name or the VNI is taken, or the kernel refuses.
    pub fn add_vxlan(
        &mut self,
        name: &str,
        namespace: Option<&Namespace>,
        options: &VxlanOptions,
    ) -> Result<(), NetlinkError> {
        let data = vec![
            InfoVxlan::Id(options.id),
            InfoVxlan::Local(options.local),
            InfoVxlan::Port(options.port),
            InfoVxlan::Learning(options.is_learning),
        ];
        let info = vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(data))];
        self.create("create VXLAN link", name, named(name, namespace), info)
    }

    /// Makes a VLAN on another link, down.
    ///
    /// # Errors
    /// Fails if the name is taken, or the kernel refuses (for example because it has no VLANs).
    pub fn add_vlan(&mut self, name: &str, lower: u32, id: u16) -> Result<(), NetlinkError> {
        let mut message = named(name, None);
        message.attributes.push(LinkAttribute::Link(lower));
        let data = InfoData::Vlan(vec![InfoVlan::Id(id)]);
        self.create(
            "create VLAN link",
            name,
            message,
            vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)],
        )
    }

    /// Makes a routing table's device, down.
    ///
    /// # Errors
    /// Fails if the name is taken, or the kernel refuses (for example because it has no VRFs).
    pub fn add_vrf(&mut self, name: &str, table: u32) -> Result<(), NetlinkError> {
        let data = InfoData::Vrf(vec![InfoVrf::TableId(table)]);
        let info = vec![LinkInfo::Kind(InfoKind::Vrf), LinkInfo::Data(data)];
        self.create("create VRF", name, named(name, None), info)
    }
}
