//! An intent as links: what there shall be, in the order in which it can be built.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Layout;
use super::actual::{Actual, BridgePort, Device, Place};
use super::plan::PlanError;
use super::setting::LinkSetting::{self, AddrGenMode, DisableIpv6, Ipv4Forwarding, RpFilter};
use super::step::Object;
use super::vlans::{self, Numbers};
use crate::intent::{ACCESS_MTU, FABRIC_MTU, PortClass, Pxe, Switch};
use crate::name::{PortName, VrfName};
use crate::nftables::{self, Table};

/// The VLAN-aware bridge's name.
pub const BRIDGE: &str = "bridge";

/// Links and ports as they shall be.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Namespaces of routing tables.
    pub namespaces: BTreeSet<VrfName>,
    /// Links that are made, each after those it needs.
    pub objects: Vec<(Device, Object, Attributes)>,
    /// Packet filters, by the namespace they are in.
    pub filters: BTreeMap<Place, Table>,
    /// Ports.
    pub ports: BTreeMap<PortName, (Place, Attributes)>,
}

/// How a link shall be. Nothing where it does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Switched on.
    pub is_up: bool,
    /// The bridge or VRF it belongs to.
    pub master: Option<String>,
    /// Octets.
    pub mtu: Option<u32>,
    /// Settings as a bridge's port.
    pub bridge_port: Option<BridgePort>,
    /// Exactly these VLANs.
    pub vlans: Option<BTreeMap<u16, bool>>,
    /// Addresses.
    pub addresses: Addresses,
    /// Settings.
    pub settings: Vec<(LinkSetting, u32)>,
}

/// Which addresses a link shall have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Whatever it has.
    #[default]
    Any,
    /// These and maybe others.
    AtLeast(BTreeSet<IpNet>),
    /// These only.
    Exactly(BTreeSet<IpNet>),
}

/// The number in a name such as `vni3981`, if it is one of ours.
pub fn number_of(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let is_plain =
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if is_plain { digits.parse().ok() } else { None }
}

/// Translates an intent.
pub fn wanted(intent: &Switch, layout: Layout, actual: &Actual) -> Result<Wanted, PlanError> {
    let mut wanted = Wanted::default();
    match layout {
        Layout::Vrf => {
            let numbers = vlans::assign(intent, actual)?;
            aware_bridge(intent, &numbers, &mut wanted);
        }
        Layout::Netns if intent.extra.ports.is_empty() && intent.extra.vlans.is_empty() => {
            plain_bridges(intent, &mut wanted);
        }
        Layout::Netns => return Err(PlanError::ExtraVlans),
    }
    wanted.filters = filters(intent, layout);
    for (port, class) in intent.classes() {
        let to = if intent.is_up(port) { place_port(intent, layout, port, class) } else { cut_off() };
        wanted.ports.insert(port.clone(), to);
    }
    Ok(wanted)
}

/// The PXE segment's interface is in the main namespace in both layouts.
fn filters(intent: &Switch, layout: Layout) -> BTreeMap<Place, Table> {
    let main = intent.pxe.iter().map(|pxe| (Place::Main, nftables::pxe(pxe)));
    let tenants = intent.tenants.keys().filter(|_| layout == Layout::Netns);
    let tenants = tenants.map(|vni| (Place::Vrf(intent.vrf_name(*vni)), nftables::tenant(*vni)));
    main.chain(tenants).collect()
}

fn cut_off() -> (Place, Attributes) {
    (Place::Main, Attributes::default())
}

