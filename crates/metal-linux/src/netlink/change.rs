//! Changing and deleting links.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};

use super::{BridgePort, Link, Netlink, NetlinkError};
use crate::namespace::Namespace;

fn of(link: &Link) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    message
}

impl Netlink {
    fn set(
        &mut self,
        action: &'static str,
        link: &Link,
        attribute: LinkAttribute,
    ) -> Result<(), NetlinkError> {
        let mut message = of(link);
        message.attributes.push(attribute);
        self.request(action, &link.name, RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Switches a link on or off.
    ///
    /// # Errors
    /// Fails if the link is gone, or the kernel refuses.
    pub fn set_up(&mut self, link: &Link, is_up: bool) -> Result<(), NetlinkError> {
        let mut message = of(link);
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if is_up { LinkFlags::Up } else { LinkFlags::empty() };
        let action = if is_up { "switch on link" } else { "switch off link" };
        self.request(action, &link.name, RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Puts a link into a bridge or VRF, given by index, or out of any.
    ///
    /// # Errors
    /// Fails if one of them is gone, or the kernel refuses.
    pub fn set_master(&mut self, link: &Link, master: Option<u32>) -> Result<(), NetlinkError> {
        self.set("set master of link", link, LinkAttribute::Controller(master.unwrap_or(0)))
    }

    /// Changes the longest frame.
    ///
    /// # Errors
    /// Fails if the link is gone or cannot carry frames of that length.
    pub fn set_mtu(&mut self, link: &Link, mtu: u32) -> Result<(), NetlinkError> {
        self.set("set MTU of link", link, LinkAttribute::Mtu(mtu))
    }

    /// Changes the hardware address.
    ///
    /// # Errors
    /// Fails if the link is gone, or the kernel refuses.
    pub fn set_mac(&mut self, link: &Link, mac: [u8; 6]) -> Result<(), NetlinkError> {
        self.set("set address of link", link, LinkAttribute::Address(mac.to_vec()))
    }

    /// Renames a link, which has to be down on older kernels.
    ///
    /// # Errors
    /// Fails if the name is taken, or the kernel refuses.
    pub fn set_name(&mut self, link: &Link, name: &str) -> Result<(), NetlinkError> {
        self.set("rename link", link, LinkAttribute::IfName(name.to_owned()))
    }

    /// Moves a link to another namespace. It arrives there down, without addresses, in no bridge, and with another index
    /// if its own is taken.
    ///
    /// # Errors
    /// Fails if there is one of that name already, or the kernel refuses.
    pub fn set_namespace(&mut self, link: &Link, namespace: &Namespace) -> Result<(), NetlinkError> {
        self.set(
            "move to another namespace link",
            link,
            LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd()),
        )
    }

    /// Changes the settings a link has as a bridge's port.
    ///
    /// # Errors
    /// Fails if it is not a bridge's port.
    pub fn set_bridge_port(&mut self, link: &Link, port: BridgePort) -> Result<(), NetlinkError> {
        let data = vec![
            InfoBridgePort::Learning(port.is_learning),
            InfoBridgePort::NeighSupress(port.is_neigh_suppress),
        ];
        let info = vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(data)),
        ];
        let mut message = of(link);
        message.attributes.push(LinkAttribute::LinkInfo(info));
        self.request("change bridge port", &link.name, RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Makes a bridge tell VLANs apart or not; in either case new ports are in none.
    ///
    /// # Errors
    /// Fails if the kernel cannot.
    pub fn set_vlan_filtering(&mut self, link: &Link, is_on: bool) -> Result<(), NetlinkError> {
        let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(is_on), InfoBridge::VlanDefaultPvid(0)]);
        let mut message = of(link);
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
        message.attributes.push(LinkAttribute::LinkInfo(info));
        self.request("change VLAN filtering of bridge", &link.name, RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Deletes a link.
    ///
    /// # Errors
    /// Fails if it is gone, or of a kind that cannot be deleted.
    pub fn delete_link(&mut self, link: &Link) -> Result<(), NetlinkError> {
        self.request("delete link", &link.name, RouteNetlinkMessage::DelLink(of(link)), 0)
    }
}
