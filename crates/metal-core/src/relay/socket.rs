//! The relay's two sockets, and the interface they follow.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use metal_linux::netlink::{Netlink, NetlinkError};
use metal_netboot::dhcp::SERVER_PORT;
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};
use tokio::net::UdpSocket;

/// The interface towards the machines, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) address: Ipv4Addr,
}

/// Reads it; nothing if it is missing or has no address.
pub(super) fn read_interface(name: &str) -> Result<Option<Interface>, NetlinkError> {
    let mut netlink = Netlink::open(None)?;
    let link = match netlink.link(name) {
        Ok(link) => link,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let addresses = netlink.addresses()?;
    let address =
        addresses.iter().filter(|it| it.link == link.index).find_map(|it| match it.address.addr() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        });
    Ok(address.map(|address| Interface { index: link.index, address }))
}

/// The sockets at work.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) interface: Interface,
    /// Bound to the interface: hears broadcasts.
    pub(super) clients: UdpSocket,
    /// Bound to its address: servers send there, over any interface.
    pub(super) servers: UdpSocket,
}

impl Sockets {
    pub(super) fn open(name: &str, interface: Interface) -> io::Result<Self> {
        let clients = make()?;
        clients.bind_device(Some(name.as_bytes()))?;
        clients.set_broadcast(true)?;
        bind(&clients, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT))?;
        let servers = make()?;
        bind(&servers, &SocketAddrV4::new(interface.address, SERVER_PORT))?;
        Ok(Self { interface, clients, servers })
    }
}

/// Not bound yet: first the device, then the port, else it would take the port on all devices for a moment.
fn make() -> io::Result<UdpSocket> {
    let file = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::UDP))?;
    sockopt::set_socket_reuseaddr(&file, true)?;
    let socket = std::net::UdpSocket::from(file);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
