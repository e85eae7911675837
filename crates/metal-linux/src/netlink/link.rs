//! Links as the kernel has them.

use std::net::Ipv4Addr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData,
    InfoVlan, InfoVrf, InfoVxlan, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};

use super::{Cause, Netlink, NetlinkError};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it, unique in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Lower case, colon separated; empty for links without.
    pub mac: String,
    /// Octets.
    pub mtu: u32,
    /// Switched on.
    pub is_up: bool,
    /// Switched on and with carrier.
    pub is_running: bool,
    /// The bridge or VRF it belongs to, by index.
    pub master: Option<u32>,
    /// The link below a VLAN, or a veth's other end if it is in the same namespace, by index.
    pub lower: Option<u32>,
    /// What it is.
    pub kind: LinkKind,
    /// Its settings as a bridge's port.
    pub bridge_port: Option<BridgePort>,
    /// Settings of IPv4 and IPv6 on it.
    pub settings: Settings,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// `lo`.
    Loopback,
    /// One end of a virtual cable.
    Veth,
    /// A bridge.
    Bridge {
        /// Whether it tells VLANs apart.
        is_vlan_filtering: bool,
        /// The VLAN new ports are put into; 0 for none.
        default_pvid: u16,
    },
    /// A VXLAN tunnel endpoint.
    Vxlan {
        /// The VNI.
        id: u32,
        /// The outer source address.
        local: Option<Ipv4Addr>,
        /// The outer UDP port.
        port: u16,
        /// Whether it learns where addresses are from what it receives.
        is_learning: bool,
    },
    /// A VLAN on another link.
    Vlan {
        /// Its number.
        id: u16,
    },
    /// A routing table as a device.
    Vrf {
        /// The table's number.
        table: u32,
    },
    /// Anything else: the kernel's word, empty for hardware.
    Other(String),
}

/// Settings of a bridge's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgePort {
    /// Whether the bridge learns addresses from it.
    pub is_learning: bool,
    /// Whether the bridge answers for neighbours it knows instead of flooding.
    pub is_neigh_suppress: bool,
}

/// Settings of IPv4 and IPv6 on a link, as under `net/ipv[46]/conf/LINK`. Nothing where the kernel told nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// `ipv4/forwarding`.
    pub ipv4_forwarding: Option<i32>,
    /// `ipv4/rp_filter`.
    pub rp_filter: Option<i32>,
    /// `ipv6/disable_ipv6`.
    pub disable_ipv6: Option<i32>,
    /// `ipv6/accept_ra`.
    pub accept_ra: Option<i32>,
    /// `ipv6/autoconf`.
    pub autoconf: Option<i32>,
    /// `ipv6/addr_gen_mode`; 1 makes no link-local address.
    pub addr_gen_mode: Option<i32>,
}

impl Netlink {
    /// Every link of the namespace.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let answers = self.dump("list links", &RouteNetlinkMessage::GetLink(message))?;
        Ok(answers.iter().filter_map(parse).collect())
    }

    /// The link with this name.
    ///
    /// # Errors
    /// Fails if there is none, for which [`NetlinkError::is_missing`] is true, or if the kernel does.
    pub fn link(&mut self, name: &str) -> Result<Link, NetlinkError> {
        let failed = |source| NetlinkError { action: "find link", object: name.to_owned(), source };
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let mut found = None;
        let flags = netlink_packet_core::NLM_F_REQUEST | netlink_packet_core::NLM_F_ACK;
        self.exchange(RouteNetlinkMessage::GetLink(message), flags, &mut |answer| found = parse(&answer))
            .map_err(failed)?;
        found.ok_or_else(|| failed(Cause::Missing))
    }
}