fn place_port(intent: &Switch, layout: Layout, port: &PortName, class: PortClass) -> (Place, Attributes) {
    let routed = |mtu, rp_filter| Attributes {
        is_up: true,
        mtu: Some(mtu),
        settings: vec![(RpFilter, rp_filter), (DisableIpv6, 0)],
        ..Attributes::default()
    };
    let bridged = |bridge: &str, vlans: Option<BTreeMap<u16, bool>>| Attributes {
        is_up: true,
        mtu: Some(ACCESS_MTU),
        master: Some(bridge.to_owned()),
        vlans,
        addresses: Addresses::Exactly(BTreeSet::new()),
        ..Attributes::default()
    };
    let in_vrf = |vni, attributes: Attributes| match layout {
        Layout::Vrf => {
            let master = Some(intent.vrf_name(vni).as_str().to_owned());
            (Place::Main, Attributes { master, ..attributes })
        }
        Layout::Netns => (Place::Vrf(intent.vrf_name(vni)), attributes),
    };
    match class {
        PortClass::Uplink => (Place::Main, routed(FABRIC_MTU, 0)),
        PortClass::Firewall => (Place::Main, routed(FABRIC_MTU, 1)),
        PortClass::Isolated => cut_off(),
        PortClass::Tenant(vni) => {
            let addresses = Addresses::Exactly(BTreeSet::new());
            in_vrf(vni, Attributes { addresses, ..routed(ACCESS_MTU, 1) })
        }
        PortClass::External(vni) => {
            let addresses = intent.externals.get(&vni).map(|external| external.addresses.clone());
            let addresses = Addresses::Exactly(addresses.unwrap_or_default());
            in_vrf(vni, Attributes { addresses, ..routed(ACCESS_MTU, 0) })
        }
        PortClass::Unprovisioned => match (&intent.pxe, layout) {
            (None, _) => cut_off(),
            (Some(pxe), Layout::Netns) => (Place::Main, bridged(&format!("vlan{}", pxe.vlan), None)),
            (Some(pxe), Layout::Vrf) => {
                (Place::Main, bridged(BRIDGE, Some(BTreeMap::from([(pxe.vlan.get(), true)]))))
            }
        },
        PortClass::Extra => {
            debug_assert!(intent.extra.ports.contains(port));
            let vlans = intent.extra.vlans.iter().map(|vlan| (vlan.get(), false)).collect();
            (Place::Main, bridged(BRIDGE, Some(vlans)))
        }
    }
}

/// The switch's own hardware address for bridges: locally administered, from the one address nobody else has. Everything
/// routed to this switch through a tunnel is sent there, so it must not change with ports that come and go.
fn router_mac(intent: &Switch) -> [u8; 6] {
    let [a, b, c, d] = intent.loopback.octets();
    [0x06, 0x4c, a, b, c, d]
}

fn loopback(intent: &Switch) -> BTreeSet<IpNet> {
    BTreeSet::from([IpNet::from(ipnet::Ipv4Net::from(intent.loopback))])
}

/// Loopbacks exist already; the object is never made.
pub fn loopbacks(intent: &Switch, wanted: &Wanted) -> Vec<(Device, Attributes)> {
    let main =
        Attributes { is_up: true, addresses: Addresses::AtLeast(loopback(intent)), ..Attributes::default() };
    let mut all = vec![(Device::main("lo"), main)];
    for name in &wanted.namespaces {
        let device = Device { place: Place::Vrf(name.clone()), name: "lo".to_owned() };
        all.push((device, Attributes { is_up: true, ..Attributes::default() }));
    }
    all
}

/// An interface of the switch in the PXE segment. Machines that belong to nobody reach the switch's own address there and
/// nothing behind it: what they send is not forwarded, and there is no IPv6 on it at all.
fn pxe_interface(pxe: &Pxe) -> Attributes {
    Attributes {
        is_up: true,
        mtu: Some(ACCESS_MTU),
        addresses: Addresses::Exactly(pxe.address.into_iter().map(IpNet::from).collect()),
        settings: vec![(Ipv4Forwarding, 0), (RpFilter, 1), (DisableIpv6, 1)],
        ..Attributes::default()
    }
}

/// Where tenants' packets come out of their tunnel: IPv6 is needed to forward it, an address is not.
fn routed_interface() -> Attributes {
    Attributes {
        is_up: true,
        mtu: Some(ACCESS_MTU),
        settings: vec![(RpFilter, 0), (DisableIpv6, 0), (AddrGenMode, 1)],
        ..Attributes::default()
    }
}

