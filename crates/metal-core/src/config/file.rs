//! The configuration file as it is written: every table, what may be left out, and what makes no sense together.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};
use jiff::SignedDuration;
use metal_netconf::intent;
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};
use metal_runtime::config::Fault;
use serde::Deserialize;

use super::{Layout, Nos, Role};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub role: Role,
    pub hostname: Option<Hostname>,
    pub partition: String,
    pub rack: String,
    pub room: String,
    pub asn: Option<Asn>,
    pub loopback: Option<Ipv4Addr>,
    pub uplinks: BTreeSet<PortName>,
    pub reconfigure: bool,
    pub state_dir: PathBuf,
    pub metrics: String,
    pub log: Log,
    pub api: Api,
    pub bgp: Bgp,
    pub pxe: Option<Pxe>,
    pub extra: Extra,
    pub management: Management,
    pub device: Device,
    pub lldp: Lldp,
    pub dhcp_relay: DhcpRelay,
    pub intervals: Intervals,
    pub external: Vec<External>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            role: Role::Leaf,
            hostname: None,
            partition: String::new(),
            rack: String::new(),
            room: String::new(),
            asn: None,
            loopback: None,
            uplinks: BTreeSet::new(),
            reconfigure: true,
            state_dir: "/var/lib/metal-core".into(),
            metrics: "127.0.0.1:2112".to_owned(),
            log: Log::default(),
            api: Api::default(),
            bgp: Bgp::default(),
            pxe: None,
            extra: Extra::default(),
            management: Management::default(),
            device: Device::default(),
            lldp: Lldp::default(),
            dhcp_relay: DhcpRelay::default(),
            intervals: Intervals::default(),
            external: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub level: String,
    pub format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: "human".to_owned() }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub address: String,
    pub server_name: String,
    pub ca_file: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Bgp {
    pub keepalive: u16,
    pub hold: u16,
    pub route_map_delay: Option<u16>,
    pub maximum_prefix: u32,
}

