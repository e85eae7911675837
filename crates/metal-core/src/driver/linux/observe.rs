//! Reading a kernel: everything plans depend on, in every namespace of the switch.

use std::collections::{BTreeMap, BTreeSet};

use metal_linux::netlink::{self, Netlink, NetlinkError};
use metal_linux::sysctl::{self, SysctlError};
use metal_netconf::linux::actual::BridgePort;
use metal_netconf::linux::setting::{self, LinkSetting};
use metal_netconf::linux::{Kind, Link, Space};

use super::nft::{Nft, NftError};

/// Why a namespace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Its links.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Its settings.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Its packet filter.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// Reads the namespace the calling thread is in.
pub fn observe(is_port: &dyn Fn(&str) -> bool, has_vlans: bool, nft: &Nft) -> Result<Space, ObserveError> {
    let mut netlink = Netlink::open(None)?;
    let all = netlink.links()?;
    let names: BTreeMap<u32, String> = all.iter().map(|link| (link.index, link.name.clone())).collect();
    let mut links = BTreeMap::new();
    for link in &all {
        links.insert(link.name.clone(), translate(link, &names, is_port));
    }
    for address in netlink.addresses()?.into_iter().filter(|address| address.is_global) {
        if let Some(link) = names.get(&address.link).and_then(|name| links.get_mut(name)) {
            link.addresses.insert(address.address);
        }
    }
    if has_vlans {
        for vlan in netlink.bridge_vlans()? {
            if let Some(link) = names.get(&vlan.link).and_then(|name| links.get_mut(name)) {
                link.vlans.insert(vlan.vlan, vlan.is_access);
            }
        }
    }
    let mut settings = BTreeMap::new();
    for (path, _) in setting::SPACE {
        if let Some(value) = sysctl::read(path)? {
            settings.insert(*path, value.parse().unwrap_or(setting::UNKNOWN));
        }
    }
    let has_vrfs = links.values().any(|link| matches!(link.kind, Kind::Vrf { .. }));
    // Asked only where there may be some: it takes the kernel a while, and means nothing elsewhere.
    let (is_local_late, closed) = match has_vrfs {
        true => (netlink.is_local_late()?, netlink.closed_tables()?),
        false => (false, BTreeSet::new()),
    };
    Ok(Space { links, settings, filter: nft.outline()?, is_local_late, closed })
}

fn translate(link: &netlink::Link, names: &BTreeMap<u32, String>, is_port: &dyn Fn(&str) -> bool) -> Link {
    let name_of = |index: Option<u32>| index.and_then(|index| names.get(&index).cloned());
    let kind = match &link.kind {
        netlink::LinkKind::Loopback => Kind::Loopback,
        netlink::LinkKind::Bridge { is_vlan_filtering, default_pvid } => {
            Kind::Bridge { is_vlan_filtering: *is_vlan_filtering, default_pvid: *default_pvid }
        }
        netlink::LinkKind::Vxlan { id, local, port, is_learning } => {
            Kind::Vxlan { id: *id, local: *local, port: *port, is_learning: *is_learning }
        }
        netlink::LinkKind::Vlan { id } => Kind::Vlan { id: *id, lower: name_of(link.lower) },
        netlink::LinkKind::Vrf { table } => Kind::Vrf { table: *table },
        netlink::LinkKind::Veth | netlink::LinkKind::Other(_) => Kind::Other,
    };
    let told = [
        (LinkSetting::Ipv4Forwarding, link.settings.ipv4_forwarding),
        (LinkSetting::RpFilter, link.settings.rp_filter),
        (LinkSetting::DisableIpv6, link.settings.disable_ipv6),
        (LinkSetting::AddrGenMode, link.settings.addr_gen_mode),
    ];
    let settings = told.into_iter().filter_map(|(setting, value)| {
        value.map(|value| (setting, u32::try_from(value).unwrap_or(setting::UNKNOWN)))
    });
    Link {
        is_port: kind == Kind::Other && is_port(&link.name),
        kind,
        mac: link.mac.clone(),
        mtu: link.mtu,
        is_up: link.is_up,
        master: name_of(link.master),
        bridge_port: link.bridge_port.map(|port| BridgePort {
            is_learning: port.is_learning,
            is_neigh_suppress: port.is_neigh_suppress,
        }),
        vlans: BTreeMap::new(),
        addresses: BTreeSet::new(),
        settings: settings.collect(),
    }
}