fn endpoint(bridge: &str, vlan: Option<u16>, is_neigh_suppress: bool) -> Attributes {
    Attributes {
        is_up: true,
        mtu: Some(ACCESS_MTU),
        master: Some(bridge.to_owned()),
        bridge_port: Some(BridgePort { is_learning: false, is_neigh_suppress }),
        vlans: vlan.map(|vlan| BTreeMap::from([(vlan, true)])),
        settings: vec![(DisableIpv6, 1)],
        ..Attributes::default()
    }
}

fn plain_bridges(intent: &Switch, wanted: &mut Wanted) {
    let bridge = Object::Bridge { is_vlan_filtering: false, mac: router_mac(intent) };
    let local = intent.loopback;
    if let Some(pxe) = &intent.pxe {
        let name = format!("vlan{}", pxe.vlan);
        let vni = pxe.vlan.layer2_vni();
        wanted.objects.push((Device::main(&name), bridge.clone(), pxe_interface(pxe)));
        let tunnel = Object::Vxlan { id: vni.get(), local };
        wanted.objects.push((Device::main(format!("vni{vni}")), tunnel, endpoint(&name, None, false)));
    }
    for vni in vlans::routed(intent) {
        let vrf = intent.vrf_name(vni);
        let inside = |name: String| Device { place: Place::Vrf(vrf.clone()), name };
        let name = format!("br{vni}");
        wanted.objects.push((inside(name.clone()), bridge.clone(), routed_interface()));
        let tunnel = Object::Vxlan { id: vni.get(), local };
        wanted.objects.push((inside(format!("vni{vni}")), tunnel, endpoint(&name, None, true)));
        wanted.namespaces.insert(vrf);
    }
}

fn aware_bridge(intent: &Switch, numbers: &BTreeMap<crate::name::Vni, Numbers>, wanted: &mut Wanted) {
    if !intent.is_vtep && intent.extra.ports.is_empty() && intent.extra.vlans.is_empty() {
        return;
    }
    let local = intent.loopback;
    let own = numbers.values().map(|numbers| numbers.vlan);
    let own = own.chain(intent.pxe.iter().map(|pxe| pxe.vlan.get()));
    let own = own.chain(intent.extra.vlans.iter().map(|vlan| vlan.get()));
    let bridge = Attributes {
        is_up: true,
        mtu: Some(ACCESS_MTU),
        vlans: Some(own.map(|vlan| (vlan, false)).collect()),
        settings: vec![(DisableIpv6, 1)],
        ..Attributes::default()
    };
    let object = Object::Bridge { is_vlan_filtering: true, mac: router_mac(intent) };
    wanted.objects.push((Device::main(BRIDGE), object, bridge));
    let lower = BRIDGE.to_owned();
    if let Some(pxe) = &intent.pxe {
        let vlan = pxe.vlan.get();
        let vni = pxe.vlan.layer2_vni();
        let interface = Object::Vlan { id: vlan, lower: lower.clone() };
        wanted.objects.push((Device::main(format!("vlan{vlan}")), interface, pxe_interface(pxe)));
        let tunnel = Object::Vxlan { id: vni.get(), local };
        wanted.objects.push((Device::main(format!("vni{vni}")), tunnel, endpoint(BRIDGE, Some(vlan), false)));
    }
    for (vni, Numbers { vlan, table }) in numbers {
        let vrf = intent.vrf_name(*vni).as_str().to_owned();
        let up = Attributes { is_up: true, ..Attributes::default() };
        wanted.objects.push((Device::main(&vrf), Object::Vrf { table: *table }, up));
        let interface = Object::Vlan { id: *vlan, lower: lower.clone() };
        let attributes = Attributes { master: Some(vrf), ..routed_interface() };
        wanted.objects.push((Device::main(format!("vlan{vlan}")), interface, attributes));
        let tunnel = Object::Vxlan { id: vni.get(), local };
        wanted.objects.push((Device::main(format!("vni{vni}")), tunnel, endpoint(BRIDGE, Some(*vlan), true)));
    }
}
