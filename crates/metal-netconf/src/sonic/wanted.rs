//! Rows an intent needs.

use std::collections::BTreeMap;

use super::actual::{Actual, Overlay};
use super::row::{Fields, Key, MapName};
use crate::intent::{ACCESS_MTU, FABRIC_MTU, PortClass, Switch};
use crate::name::{PortName, VlanId, Vni, VrfName};
use crate::vlan_pool::{self, Exhausted};

/// Why an intent cannot be carried out on this device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The intent contradicts itself.
    #[error("the intent contradicts itself: {}", .0.join("; "))]
    Contradiction(Vec<String>),
    /// It names ports that have no row in `PORT`.
    #[error("the switch has no port {}", .0.iter().map(PortName::as_str).collect::<Vec<_>>().join(", "))]
    NoSuchPort(Vec<PortName>),
    /// Overlay networks without a tunnel endpoint to carry them.
    #[error("there is no row in VXLAN_TUNNEL: the tunnel endpoint must be configured before networks can be")]
    NoTunnel,
    /// More than one tunnel endpoint.
    #[error("there is more than one row in VXLAN_TUNNEL: {}", .0.join(", "))]
    ManyTunnels(Vec<String>),
    /// The tunnel endpoint's name is not one.
    #[error("the row {0:?} in VXLAN_TUNNEL does not have the name of a device")]
    OddTunnel(String),
    /// A routing table's name that SONiC does not accept.
    #[error("routing table {0}: SONiC accepts only names that begin with Vrf")]
    OddVrf(VrfName),
    /// The PXE segment's VLAN or VNI is used otherwise.
    #[error("VLAN {vlan} and VNI {vni} belong together, but {found} maps them otherwise")]
    PxeMapped {
        /// The segment's VLAN.
        vlan: VlanId,
        /// Its VNI.
        vni: Vni,
        /// The row in the way.
        found: String,
    },
    /// No VLAN is left.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// Name of a routing table on SONiC: `Vrf3981` for a tenant, an external network's own name.
#[must_use]
pub fn vrf_name(intent: &Switch, vni: Vni) -> VrfName {
    let external = intent.externals.get(&vni).map(|external| external.name.clone());
    external.unwrap_or_else(|| VrfName::parse(&format!("Vrf{vni}")).expect("letters and digits"))
}

/// The routing table a port of this class is routed in (nothing inside stands for the default one); nothing if it is
/// not routed.
#[expect(clippy::option_option, reason = "not routed, in the default table, in a table: three things")]
pub(super) fn routed_in(intent: &Switch, class: PortClass) -> Option<Option<VrfName>> {
    match class {
        PortClass::Uplink | PortClass::Firewall => Some(None),
        PortClass::Tenant(vni) | PortClass::External(vni) => Some(Some(vrf_name(intent, vni))),
        PortClass::Unprovisioned | PortClass::Extra | PortClass::Isolated => None,
    }
}

/// The rows an intent needs on this device, with the fields that matter.
///
/// # Errors
/// Fails when the intent contradicts itself or does not fit the device.
pub fn wanted(intent: &Switch, actual: &Actual) -> Result<BTreeMap<Key, Fields>, Fault> {
    wanted_on(intent, actual, &actual.overlay(intent))
}

pub(super) fn wanted_on(
    intent: &Switch,
    actual: &Actual,
    overlay: &Overlay,
) -> Result<BTreeMap<Key, Fields>, Fault> {
    let faults = intent.faults();
    if !faults.is_empty() {
        return Err(Fault::Contradiction(faults));
    }
    let classes = intent.classes();
    let is_missing = |port: &PortName| !actual.rows.contains_key(&Key::Port(port.clone()));
    let missing: Vec<PortName> =
        classes.iter().filter(|(port, _)| is_missing(port)).map(|(port, _)| (*port).clone()).collect();
    if !missing.is_empty() {
        return Err(Fault::NoSuchPort(missing));
    }
    let mut rows = BTreeMap::new();
    overlay_rows(intent, actual, overlay, &mut rows)?;
    for vlan in &intent.extra.vlans {
        rows.insert(Key::Vlan(*vlan), fields([("vlanid", vlan.to_string())]));
    }
    for (port, class) in classes {
        port_rows(intent, port, class, &mut rows);
    }
    Ok(rows)
}

