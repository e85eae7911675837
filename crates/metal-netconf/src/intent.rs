//! What a switch shall be: roles of its ports, routing tables, filters. No operating system, no text.
//!
//! One type serves leaves, spines and exits, because they differ only in what they have: a spine has uplinks and nothing
//! else, a leaf has machines on its ports, an exit has external networks. A port is in exactly one of the classes below;
//! [`Switch::faults`] tells where an intent contradicts itself, and nothing is rendered from one that does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};

/// MTU of what carries VXLAN: uplinks and firewalls' ports.
pub const FABRIC_MTU: u32 = 9216;
/// MTU of everything else.
pub const ACCESS_MTU: u32 = 9000;

/// A switch as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name.
    pub hostname: Hostname,
    /// Its autonomous system.
    pub asn: Asn,
    /// Router id, VTEP address, and the only address the underlay knows it by (/32).
    pub loopback: Ipv4Addr,
    /// Timers and limits of BGP.
    pub bgp: Bgp,
    /// Whether it is a VXLAN tunnel endpoint. Spines are not: they pass EVPN routes on.
    pub is_vtep: bool,
    /// Ports towards other switches.
    pub uplinks: BTreeSet<PortName>,
    /// The segment of machines that belong to nobody yet.
    pub pxe: Option<Pxe>,
    /// Ports in that segment.
    pub unprovisioned: BTreeSet<PortName>,
    /// Tenants' routing tables with the ports in them, by VNI.
    pub tenants: BTreeMap<Vni, Tenant>,
    /// Ports of firewalls, which speak EVPN in the default table.
    pub firewalls: BTreeMap<PortName, FirewallFilter>,
    /// External networks of an exit, by VNI.
    pub externals: BTreeMap<Vni, External>,
    /// Further VLANs on the bridge, and ports that are its tagged members; nothing else is done with such ports.
    pub extra: ExtraVlans,
    /// Ports that shall be off, of whatever class they are.
    pub down: BTreeSet<PortName>,
    /// Ports that shall be cut off from everything, because what they are to be is not understood or not allowed.
    pub isolated: BTreeSet<PortName>,
    /// Destinations reached over the management network.
    pub management: Option<Management>,
}

/// Timers and limits of BGP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bgp {
    /// Seconds between signs of life.
    pub keepalive: u16,
    /// Seconds without any until a session is given up.
    pub hold: u16,
    /// Seconds FRR waits to evaluate changed route-maps; FRR's own default (5) if absent. 0 stops convergence for ever.
    pub route_map_delay: Option<u16>,
    /// Most prefixes of one address family accepted from one machine.
    pub maximum_prefix: u32,
}

impl Default for Bgp {
    fn default() -> Self {
        Self { keepalive: 2, hold: 8, route_map_delay: None, maximum_prefix: 24_000 }
    }
}

/// The segment of machines that belong to nobody yet: one VLAN, stretched over the fabric by a layer-2 VNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pxe {
    /// The VLAN; its VNI follows from it.
    pub vlan: VlanId,
    /// The switch's own address in it.
    pub address: Option<Ipv4Net>,
}

/// A tenant's routing table on this switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Machines' ports with what each may announce.
    pub ports: BTreeMap<PortName, MachineFilter>,
}

/// What a machine may announce. Nothing listed, nothing accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFilter {
    /// These prefixes and everything inside them.
    pub prefixes: BTreeSet<IpNet>,
}

/// What a firewall may announce and hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallFilter {
    /// Its own addresses in the underlay: all it may announce there.
    pub prefixes: BTreeSet<IpNet>,
    /// The only VNIs whose routes it is told.
    pub vnis: BTreeSet<Vni>,
}

/// An external network on an exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// Name of its routing table, for example `vrfInternet`.
    pub name: VrfName,
    /// The port towards the outside.
    pub port: PortName,
    /// The exit's addresses on that port.
    pub addresses: BTreeSet<IpNet>,
    /// Static routes: destination and next hop.
    pub routes: BTreeSet<(IpNet, IpAddr)>,
    /// Neighbours that speak BGP: address and autonomous system.
    pub neighbors: BTreeMap<IpAddr, Asn>,
}