pub(super) fn parse(message: &RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: String::new(),
        mtu: 0,
        is_up: message.header.flags.contains(LinkFlags::Up),
        // Not `Running`, which follows carrier by up to a second when many links change at once.
        is_running: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        master: None,
        lower: None,
        kind: LinkKind::Other(String::new()),
        bridge_port: None,
        settings: Settings::default(),
    };
    if message.header.flags.contains(LinkFlags::Loopback) {
        link.kind = LinkKind::Loopback;
    }
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = mac_text(bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Controller(master) => link.master = Some(*master).filter(|master| *master != 0),
            LinkAttribute::Link(lower) => link.lower = Some(*lower).filter(|lower| *lower != 0),
            LinkAttribute::LinkInfo(info) => parse_info(info, &mut link),
            LinkAttribute::AfSpecUnspec(families) => parse_settings(families, &mut link.settings),
            _ => {}
        }
    }
    Some(link)
}

fn mac_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn parse_info(info: &[LinkInfo], link: &mut Link) {
    for each in info {
        match each {
            LinkInfo::Kind(InfoKind::Veth) => link.kind = LinkKind::Veth,
            LinkInfo::Kind(kind) => link.kind = LinkKind::Other(kind.to_string()),
            LinkInfo::Data(data) => parse_data(data, link),
            LinkInfo::PortData(InfoPortData::BridgePort(port)) => link.bridge_port = Some(parse_port(port)),
            _ => {}
        }
    }
}

fn parse_data(data: &InfoData, link: &mut Link) {
    match data {
        InfoData::Bridge(all) => {
            let (mut is_vlan_filtering, mut default_pvid) = (false, 0);
            for each in all {
                match each {
                    InfoBridge::VlanFiltering(on) => is_vlan_filtering = *on,
                    InfoBridge::VlanDefaultPvid(vlan) => default_pvid = *vlan,
                    _ => {}
                }
            }
            link.kind = LinkKind::Bridge { is_vlan_filtering, default_pvid };
        }
        InfoData::Vxlan(all) => link.kind = parse_vxlan(all),
        InfoData::Vlan(all) => {
            let id = all.iter().find_map(|each| if let InfoVlan::Id(id) = each { Some(*id) } else { None });
            link.kind = LinkKind::Vlan { id: id.unwrap_or(0) };
        }
        InfoData::Vrf(all) => {
            let table = all
                .iter()
                .find_map(|each| if let InfoVrf::TableId(table) = each { Some(*table) } else { None });
            link.kind = LinkKind::Vrf { table: table.unwrap_or(0) };
        }
        _ => {}
    }
}

fn parse_vxlan(all: &[InfoVxlan]) -> LinkKind {
    let (mut vni, mut address, mut udp, mut learns) = (0, None, 0, false);
    for each in all {
        match each {
            InfoVxlan::Id(id) => vni = *id,
            InfoVxlan::Local(local) => address = Some(*local),
            InfoVxlan::Port(port) => udp = *port,
            InfoVxlan::Learning(on) => learns = *on,
            _ => {}
        }
    }
    LinkKind::Vxlan { id: vni, local: address, port: udp, is_learning: learns }
}

fn parse_port(port: &[InfoBridgePort]) -> BridgePort {
    let mut parsed = BridgePort { is_learning: true, is_neigh_suppress: false };
    for each in port {
        match each {
            InfoBridgePort::Learning(on) => parsed.is_learning = *on,
            InfoBridgePort::NeighSupress(on) => parsed.is_neigh_suppress = *on,
            _ => {}
        }
    }
    parsed
}

fn parse_settings(families: &[AfSpecUnspec], settings: &mut Settings) {
    for family in families {
        match family {
            AfSpecUnspec::Inet(all) => {
                for each in all {
                    if let AfSpecInet::DevConf(conf) = each {
                        settings.ipv4_forwarding = Some(conf.forwarding);
                        settings.rp_filter = Some(conf.rp_filter);
                    }
                }
            }
            AfSpecUnspec::Inet6(all) => {
                for each in all {
                    match each {
                        AfSpecInet6::DevConf(conf) => {
                            settings.disable_ipv6 = Some(conf.disable_ipv6);
                            settings.accept_ra = Some(conf.accept_ra);
                            settings.autoconf = Some(conf.autoconf);
                            settings.addr_gen_mode.get_or_insert(conf.addr_gen_mode);
                        }
                        // The device's own word; in the array it lags behind on some kernels.
                        AfSpecInet6::AddrGenMode(mode) => {
                            settings.addr_gen_mode = Some(u8::from(mode).into());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}
