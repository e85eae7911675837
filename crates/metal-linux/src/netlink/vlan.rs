//! VLANs of a bridge and its ports.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Link, LinkKind, Netlink, NetlinkError};

/// A VLAN of a bridge's port, or of the bridge itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeVlan {
    /// The port's index, or the bridge's.
    pub link: u32,
    /// The VLAN.
    pub vlan: u16,
    /// Frames without a tag are this VLAN's, in both directions.
    pub is_access: bool,
}

impl Netlink {
    /// The VLANs of all bridges and ports in the namespace.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn bridge_vlans(&mut self) -> Result<Vec<BridgeVlan>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan]));
        let answers = self.dump("list VLANs of bridges", &RouteNetlinkMessage::GetLink(message))?;
        Ok(answers.iter().flat_map(parse).collect())
    }

    /// Puts a bridge's port, or the bridge itself, into a VLAN: with tag, or as the VLAN of frames without one.
    ///
    /// # Errors
    /// Fails if it is not a bridge's port.
    pub fn add_bridge_vlan(&mut self, link: &Link, vlan: u16, is_access: bool) -> Result<(), NetlinkError> {
        let flags = if is_access {
            BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged
        } else {
            BridgeVlanInfoFlags::empty()
        };
        let object = format!("{vlan} to {}", link.name);
        self.request("add VLAN", &object, RouteNetlinkMessage::SetLink(vlan_message(link, vlan, flags)), 0)
    }

    /// Takes a VLAN from a bridge's port, or from the bridge itself.
    ///
    /// # Errors
    /// Fails if it is not in it.
    pub fn delete_bridge_vlan(&mut self, link: &Link, vlan: u16) -> Result<(), NetlinkError> {
        let message = vlan_message(link, vlan, BridgeVlanInfoFlags::empty());
        let object = format!("{vlan} from {}", link.name);
        self.request("delete VLAN", &object, RouteNetlinkMessage::DelLink(message), 0)
    }
}

fn vlan_message(link: &Link, vlan: u16, flags: BridgeVlanInfoFlags) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = link.index;
    let mut spec = Vec::new();
    if matches!(link.kind, LinkKind::Bridge { .. }) {
        // The bridge as such, not whatever bridge it might itself be a port of.
        spec.push(AfSpecBridge::Flags(BridgeFlag::LowerDev));
    }
    spec.push(AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid: vlan }));
    message.attributes.push(LinkAttribute::AfSpecBridge(spec));
    message
}

fn parse(message: &RouteNetlinkMessage) -> Vec<BridgeVlan> {
    let RouteNetlinkMessage::NewLink(message) = message else { return Vec::new() };
    let specs = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::AfSpecBridge(spec) => Some(spec),
        _ => None,
    });
    let vlans = specs.flatten().filter_map(|spec| match spec {
        AfSpecBridge::VlanInfo(info) => Some(BridgeVlan {
            link: message.header.index,
            vlan: info.vid,
            is_access: info.flags.contains(BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged),
        }),
        _ => None,
    });
    vlans.collect()
}
