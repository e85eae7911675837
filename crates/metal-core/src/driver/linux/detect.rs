//! Finding out which layout a kernel can do, by trying it where nobody is.

use metal_linux::namespace::Namespace;
use metal_linux::netlink::{BridgeOptions, Netlink, NetlinkError};
use metal_netconf::linux::Layout;

use crate::driver::DriverError;

/// The layout with VRF devices if the kernel has all that it needs - VRF devices, bridges that tell VLANs apart, VLANs -
/// and that with namespaces otherwise.
///
/// # Errors
/// Fails if no namespace can be made to try it in.
pub fn detect_layout() -> Result<Layout, DriverError> {
    const WHAT: &str = "the kernel's VRF devices and VLANs";
    let nowhere = Namespace::anonymous().map_err(|error| DriverError::new("try out", WHAT, error))?;
    let mut netlink =
        Netlink::open(Some(&nowhere)).map_err(|error| DriverError::new("try out", WHAT, error))?;
    Ok(if try_vrf(&mut netlink).is_ok() { Layout::Vrf } else { Layout::Netns })
}

fn try_vrf(netlink: &mut Netlink) -> Result<(), NetlinkError> {
    netlink.add_vrf("vrf1", 10_001)?;
    netlink.add_bridge("bridge", &BridgeOptions { is_vlan_filtering: true, mac: None })?;
    let bridge = netlink.link("bridge")?;
    netlink.add_bridge_vlan(&bridge, 1001, false)?;
    netlink.add_vlan("vlan1001", bridge.index, 1001)
}