impl Default for Bgp {
    fn default() -> Self {
        let intent::Bgp { keepalive, hold, route_map_delay, maximum_prefix } = intent::Bgp::default();
        Self { keepalive, hold, route_map_delay, maximum_prefix }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pxe {
    pub vlan: VlanId,
    pub address: Option<Ipv4Net>,
}

impl Default for Pxe {
    fn default() -> Self {
        Self { vlan: VlanId::new(4000).expect("4000 is a VLAN"), address: None }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Extra {
    pub vlans: Vec<Vlans>,
    pub ports: BTreeSet<PortName>,
}

/// A VLAN or a range of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Vlans {
    One(u32),
    Range(String),
}

impl Vlans {
    pub fn expand(&self) -> Result<Vec<VlanId>, String> {
        let number = |text: &str| VlanId::parse(text.trim()).map_err(|fault| fault.to_string());
        match self {
            Self::One(one) => VlanId::new(*one).map(|one| vec![one]).map_err(|fault| fault.to_string()),
            Self::Range(text) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let (first, last) = (number(first)?.get(), number(last)?.get());
                if first > last {
                    return Err(format!("the range {text:?} ends before it begins"));
                }
                (first..=last).map(|id| VlanId::new(id.into()).map_err(|fault| fault.to_string())).collect()
            }
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Management {
    pub address: Option<IpAddr>,
    pub user: String,
    pub interface: PortName,
    pub gateway: Option<Ipv4Addr>,
    pub routes: BTreeSet<Ipv4Net>,
}

impl Default for Management {
    fn default() -> Self {
        let interface = PortName::parse("eth0").expect("eth0 is a name");
        Self { address: None, user: "admin".to_owned(), interface, gateway: None, routes: BTreeSet::new() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Device {
    pub nos: Nos,
    pub layout: Layout,
    pub port_prefixes: Vec<String>,
}

impl Default for Device {
    fn default() -> Self {
        let port_prefixes = ["swp", "Ethernet"].map(str::to_owned).into();
        Self { nos: Nos::Auto, layout: Layout::Auto, port_prefixes }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Lldp {
    pub enabled: bool,
    pub interval: SignedDuration,
}

impl Default for Lldp {
    fn default() -> Self {
        Self { enabled: true, interval: SignedDuration::from_secs(10) }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DhcpRelay {
    pub servers: Vec<Ipv4Addr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Intervals {
    pub reconcile: SignedDuration,
    pub report: SignedDuration,
    pub ports: SignedDuration,
    pub confirm: SignedDuration,
    pub phone_home: SignedDuration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            reconcile: SignedDuration::from_secs(10),
            report: SignedDuration::from_secs(10),
            ports: SignedDuration::from_secs(1),
            confirm: SignedDuration::from_secs(15),
            phone_home: SignedDuration::from_secs(60),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct External {
    pub vni: Vni,
    pub name: VrfName,
    pub port: PortName,
    #[serde(default)]
    pub addresses: BTreeSet<IpNet>,
    #[serde(default)]
    pub routes: Vec<Route>,
    #[serde(default)]
    pub neighbors: Vec<Neighbor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub to: IpNet,
    pub via: IpAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Neighbor {
    pub address: IpAddr,
    pub asn: Asn,
}

impl File {
    /// Adds what is wrong with the content.
    pub fn check(&self, faults: &mut Vec<Fault>) {
        let mut say = |is_wrong: bool, what: &str| {
            if is_wrong {
                faults.push(Fault::of(what));
            }
        };
        say(self.hostname.is_none(), "hostname is missing");
        say(self.asn.is_none(), "asn is missing");
        say(self.loopback.is_none(), "loopback is missing");
        say(self.uplinks.is_empty(), "uplinks is empty: the switch would be cut off");
        let needs_vni = self.role != Role::Exit && !self.external.is_empty();
        say(needs_vni, "[[external]] is for the role exit");
        self.check_api(&mut say);
        say(self.pxe.is_some() && self.role != Role::Leaf, "[pxe] is for the role leaf");
        say(
            !self.management.routes.is_empty() && self.management.gateway.is_none(),
            "management.routes needs management.gateway",
        );
        say(self.device.port_prefixes.iter().any(String::is_empty), "device.port_prefixes has an empty one");
        say(
            !self.metrics.is_empty() && self.metrics.parse::<std::net::SocketAddr>().is_err(),
            "metrics is not an address with a port, such as 127.0.0.1:2112",
        );
        say(
            self.log.format.parse::<metal_runtime::log::Format>().is_err(),
            "log.format is not human or json",
        );
        for (name, interval) in self.named_intervals() {
            say(interval < SignedDuration::from_millis(10), &format!("{name} is shorter than 10ms"));
        }
        for vlans in &self.extra.vlans {
            if let Err(fault) = vlans.expand() {
                faults.push(Fault::of(format!("extra.vlans: {fault}")));
            }
        }
    }

    fn check_api(&self, say: &mut impl FnMut(bool, &str)) {
        if self.role != Role::Leaf {
            return;
        }
        let api = &self.api;
        say(self.partition.is_empty(), "partition is missing");
        say(self.rack.is_empty(), "rack is missing");
        say(api.address.is_empty(), "api.address is missing");
        say(
            !api.address.is_empty()
                && api.address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()),
            "api.address is not a host and a port, such as metal-api:50051",
        );
        say(api.ca_file.is_none(), "api.ca_file is missing");
        say(
            api.certificate_file.is_some() != api.key_file.is_some(),
            "api.certificate_file and api.key_file come together",
        );
        say(
            api.certificate_file.is_some() && api.token_file.is_some(),
            "api.token_file is for switches without api.certificate_file",
        );
    }

    fn named_intervals(&self) -> [(&'static str, SignedDuration); 6] {
        let intervals = &self.intervals;
        [
            ("intervals.reconcile", intervals.reconcile),
            ("intervals.report", intervals.report),
            ("intervals.ports", intervals.ports),
            ("intervals.confirm", intervals.confirm),
            ("intervals.phone_home", intervals.phone_home),
            ("lldp.interval", self.lldp.interval),
        ]
    }
}
