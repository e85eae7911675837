//! The agent's settings: one TOML file, checked as a whole before anything begins.
//!
//! What the file says about the switch itself becomes an intent without machines ([`Config::base`]); on a spine or exit
//! that is the whole intent, on a leaf the control plane's wishes about ports are added to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use metal_netconf::intent::{Bgp, External, ExtraVlans, Management, Pxe, Switch};
use metal_netconf::name::{Hostname, PortName};
use metal_runtime::config::{ConfigError, Fault};
use metal_runtime::log::Format;
use serde::Deserialize;

mod file;
#[cfg(test)]
pub(crate) mod tests;

use file::File;

/// The file of defaults, with an explanation of each.
pub const DEFAULT: &str = include_str!("default.toml");

/// What kind of switch it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has machines on its ports; the control plane says what they are.
    Leaf,
    /// Connects leaves.
    Spine,
    /// Connects the fabric to external networks.
    Exit,
}

/// The switch's operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nos {
    /// Look at the device.
    Auto,
    /// Plain Linux with FRR.
    Linux,
    /// SONiC.
    Sonic,
    /// Cumulus Linux.
    Cumulus,
}

/// How a plain Linux switch keeps routing tables apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// VRF devices if the kernel has them, namespaces otherwise.
    Auto,
    /// VRF devices and one VLAN-aware bridge.
    Vrf,
    /// A network namespace for each.
    Netns,
}

/// Where the agents' API is and how to be somebody there.
#[derive(Debug, Clone)]
pub struct Api {
    /// `host:port`.
    pub address: String,
    /// The name in the server's certificate.
    pub server_name: String,
    /// The authority to trust.
    pub ca_file: PathBuf,
    /// The one-time token, if it is to join.
    pub token_file: Option<PathBuf>,
    /// A certificate and key that are the operator's business.
    pub own_files: Option<(PathBuf, PathBuf)>,
}

/// What operators need to reach the switch.
#[derive(Debug, Clone)]
pub struct Login {
    /// The address, if it is not to be found out.
    pub address: Option<IpAddr>,
    /// The interface it is on.
    pub interface: PortName,
    /// The user.
    pub user: String,
}

/// How to find and drive the device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its operating system.
    pub nos: Nos,
    /// Layout of plain Linux.
    pub layout: Layout,
    /// Interfaces that begin so are the switch's ports.
    pub port_prefixes: Vec<String>,
}

/// How often things are done.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Comparing the device with the intent.
    pub reconcile: Duration,
    /// Telling the control plane.
    pub report: Duration,
    /// Looking at the ports.
    pub ports: Duration,
    /// How long a change may take to show.
    pub confirm: Duration,
    /// Passing on repeated announcements of machines.
    pub phone_home: Duration,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// What kind of switch.
    pub role: Role,
    /// Its id and name.
    pub hostname: Hostname,
    /// The partition it stands in.
    pub partition: String,
    /// The rack.
    pub rack: String,
    /// The room, may be empty.
    pub room: String,
    /// Whether the device is changed at all.
    pub reconfigure: bool,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Log filter.
    pub log_level: String,
    /// Shape of log lines.
    pub log_format: Format,
    /// The agents' API; a leaf has one.
    pub api: Option<Api>,
    /// For operators.
    pub login: Login,
    /// The device.
    pub device: Device,
    /// Period of LLDP announcements; nothing if there are none.
    pub lldp: Option<Duration>,
    /// DHCP servers the PXE segment is relayed to.
    pub dhcp_servers: Vec<Ipv4Addr>,
    /// Periods.
    pub intervals: Intervals,
    /// The switch as the file describes it, without machines.
    pub base: Switch,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Tells all faults together.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        metal_runtime::config::load(path, check).map(Self::of)
    }

    /// As [`Config::load`], from text.
    ///
    /// # Errors
    /// All faults.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        metal_runtime::config::parse(text, check).map(Self::of)
    }

    fn of(file: File) -> Self {
        let base = base(&file);
        let api = (file.role == Role::Leaf).then(|| Api {
            server_name: if file.api.server_name.is_empty() {
                host_of(&file.api.address).to_owned()
            } else {
                file.api.server_name
            },
            address: file.api.address,
            ca_file: file.api.ca_file.unwrap_or_default(),
            token_file: file.api.token_file,
            own_files: file.api.certificate_file.zip(file.api.key_file),
        });
        Self {
            role: file.role,
            hostname: base.hostname.clone(),
            partition: file.partition,
            rack: file.rack,
            room: file.room,
            reconfigure: file.reconfigure,
            state_dir: file.state_dir,
            metrics: file.metrics.parse().ok(),
            log_level: file.log.level,
            log_format: file.log.format.parse().unwrap_or_default(),
            api,
            login: Login {
                address: file.management.address,
                interface: file.management.interface,
                user: file.management.user,
            },
            device: Device {
                nos: file.device.nos,
                layout: file.device.layout,
                port_prefixes: file.device.port_prefixes,
            },
            lldp: file.lldp.enabled.then(|| duration(file.lldp.interval)),
            dhcp_servers: file.dhcp_relay.servers,
            intervals: Intervals {
                reconcile: duration(file.intervals.reconcile),
                report: duration(file.intervals.report),
                ports: duration(file.intervals.ports),
                confirm: duration(file.intervals.confirm),
                phone_home: duration(file.intervals.phone_home),
            },
            base,
        }
    }
}

/// Faults of the file, and of the intent it makes once it is complete.
fn check(file: &File, faults: &mut Vec<Fault>) {
    file.check(faults);
    if faults.is_empty() {
        faults.extend(base(file).faults().into_iter().map(Fault::of));
    }
}

fn base(file: &File) -> Switch {
    let externals = file.external.iter().map(|external| {
        let made = External {
            name: external.name.clone(),
            port: external.port.clone(),
            addresses: external.addresses.clone(),
            routes: external.routes.iter().map(|route| (route.to.trunc(), route.via)).collect(),
            neighbors: external.neighbors.iter().map(|peer| (peer.address, peer.asn)).collect(),
        };
        (external.vni, made)
    });
    let management = file.management.gateway.map(|gateway| Management {
        gateway,
        routes: file.management.routes.iter().map(ipnet::Ipv4Net::trunc).collect(),
    });
    let pxe = file.pxe.clone().or_else(|| (file.role == Role::Leaf).then(file::Pxe::default));
    Switch {
        hostname: file.hostname.clone().expect("checked"),
        asn: file.asn.expect("checked"),
        loopback: file.loopback.expect("checked"),
        bgp: Bgp {
            keepalive: file.bgp.keepalive,
            hold: file.bgp.hold,
            route_map_delay: file.bgp.route_map_delay,
            maximum_prefix: file.bgp.maximum_prefix,
        },
        is_vtep: file.role != Role::Spine,
        uplinks: file.uplinks.clone(),
        pxe: pxe.map(|pxe| Pxe { vlan: pxe.vlan, address: pxe.address }),
        unprovisioned: BTreeSet::new(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: externals.collect(),
        extra: ExtraVlans {
            vlans: file.extra.vlans.iter().filter_map(|vlans| vlans.expand().ok()).flatten().collect(),
            ports: file.extra.ports.clone(),
        },
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management,
    }
}

fn duration(signed: SignedDuration) -> Duration {
    signed.try_into().unwrap_or_default()
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
