//! Single changes to a kernel.

use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::actual::{BridgePort, Device, Place};
use super::setting::LinkSetting;
use crate::name::VrfName;
use crate::nftables::Table;

/// UDP port of VXLAN.
pub const VXLAN_PORT: u16 = 4789;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a namespace for a routing table. It is never deleted: FRR does not survive that.
    CreateNamespace(VrfName),
    /// Wait until FRR has taken up the namespace; links that enter before are not seen by it.
    AwaitVrf(VrfName),
    /// Change settings of a namespace.
    Configure(Place, Vec<(&'static str, u32)>),
    /// Make the packet filter of a namespace what it shall be, at once.
    SetFilter(Place, Table),
    /// Take the packet filter of a namespace away.
    RemoveFilter(Place),
    /// Have the tables of VRF devices asked before that of the switch's own addresses, which whoever is in a VRF would
    /// reach otherwise.
    PutLocalLate,
    /// End a table with a route to nowhere, so that what it does not know is not looked for in the main table.
    CloseTable(u32),
    /// Make a link.
    Create(Device, Object),
    /// Delete a link.
    Delete(Device),
    /// Move a link to another namespace. It arrives switched off and belongs to nothing.
    Move(Device, Place),
    /// Put a link into a bridge or VRF, or out of any.
    SetMaster(Device, Option<String>),
    /// Switch a link on or off.
    SetUp(Device, bool),
    /// Change the longest frame.
    SetMtu(Device, u32),
    /// Change the hardware address.
    SetMac(Device, [u8; 6]),
    /// Change how a bridge treats a port.
    SetBridgePort(Device, BridgePort),
    /// Make a bridge tell VLANs apart or not, with no VLAN for new ports.
    SetVlanFiltering(Device, bool),
    /// Put a bridge's port, or the bridge, into a VLAN; `true` for the VLAN of frames without tag.
    AddVlan(Device, u16, bool),
    /// Take a bridge's port, or the bridge, out of a VLAN.
    DeleteVlan(Device, u16),
    /// Give a link an address.
    AddAddress(Device, IpNet),
    /// Take an address from a link.
    DeleteAddress(Device, IpNet),
    /// Change settings of a link.
    ConfigureLink(Device, Vec<(LinkSetting, u32)>),
}

/// A link to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A bridge.
    Bridge {
        /// Whether it tells VLANs apart; if so, new ports are in none.
        is_vlan_filtering: bool,
        /// Its address, which would otherwise follow its ports'.
        mac: [u8; 6],
    },
    /// A tunnel endpoint that does not learn. Its tunnel runs in the main namespace wherever the link is.
    Vxlan {
        /// The VNI.
        id: u32,
        /// The outer source.
        local: Ipv4Addr,
    },
    /// A VLAN on another link.
    Vlan {
        /// The VLAN.
        id: u16,
        /// The other link.
        lower: String,
    },
    /// A routing table.
    Vrf {
        /// Its number.
        table: u32,
    },
}

/// A hardware address as text.
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl Step {
    /// The change in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::CreateNamespace(name) => format!("create namespace {name}"),
            Self::AwaitVrf(name) => format!("wait until FRR knows {name}"),
            Self::Configure(place, settings) => {
                let all: Vec<_> = settings.iter().map(|(path, value)| format!("{path}={value}")).collect();
                format!("set in {place} {}", all.join(" "))
            }
            Self::PutLocalLate => "ask for own addresses after the tables of VRFs".to_owned(),
            Self::CloseTable(table) => format!("close routing table {table}"),
            Self::Create(device, object) => format!("create {} {device}", object.describe()),
            Self::Delete(device) => format!("delete {device}"),
            Self::Move(device, place) => format!("move {device} to {place}"),
            Self::SetMaster(device, Some(master)) => format!("put {device} into {master}"),
            Self::SetMaster(device, None) => format!("detach {device}"),
            Self::SetUp(device, true) => format!("switch on {device}"),
            Self::SetUp(device, false) => format!("switch off {device}"),
            Self::SetMtu(device, mtu) => format!("set MTU of {device} to {mtu}"),
            Self::SetMac(device, mac) => format!("set address of {device} to {}", mac_text(*mac)),
            Self::SetBridgePort(device, port) => {
                let on = |is_on| if is_on { "on" } else { "off" };
                let (learning, suppress) = (on(port.is_learning), on(port.is_neigh_suppress));
                format!("set bridge port {device} learning {learning} neigh_suppress {suppress}")
            }
            Self::SetVlanFiltering(device, true) => format!("make {device} tell VLANs apart"),
            Self::SetVlanFiltering(device, false) => format!("make {device} ignore VLANs"),
            Self::SetFilter(place, table) => format!("set packet filter of {place}: {} rules", table.len()),
            Self::RemoveFilter(place) => format!("remove packet filter of {place}"),
            Self::AddVlan(device, vlan, true) => format!("make {device} an access port of VLAN {vlan}"),
            Self::AddVlan(device, vlan, false) => format!("add VLAN {vlan} to {device}"),
            Self::DeleteVlan(device, vlan) => format!("take VLAN {vlan} from {device}"),
            Self::AddAddress(device, address) => format!("add {address} to {device}"),
            Self::DeleteAddress(device, address) => format!("take {address} from {device}"),
            Self::ConfigureLink(device, settings) => {
                let all: Vec<_> =
                    settings.iter().map(|(setting, value)| format!("{}={value}", setting.name())).collect();
                format!("set on {device} {}", all.join(" "))
            }
        }
    }
}

impl Object {
    fn describe(&self) -> String {
        match self {
            Self::Bridge { is_vlan_filtering: true, .. } => "VLAN-aware bridge".to_owned(),
            Self::Bridge { .. } => "bridge".to_owned(),
            Self::Vxlan { id, local } => format!("tunnel endpoint for VNI {id} at {local}"),
            Self::Vlan { id, lower } => format!("VLAN {id} on {lower} as"),
            Self::Vrf { table } => format!("routing table {table} as VRF"),
        }
    }
}