/// Further VLANs on the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraVlans {
    /// The VLANs.
    pub vlans: BTreeSet<VlanId>,
    /// Ports that carry them tagged.
    pub ports: BTreeSet<PortName>,
}

/// The management network of a switch with a management VRF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Management {
    /// Its gateway.
    pub gateway: Ipv4Addr,
    /// What is reached through it besides everything.
    pub routes: BTreeSet<Ipv4Net>,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortClass {
    /// Towards another switch.
    Uplink,
    /// In the PXE segment.
    Unprovisioned,
    /// In this tenant's table.
    Tenant(Vni),
    /// A firewall's.
    Firewall,
    /// Towards this external network.
    External(Vni),
    /// Carries extra VLANs.
    Extra,
    /// Cut off.
    Isolated,
}

impl Switch {
    /// Every port that is mentioned, with its class. Classes of a port named twice come one after the other.
    #[must_use]
    pub fn classes(&self) -> Vec<(&PortName, PortClass)> {
        let mut all: Vec<(&PortName, PortClass)> = Vec::new();
        all.extend(self.uplinks.iter().map(|port| (port, PortClass::Uplink)));
        all.extend(self.unprovisioned.iter().map(|port| (port, PortClass::Unprovisioned)));
        for (vni, tenant) in &self.tenants {
            all.extend(tenant.ports.keys().map(|port| (port, PortClass::Tenant(*vni))));
        }
        all.extend(self.firewalls.keys().map(|port| (port, PortClass::Firewall)));
        all.extend(self.externals.iter().map(|(vni, external)| (&external.port, PortClass::External(*vni))));
        all.extend(self.extra.ports.iter().map(|port| (port, PortClass::Extra)));
        all.extend(self.isolated.iter().map(|port| (port, PortClass::Isolated)));
        all.sort();
        all
    }

    /// Name of the routing table with this VNI.
    #[must_use]
    pub fn vrf_name(&self, vni: Vni) -> VrfName {
        self.externals.get(&vni).map_or_else(|| VrfName::of(vni), |external| external.name.clone())
    }

    /// Whether a port shall be on.
    #[must_use]
    pub fn is_up(&self, port: &PortName) -> bool {
        !self.down.contains(port) && !self.isolated.contains(port)
    }

    /// Where the intent contradicts itself; empty for one that can be carried out.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let classes = self.classes();
        for pair in classes.windows(2) {
            if let [(first, one), (second, other)] = pair
                && first == second
            {
                found.push(format!("port {first} shall be {one:?} and {other:?} at once"));
            }
        }
        if self.pxe.is_none() && !self.unprovisioned.is_empty() {
            found.push("there are unprovisioned ports and no PXE segment".to_owned());
        }
        let has_overlay = !self.tenants.is_empty() || !self.externals.is_empty() || self.pxe.is_some();
        if has_overlay && !self.is_vtep {
            found.push("overlay networks need a tunnel endpoint".to_owned());
        }
        for vni in self.tenants.keys().filter(|vni| self.externals.contains_key(vni)) {
            found.push(format!("VNI {vni} is a tenant's and an external network's at once"));
        }
        if let Some(pxe) = &self.pxe {
            let vni = pxe.vlan.layer2_vni();
            if self.tenants.contains_key(&vni) || self.externals.contains_key(&vni) {
                found.push(format!("VNI {vni} is the PXE segment's and cannot be routed"));
            }
        }
        if self.bgp.hold < 3 || self.bgp.keepalive == 0 || self.bgp.route_map_delay == Some(0) {
            found.push(
                "BGP needs a hold time of 3 s at least, a keepalive and a route-map delay of 1 s at least"
                    .to_owned(),
            );
        }
        found
    }
}
