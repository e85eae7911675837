//! The file for an intent.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::stanza::Stanzas;
use crate::intent::{ACCESS_MTU, FABRIC_MTU, Switch};
use crate::name::{PortName, VlanId, Vni, VrfName};
use crate::vlan_pool::{self, Exhausted};

/// What a Cumulus switch has now, as far as the file depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// The file that is in place.
    pub file: Stanzas,
    /// VLANs the kernel has interfaces for.
    pub vlans: BTreeSet<VlanId>,
    /// The address of the management port.
    pub management: Option<Ipv4Net>,
}

/// Why an intent cannot be carried out on this device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The intent contradicts itself.
    #[error("the intent contradicts itself: {}", .0.join("; "))]
    Contradiction(Vec<String>),
    /// The file would cut the management network.
    #[error("eth0 has no IPv4 address: a file without it would cut the management network")]
    NoManagement,
    /// No VLAN is left.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// Writes the file.
///
/// # Errors
/// Fails when the intent contradicts itself or does not fit the device.
pub fn render(intent: &Switch, actual: &Actual) -> Result<String, Fault> {
    let faults = intent.faults();
    if !faults.is_empty() {
        return Err(Fault::Contradiction(faults));
    }
    let intent = &without_off(intent);
    let vlans = assign(intent, actual)?;
    let mut file = File(HEAD.to_owned());
    file.stanza("lo inet loopback", &[format!("address {}/32", intent.loopback)]);
    let address = actual.management.ok_or(Fault::NoManagement)?;
    let gateway = intent.management.as_ref().map(|management| format!("gateway {}", management.gateway));
    let mut eth0 = vec![format!("address {address}")];
    eth0.extend(gateway);
    eth0.push("vrf mgmt".into());
    file.stanza("eth0", &eth0);
    file.stanza("mgmt", &["address 127.0.0.1/8".into(), "vrf-table auto".into()]);
    for port in intent.uplinks.iter().chain(intent.firewalls.keys()) {
        file.stanza(port, &[mtu(FABRIC_MTU)]);
    }
    bridge(intent, &vlans, &mut file);
    for (vni, vlan) in &vlans {
        table(intent, *vni, *vlan, &mut file);
    }
    segment(intent, &mut file);
    for port in &intent.extra.ports {
        file.stanza(port, &[]);
    }
    Ok(file.0)
}

const HEAD: &str =
    "# Written by metal-core, which overwrites all changes.\n\nsource /etc/network/interfaces.d/*.intf\n";

struct File(String);

impl File {
    fn stanza(&mut self, name: impl std::fmt::Display, lines: &[String]) {
        let head = name.to_string();
        let device = head.split(' ').next().unwrap_or_default();
        self.0.push_str(&format!("\nauto {device}\niface {head}\n"));
        for line in lines {
            self.0.push_str(&format!("    {line}\n"));
        }
    }
}

fn mtu(bytes: u32) -> String {
    format!("mtu {bytes}")
}

/// Ports that shall be off are not in the file.
fn without_off(intent: &Switch) -> Switch {
    let mut part = intent.clone();
    part.uplinks.retain(|port| intent.is_up(port));
    part.unprovisioned.retain(|port| intent.is_up(port));
    part.firewalls.retain(|port, _| intent.is_up(port));
    part.extra.ports.retain(|port| intent.is_up(port));
    for tenant in part.tenants.values_mut() {
        tenant.ports.retain(|port, _| intent.is_up(port));
    }
    part
}

fn assign(intent: &Switch, actual: &Actual) -> Result<BTreeMap<Vni, VlanId>, Exhausted> {
    let mut fixed = intent.extra.vlans.clone();
    fixed.extend(intent.pxe.map(|pxe| pxe.vlan));
    let present: BTreeMap<Vni, VlanId> =
        actual.file.vlans().into_iter().filter(|(_, vlan)| !fixed.contains(vlan)).collect();
    let taken = &actual.vlans | &fixed;
    let wanted: Vec<Vni> = intent.tenants.keys().chain(intent.externals.keys()).copied().collect();
    // One file is exchanged for another: what leaves with the old one is free in the new one.
    let leaving = &present.values().copied().collect::<BTreeSet<_>>() - &fixed;
    vlan_pool::assign(wanted, &present, &taken, &leaving)
}

