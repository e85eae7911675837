//! What a step does: the kernel's behaviour as far as plans depend on it.

use super::actual::{Actual, BridgePort, Device, Kind, Link, Place, Space};
use super::setting::{FORWARDING, LinkSetting, UNKNOWN};
use super::step::{Object, Step, VXLAN_PORT, mac_text};
use crate::nftables::Outline;

/// A step that the kernel would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {step}: {why}")]
pub struct Impossible {
    /// The step in words.
    pub step: String,
    /// What is in the way.
    pub why: &'static str,
}

/// Does a step to an observation.
///
/// # Errors
/// Says why the kernel would refuse it.
pub fn apply(actual: &mut Actual, step: &Step) -> Result<(), Impossible> {
    change(actual, step).map_err(|why| Impossible { step: step.describe(), why })
}

type Done = Result<(), &'static str>;

fn change(actual: &mut Actual, step: &Step) -> Done {
    match step {
        Step::CreateNamespace(name) => {
            let fresh = actual.spaces.insert(Place::Vrf(name.clone()), Space::fresh());
            if fresh.is_some() { Err("it exists") } else { Ok(()) }
        }
        Step::AwaitVrf(name) => actual.space(&Place::Vrf(name.clone())).map(drop).ok_or("it does not exist"),
        Step::Configure(place, settings) => configure(actual, place, settings),
        Step::SetFilter(place, table) => filter(actual, place, Some(table.outline())),
        Step::RemoveFilter(place) => filter(actual, place, None),
        Step::PutLocalLate => {
            main_space(actual).is_local_late = true;
            Ok(())
        }
        Step::CloseTable(table) => {
            main_space(actual).closed.insert(*table);
            Ok(())
        }
        Step::Create(device, object) => create(actual, device, object),
        Step::Delete(device) => delete(actual, device),
        Step::Move(device, place) => relocate(actual, device, place),
        Step::SetMaster(device, master) => set_master(actual, device, master.as_deref()),
        Step::SetUp(device, is_up) => with(actual, device, |link| link.is_up = *is_up),
        Step::SetMtu(device, mtu) => with(actual, device, |link| link.mtu = *mtu),
        Step::SetMac(device, mac) => with(actual, device, |link| link.mac = mac_text(*mac)),
        Step::SetBridgePort(device, port) => with(actual, device, |link| link.bridge_port = Some(*port)),
        Step::SetVlanFiltering(device, is_on) => filter_vlans(actual, device, *is_on),
        Step::AddVlan(device, vlan, is_access) => with(actual, device, |link| {
            if *is_access {
                // The kernel demotes the former one to a tagged VLAN that leaves without tag, which is no access VLAN.
                link.vlans.values_mut().for_each(|access| *access = false);
            }
            link.vlans.insert(*vlan, *is_access);
        }),
        Step::DeleteVlan(device, vlan) => with(actual, device, |link| _ = link.vlans.remove(vlan)),
        Step::AddAddress(device, address) => with(actual, device, |link| _ = link.addresses.insert(*address)),
        Step::DeleteAddress(device, address) => {
            with(actual, device, |link| _ = link.addresses.remove(address))
        }
        Step::ConfigureLink(device, settings) => {
            with(actual, device, |link| link.settings.extend(settings.clone()))
        }
    }
}

fn with(actual: &mut Actual, device: &Device, change: impl FnOnce(&mut Link)) -> Done {
    let space = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    space.links.get_mut(&device.name).map(change).ok_or("there is no such link")
}

fn main_space(actual: &mut Actual) -> &mut Space {
    actual.spaces.entry(Place::Main).or_default()
}

