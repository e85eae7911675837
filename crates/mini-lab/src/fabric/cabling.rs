//! Cables: virtual ones, each end made directly in the network of its node, so that none is ever seen on the host.

use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::IpNet;
use metal_linux::namespace::Namespace;
use metal_linux::netlink::{BridgeOptions, Netlink, Route};
use uuid::Uuid;

/// MTU of every cable: what carries VXLAN needs more than what is carried.
const MTU: u32 = 9216;

/// One end of a cable.
#[derive(Debug, Clone, Copy)]
pub struct Plug<'a> {
    pub network: &'a Namespace,
    pub name: &'a str,
    /// Hardware address; the kernel's choice if absent.
    pub mac: Option<[u8; 6]>,
}

/// Lays a cable; both ends are switched on.
pub fn lay(one: Plug, other: Plug) -> anyhow::Result<()> {
    Netlink::open(Some(one.network))?.veth(one.name, None, other.name, Some(other.network))?;
    for plug in [one, other] {
        let mut netlink = Netlink::open(Some(plug.network))?;
        let link = netlink.link(plug.name)?;
        if let Some(mac) = plug.mac {
            netlink.set_mac(&link, mac)?;
        }
        netlink.set_mtu(&link, MTU)?;
        netlink.set_up(&link, true)?;
    }
    Ok(())
}

/// Switches a link on or off, as if a cable was plugged or pulled at this end.
pub fn set_up(network: &Namespace, name: &str, is_up: bool) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    let link = netlink.link(name)?;
    netlink.set_up(&link, is_up).map_err(Into::into)
}

/// Makes a bridge and switches it on.
pub fn add_bridge(network: &Namespace, name: &str) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    netlink.add_bridge(name, &BridgeOptions::default())?;
    let link = netlink.link(name)?;
    netlink.set_up(&link, true).map_err(Into::into)
}

/// Puts a link into a bridge.
pub fn join_bridge(network: &Namespace, name: &str, bridge: &str) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    let (link, bridge) = (netlink.link(name)?, netlink.link(bridge)?);
    netlink.set_master(&link, Some(bridge.index)).map_err(Into::into)
}

/// Gives a link an address; one it has already is no error.
pub fn add_address(network: &Namespace, name: &str, address: IpNet) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    let link = netlink.link(name)?;
    let known = netlink.addresses()?;
    if known.iter().any(|known| known.link == link.index && known.address == address) {
        return Ok(());
    }
    netlink.add_address(&link, address).with_context(|| format!("give {name} the address {address}"))
}

/// Takes all addresses from a link but those that BGP needs, the link-local ones.
pub fn clear_addresses(network: &Namespace, name: &str) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    let link = netlink.link(name)?;
    for known in netlink.addresses()?.into_iter().filter(|known| known.link == link.index) {
        let is_needed = match known.address.addr() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        };
        if !is_needed {
            netlink.delete_address(&link, known.address)?;
        }
    }
    Ok(())
}

/// Adds a static route by way of next hops, which share the traffic.
pub fn add_route(network: &Namespace, to: IpNet, via: &[IpAddr]) -> anyhow::Result<()> {
    let mut netlink = Netlink::open(Some(network))?;
    let hops = via.iter().map(|via| (Some(*via), None)).collect();
    netlink.add_route(&Route { destination: to, hops, source: None }).with_context(|| format!("route {to}"))
}

/// The hardware address of a machine's nic: always the same for the same machine.
pub fn machine_mac(machine: Uuid, nic: u8) -> [u8; 6] {
    let [.., a, b, c] = *machine.as_bytes();
    [0x02, 0x4d, nic, a, b, c]
}

/// As people write it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_hardware_addresses() {
        let machine = Uuid::from_u128(0x0102_0304);
        assert_eq!(mac_text(machine_mac(machine, 1)), "02:4d:01:02:03:04");
    }

    #[test]
    fn a_cable_has_two_ends_that_are_nowhere_else() {
        let (one, other) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        let plug = |network, name, mac| Plug { network, name, mac };
        lay(plug(&one, "left", Some([2, 0, 0, 0, 0, 1])), plug(&other, "right", None)).unwrap();
        let left = Netlink::open(Some(&one)).unwrap().link("left").unwrap();
        assert_eq!(left.mtu, MTU);
        assert!(Netlink::open(Some(&one)).unwrap().link("right").is_err());
        assert!(Netlink::open(Some(&other)).unwrap().link("right").is_ok());
    }
}