fn bridge(intent: &Switch, vlans: &BTreeMap<Vni, VlanId>, file: &mut File) {
    let mut ports: Vec<String> =
        intent.pxe.iter().map(|pxe| format!("vni{}", pxe.vlan.layer2_vni())).collect();
    ports.extend(intent.unprovisioned.iter().chain(&intent.extra.ports).map(PortName::to_string));
    ports.extend(vlans.keys().map(|vni| format!("vni{vni}")));
    let mut ids: BTreeSet<VlanId> = vlans.values().copied().collect();
    ids.extend(intent.pxe.map(|pxe| pxe.vlan));
    ids.extend(&intent.extra.vlans);
    if ports.is_empty() && ids.is_empty() {
        return;
    }
    let ids: Vec<String> = ids.iter().map(VlanId::to_string).collect();
    let lines = [
        format!("bridge-ports {}", ports.join(" ")),
        format!("bridge-vids {}", ids.join(" ")),
        "bridge-vlan-aware yes".into(),
    ];
    file.stanza("bridge", &lines);
}

/// A routing table with its ports, its VLAN interface and its tunnel.
fn table(intent: &Switch, vni: Vni, vlan: VlanId, file: &mut File) {
    let vrf = intent.vrf_name(vni);
    file.stanza(&vrf, &["vrf-table auto".into()]);
    if let Some(tenant) = intent.tenants.get(&vni) {
        for port in tenant.ports.keys() {
            file.stanza(port, &routed(port, &vrf, []));
        }
    }
    if let Some(external) = intent.externals.get(&vni)
        && intent.is_up(&external.port)
    {
        let addresses = external.addresses.iter().map(|address| format!("address {address}"));
        file.stanza(&external.port, &routed(&external.port, &vrf, addresses));
    }
    let lines =
        [mtu(ACCESS_MTU), format!("vlan-id {vlan}"), "vlan-raw-device bridge".into(), format!("vrf {vrf}")];
    file.stanza(format!("vlan{vlan}"), &lines);
    tunnel(intent, vni, vlan, true, file);
}

fn routed(port: &PortName, vrf: &VrfName, addresses: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines = vec![mtu(ACCESS_MTU)];
    lines.extend(addresses);
    // FRR finds the machine by its router advertisements.
    lines.push(format!("post-up sysctl -w net.ipv6.conf.{}.disable_ipv6=0", port.as_str().replace('.', "/")));
    lines.push(format!("vrf {vrf}"));
    lines
}

fn tunnel(intent: &Switch, vni: Vni, vlan: VlanId, is_routed: bool, file: &mut File) {
    let mut lines = vec![mtu(ACCESS_MTU), format!("bridge-access {vlan}")];
    lines.extend(is_routed.then(|| "bridge-arp-nd-suppress on".to_owned()));
    lines.push("bridge-learning off".into());
    lines.push("mstpctl-bpduguard yes".into());
    lines.push("mstpctl-portbpdufilter yes".into());
    lines.push(format!("vxlan-id {vni}"));
    lines.push(format!("vxlan-local-tunnelip {}", intent.loopback));
    file.stanza(format!("vni{vni}"), &lines);
}

/// The segment of machines that belong to nobody.
fn segment(intent: &Switch, file: &mut File) {
    let Some(pxe) = &intent.pxe else { return };
    let mut lines = vec![mtu(ACCESS_MTU)];
    lines.extend(pxe.address.map(|address| format!("address {address}")));
    lines.push(format!("vlan-id {}", pxe.vlan));
    lines.push("vlan-raw-device bridge".into());
    file.stanza(format!("vlan{}", pxe.vlan), &lines);
    tunnel(intent, pxe.vlan.layer2_vni(), pxe.vlan, false, file);
    for port in &intent.unprovisioned {
        file.stanza(port, &[mtu(ACCESS_MTU), format!("bridge-access {}", pxe.vlan)]);
    }
}

/// The part of an intent that is already in place according to the file: without ports that still have to move and
/// without routing tables that still have to be made. Given to FRR before anything moves, it withdraws neighbours that
/// leave and adds none.
#[must_use]
pub fn staying(intent: &Switch, file: &Stanzas) -> Switch {
    let is_in = |port: &PortName, vrf: &str| {
        file.table_of(port.as_str()) == Some(vrf) && !file.is_bridged(port.as_str())
    };
    let table = |vni: &Vni| intent.vrf_name(*vni);
    let mut part = intent.clone();
    part.uplinks.retain(|port| is_in(port, ""));
    part.firewalls.retain(|port, _| is_in(port, ""));
    part.tenants.retain(|vni, _| file.table_of(table(vni).as_str()).is_some());
    for (vni, tenant) in &mut part.tenants {
        tenant.ports.retain(|port, _| is_in(port, table(vni).as_str()));
    }
    part.externals.retain(|vni, external| is_in(&external.port, table(vni).as_str()));
    part
}
