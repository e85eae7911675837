//! Addresses and static routes.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Link, Netlink, NetlinkError};

/// An address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link's index.
    pub link: u32,
    /// The address with its prefix length.
    pub address: IpNet,
    /// Whether it is valid beyond the link: neither link-local nor the host's own.
    pub is_global: bool,
}

/// A static route in the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// Next hops: an address, a link's index, or both. Several share the traffic.
    pub hops: Vec<(Option<IpAddr>, Option<u32>)>,
    /// The source address of what this host sends that way.
    pub source: Option<IpAddr>,
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn address_message(link: &Link, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = link.index;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    message
}

impl Netlink {
    /// All addresses of the namespace.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let ask = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        Ok(self.dump("list addresses", &ask)?.iter().filter_map(parse).collect())
    }

    /// Gives a link an address. No error if it has it. IPv6 addresses are used at once, without asking around whether
    /// somebody else has them.
    ///
    /// # Errors
    /// Fails if the kernel refuses.
    pub fn add_address(&mut self, link: &Link, address: IpNet) -> Result<(), NetlinkError> {
        let mut message = address_message(link, address);
        if address.addr().is_ipv6() {
            message.header.flags = netlink_packet_route::address::AddressHeaderFlags::Nodad;
        }
        let object = format!("{address} to {}", link.name);
        let request = RouteNetlinkMessage::NewAddress(message);
        self.request("add address", &object, request, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an address from a link.
    ///
    /// # Errors
    /// Fails if it has it not.
    pub fn delete_address(&mut self, link: &Link, address: IpNet) -> Result<(), NetlinkError> {
        let object = format!("{address} from {}", link.name);
        self.request(
            "delete address",
            &object,
            RouteNetlinkMessage::DelAddress(address_message(link, address)),
            0,
        )
    }

    /// Adds a static route to the main table.
    ///
    /// # Errors
    /// Fails if there is one to that destination, or if the kernel cannot reach the next hop.
    pub fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(route.destination.addr()),
            destination_prefix_length: route.destination.prefix_len(),
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: if route.hops.iter().any(|hop| hop.0.is_some()) {
                RouteScope::Universe
            } else {
                RouteScope::Link
            },
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        if route.destination.prefix_len() > 0 {
            message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
        }
        if let Some(source) = route.source {
            message.attributes.push(RouteAttribute::PrefSource(source.into()));
        }
        match route.hops.as_slice() {
            [hop] => message.attributes.extend(hop_attributes(hop)),
            hops => message.attributes.push(RouteAttribute::MultiPath(hops.iter().map(next_hop).collect())),
        }
        let object = route.destination.to_string();
        self.request(
            "add route to",
            &object,
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }
}

fn hop_attributes(hop: &(Option<IpAddr>, Option<u32>)) -> Vec<RouteAttribute> {
    let gateway = hop.0.map(|address| RouteAttribute::Gateway(address.into()));
    gateway.into_iter().chain(hop.1.map(RouteAttribute::Oif)).collect()
}

fn next_hop(hop: &(Option<IpAddr>, Option<u32>)) -> RouteNextHop {
    let mut next = RouteNextHop::default();
    next.interface_index = hop.1.unwrap_or(0);
    next.flags = RouteNextHopFlags::empty();
    next.attributes = hop.0.map(|address| RouteAttribute::Gateway(address.into())).into_iter().collect();
    next
}

fn parse(message: &RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link the other attribute is the peer's address.
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) => {
                found.get_or_insert(*address);
            }
            _ => {}
        }
    }
    let address = IpNet::new(found?, message.header.prefix_len).ok()?;
    let is_global = message.header.scope == AddressScope::Universe;
    Some(Address { link: message.header.index, address, is_global })
}