fn fields<const N: usize>(of: [(&'static str, String); N]) -> Fields {
    of.into_iter().collect()
}

fn overlay_rows(
    intent: &Switch,
    actual: &Actual,
    overlay: &Overlay,
    rows: &mut BTreeMap<Key, Fields>,
) -> Result<(), Fault> {
    let routed: Vec<Vni> = intent.tenants.keys().chain(intent.externals.keys()).copied().collect();
    if routed.is_empty() && intent.pxe.is_none() {
        return Ok(());
    }
    let tunnel = match actual.tunnels.as_slice() {
        [] => return Err(Fault::NoTunnel),
        [only] => PortName::parse(only).map_err(|_| Fault::OddTunnel(only.clone()))?,
        many => return Err(Fault::ManyTunnels(many.to_vec())),
    };
    if let Some(pxe) = &intent.pxe {
        let (vlan, vni) = (pxe.vlan, pxe.vlan.layer2_vni());
        let other = overlay.maps.iter().find(|((v, n), _)| (*v == vlan) != (*n == vni));
        if let Some((_, key)) = other {
            return Err(Fault::PxeMapped { vlan, vni, found: key.to_string() });
        }
        rows.insert(Key::Vlan(vlan), fields([("vlanid", vlan.to_string())]));
        if let Some(address) = pxe.address {
            rows.insert(Key::VlanInterface(vlan), Fields::new());
            rows.insert(Key::VlanAddress(vlan, address.into()), Fields::new());
        }
        rows.insert(map_key(overlay, &tunnel, vlan, vni), map_fields(vlan, vni));
    }
    let leaving =
        &overlay.ours - &routed.iter().filter_map(|vni| overlay.present.get(vni)).copied().collect();
    let vlans = vlan_pool::assign(routed, &overlay.present, &overlay.taken, &leaving)?;
    for (vni, vlan) in vlans {
        let vrf = vrf_name(intent, vni);
        if !vrf.as_str().starts_with("Vrf") {
            return Err(Fault::OddVrf(vrf));
        }
        rows.insert(Key::Vlan(vlan), fields([("vlanid", vlan.to_string())]));
        rows.insert(Key::Suppress(vlan), fields([("suppress", "on".into())]));
        rows.insert(Key::VlanInterface(vlan), fields([("vrf_name", vrf.to_string())]));
        rows.insert(map_key(overlay, &tunnel, vlan, vni), map_fields(vlan, vni));
        rows.insert(Key::Vrf(vrf), fields([("fallback", "false".into()), ("vni", vni.to_string())]));
    }
    Ok(())
}

fn map_fields(vlan: VlanId, vni: Vni) -> Fields {
    fields([("vlan", format!("Vlan{vlan}")), ("vni", vni.to_string())])
}

/// The row that maps these two already, whatever its name, else ours.
fn map_key(overlay: &Overlay, tunnel: &PortName, vlan: VlanId, vni: Vni) -> Key {
    overlay.maps.get(&(vlan, vni)).cloned().unwrap_or_else(|| {
        let name = MapName::parse(&format!("map_{vni}_Vlan{vlan}")).expect("letters, digits, underscores");
        Key::TunnelMap(tunnel.clone(), name)
    })
}

fn port_rows(intent: &Switch, port: &PortName, class: PortClass, rows: &mut BTreeMap<Key, Fields>) {
    let status = if intent.is_up(port) { "up" } else { "down" };
    let mut base = fields([("admin_status", status.to_owned())]);
    match class {
        PortClass::Uplink | PortClass::Firewall => {
            base.insert("mtu", FABRIC_MTU.to_string());
        }
        PortClass::Unprovisioned | PortClass::Tenant(_) | PortClass::External(_) => {
            base.insert("mtu", ACCESS_MTU.to_string());
        }
        PortClass::Isolated => {}
        // Nothing else is done with such a port, so it is switched off if asked, and never on.
        PortClass::Extra => base.retain(|_, status| status == "down"),
    }
    rows.insert(Key::Port(port.clone()), base);
    if let Some(vrf) = routed_in(intent, class) {
        let mut interface = fields([("ipv6_use_link_local_only", "enable".to_owned())]);
        interface.extend(vrf.map(|vrf| ("vrf_name", vrf.to_string())));
        rows.insert(Key::Interface(port.clone()), interface);
    }
    match class {
        PortClass::Unprovisioned => {
            if let Some(pxe) = &intent.pxe {
                let member = Key::VlanMember(pxe.vlan, port.clone());
                rows.insert(member, fields([("tagging_mode", "untagged".into())]));
            }
        }
        PortClass::Extra => {
            for vlan in &intent.extra.vlans {
                rows.insert(
                    Key::VlanMember(*vlan, port.clone()),
                    fields([("tagging_mode", "tagged".into())]),
                );
            }
        }
        PortClass::External(vni) => {
            for address in &intent.externals[&vni].addresses {
                rows.insert(Key::InterfaceAddress(port.clone(), *address), Fields::new());
            }
        }
        PortClass::Uplink | PortClass::Firewall | PortClass::Tenant(_) | PortClass::Isolated => {}
    }
}

/// The part of an intent that is already in place: without ports that still have to move and without routing tables
/// that still have to be made. Given to FRR before anything moves, it withdraws neighbours that leave and adds none.
#[must_use]
pub fn staying(intent: &Switch, actual: &Actual) -> Switch {
    let classes: BTreeMap<PortName, PortClass> =
        intent.classes().into_iter().map(|(port, class)| (port.clone(), class)).collect();
    let is_there = |port: &PortName| {
        let vrf = classes.get(port).and_then(|class| routed_in(intent, *class)).flatten();
        let row = actual.rows.get(&Key::Interface(port.clone()));
        row.is_some_and(|row| row.get("vrf_name").map(String::as_str) == vrf.as_ref().map(VrfName::as_str))
    };
    let has_table = |vni: &Vni| actual.rows.contains_key(&Key::Vrf(vrf_name(intent, *vni)));
    let mut part = intent.clone();
    part.uplinks.retain(&is_there);
    part.firewalls.retain(|port, _| is_there(port));
    part.tenants.retain(|vni, _| has_table(vni));
    for tenant in part.tenants.values_mut() {
        tenant.ports.retain(|port, _| is_there(port));
    }
    part.externals.retain(|vni, external| has_table(vni) && is_there(&external.port));
    part
}

/// Rows as a fragment of `config_db.json`.
#[must_use]
pub fn render(rows: &BTreeMap<Key, Fields>) -> String {
    let mut tables: BTreeMap<&'static str, BTreeMap<String, &Fields>> = BTreeMap::new();
    for (key, fields) in rows {
        tables.entry(key.table()).or_default().insert(key.name(), fields);
    }
    let mut text = serde_json::to_string_pretty(&tables).expect("maps of text");
    text.push('\n');
    text
}