fn configure(actual: &mut Actual, place: &Place, settings: &[(&'static str, u32)]) -> Done {
    let space = actual.spaces.get_mut(place).ok_or("there is no such namespace")?;
    for (path, value) in settings {
        space.settings.insert(path, *value);
        if *path == FORWARDING {
            for link in space.links.values_mut() {
                link.settings.insert(LinkSetting::Ipv4Forwarding, *value);
            }
        }
    }
    Ok(())
}

fn filter(actual: &mut Actual, place: &Place, outline: Option<Outline>) -> Done {
    actual.spaces.get_mut(place).ok_or("there is no such namespace")?.filter = outline;
    Ok(())
}

/// Settings of a link that has just come into a namespace.
fn newly_arrived(space: &Space) -> std::collections::BTreeMap<LinkSetting, u32> {
    let forwarding = space.settings.get(FORWARDING).copied().unwrap_or(UNKNOWN);
    let value = |setting| if setting == LinkSetting::Ipv4Forwarding { forwarding } else { UNKNOWN };
    LinkSetting::ALL.into_iter().map(|setting| (setting, value(setting))).collect()
}

fn create(actual: &mut Actual, device: &Device, object: &Object) -> Done {
    if let Object::Vxlan { id, .. } = object {
        let mut links = actual.spaces.values().flat_map(|space| space.links.values());
        if links.any(|link| matches!(link.kind, Kind::Vxlan { id: other, .. } if other == *id)) {
            return Err("there is another endpoint for this VNI");
        }
    }
    let space = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    if space.links.contains_key(&device.name) {
        return Err("the name is taken");
    }
    let mut link = Link { settings: newly_arrived(space), ..Link::default() };
    match object {
        Object::Bridge { is_vlan_filtering, mac } => {
            let default_pvid = u16::from(!is_vlan_filtering);
            link.kind = Kind::Bridge { is_vlan_filtering: *is_vlan_filtering, default_pvid };
            link.mac = mac_text(*mac);
        }
        Object::Vxlan { id, local } => {
            link.kind = Kind::Vxlan { id: *id, local: Some(*local), port: VXLAN_PORT, is_learning: false };
        }
        Object::Vlan { id, lower } => {
            let below = space.links.get(lower).ok_or("there is no link below")?;
            link.mtu = below.mtu;
            link.kind = Kind::Vlan { id: *id, lower: Some(lower.clone()) };
        }
        Object::Vrf { table } => link.kind = Kind::Vrf { table: *table },
    }
    space.links.insert(device.name.clone(), link);
    Ok(())
}

fn delete(actual: &mut Actual, device: &Device) -> Done {
    let space = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    let gone = space.links.remove(&device.name).ok_or("there is no such link")?;
    if !matches!(gone.kind, Kind::Vxlan { .. } | Kind::Vlan { .. }) {
        // VLANs on it go with it, members are set free.
        let is_above = |link: &Link| matches!(&link.kind, Kind::Vlan { lower: Some(lower), .. } if *lower == device.name);
        space.links.retain(|_, link| !is_above(link));
        for member in space.links.values_mut().filter(|link| link.master.as_ref() == Some(&device.name)) {
            detach(member);
        }
    }
    Ok(())
}

fn detach(link: &mut Link) {
    link.master = None;
    link.bridge_port = None;
    link.vlans.clear();
}

fn relocate(actual: &mut Actual, device: &Device, place: &Place) -> Done {
    let target = actual.spaces.get(place).ok_or("there is no such namespace")?;
    if target.links.contains_key(&device.name) {
        return Err("the name is taken there");
    }
    let settings = newly_arrived(target);
    let source = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    let mut link = source.links.remove(&device.name).ok_or("there is no such link")?;
    detach(&mut link);
    link.is_up = false;
    link.addresses.clear();
    link.settings = settings;
    actual.spaces.entry(place.clone()).or_default().links.insert(device.name.clone(), link);
    Ok(())
}

fn set_master(actual: &mut Actual, device: &Device, master: Option<&str>) -> Done {
    let space = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    let into = match master {
        None => None,
        Some(name) => Some(space.links.get(name).ok_or("there is no such bridge or VRF")?.kind.clone()),
    };
    let link = space.links.get_mut(&device.name).ok_or("there is no such link")?;
    detach(link);
    link.master = master.map(str::to_owned);
    if let Some(Kind::Bridge { is_vlan_filtering, default_pvid }) = into {
        link.bridge_port = Some(BridgePort::default());
        if is_vlan_filtering && default_pvid != 0 {
            link.vlans.insert(default_pvid, true);
        }
    }
    Ok(())
}

fn filter_vlans(actual: &mut Actual, device: &Device, is_on: bool) -> Done {
    let space = actual.spaces.get_mut(&device.place).ok_or("there is no such namespace")?;
    let bridge = space.links.get_mut(&device.name).ok_or("there is no such link")?;
    let Kind::Bridge { is_vlan_filtering, default_pvid } = &mut bridge.kind else {
        return Err("it is no bridge");
    };
    let former = std::mem::replace(default_pvid, 0);
    *is_vlan_filtering = is_on;
    bridge.vlans.remove(&former);
    for member in space.links.values_mut().filter(|link| link.master.as_ref() == Some(&device.name)) {
        if member.vlans.get(&former) == Some(&true) {
            member.vlans.remove(&former);
        }
    }
    Ok(())
}
