//! What the kernel and the system tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use ipnet::Ipv4Net;
use metal_netconf::name::{PortName, VlanId};
use serde::Deserialize;

use crate::driver::{DriverError, Port};

fn names(devices: &Path) -> Result<Vec<String>, DriverError> {
    let error = |source| DriverError::new("list", devices.display().to_string(), source);
    let entries = fs::read_dir(devices).map_err(error)?;
    entries.map(|entry| Ok(entry.map_err(error)?.file_name().to_string_lossy().into_owned())).collect()
}

fn attribute(devices: &Path, device: &str, name: &str) -> Option<String> {
    fs::read_to_string(devices.join(device).join(name)).ok().map(|text| text.trim().to_owned())
}

/// Ports: devices whose names begin with `swp` and that have an address, without VLANs on top of them.
pub(super) fn ports(devices: &Path) -> Result<BTreeMap<PortName, Port>, DriverError> {
    let mut ports = BTreeMap::new();
    for name in names(devices)? {
        let Ok(port) = PortName::parse(&name) else { continue };
        let mac = attribute(devices, &name, "address").unwrap_or_default();
        if !name.starts_with("swp") || name.contains('.') || mac.is_empty() || mac == "00:00:00:00:00:00" {
            continue;
        }
        // A port that is switched off has no carrier to read.
        let state = attribute(devices, &name, "operstate");
        let is_up = state.and_then(|state| match state.as_str() {
            "up" => Some(true),
            "unknown" => None,
            _ => Some(false),
        });
        ports.insert(port, Port { mac, identifier: name, is_up });
    }
    Ok(ports)
}

/// VLANs with an interface of their own, `vlan1001`.
pub(super) fn vlans(devices: &Path) -> Result<BTreeSet<VlanId>, DriverError> {
    let id = |name: &String| name.strip_prefix("vlan").and_then(|id| VlanId::parse(id).ok());
    Ok(names(devices)?.iter().filter_map(id).collect())
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Ipv4Addr,
    prefixlen: u8,
}

/// The first IPv4 address of `eth0`.
pub(super) fn management(ip: &Path) -> Result<Option<Ipv4Net>, DriverError> {
    let error = |source: Box<dyn std::error::Error + Send + Sync>| {
        DriverError::new("read", "addresses of eth0", source)
    };
    let output = Command::new(ip)
        .args(["-4", "-json", "address", "show", "dev", "eth0"])
        .output()
        .map_err(|source| error(source.into()))?;
    if !output.status.success() {
        return Err(error(String::from_utf8_lossy(&output.stderr).trim().to_owned().into()));
    }
    first_address(&output.stdout).map_err(|source| error(source.into()))
}

pub(super) fn first_address(json: &[u8]) -> Result<Option<Ipv4Net>, serde_json::Error> {
    let links: Vec<Link> = serde_json::from_slice(json)?;
    let address = links.iter().flat_map(|link| &link.addr_info).next();
    Ok(address.and_then(|address| Ipv4Net::new(address.local, address.prefixlen).ok()))
}

/// `DISTRIB_RELEASE` of the system's description.
pub(super) fn release(path: &Path) -> Result<String, DriverError> {
    let error = |source: Box<dyn std::error::Error + Send + Sync>| {
        DriverError::new("read", path.display().to_string(), source)
    };
    let text = fs::read_to_string(path).map_err(|source| error(source.into()))?;
    let release = text.lines().find_map(|line| line.trim().strip_prefix("DISTRIB_RELEASE="));
    release
        .map(|text| text.trim_matches('"').to_owned())
        .ok_or_else(|| error("it has no DISTRIB_RELEASE".into()))
}
