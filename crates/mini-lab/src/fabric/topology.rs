//! The topology file: which switches and machines there are, and which cable goes where.
//!
//! Read once, checked as a whole, and told all faults together. Nothing else of the lab knows names or addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Context as _;
use ipnet::{IpNet, Ipv4Net};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};
use metal_runtime::config::{self, Fault};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The fabric that is built when nobody asks for another.
pub const DEFAULT: &str = include_str!("fabric.toml");

/// A whole fabric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    pub bgp: Bgp,
    pub pxe: Pxe,
    pub management: Management,
    #[serde(rename = "switch")]
    pub switches: Vec<Switch>,
    #[serde(rename = "cable", default)]
    pub cables: Vec<Cable>,
    #[serde(rename = "machine", default)]
    pub machines: Vec<Machine>,
    pub external: Option<External>,
}

/// Timers of the fabric, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bgp {
    pub keepalive: u16,
    pub hold: u16,
    pub route_map_delay: u16,
    /// Most prefixes of one address family accepted from one machine.
    pub maximum_prefix: u32,
}

/// The segment of machines that belong to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pxe {
    pub vlan: VlanId,
    pub network: Ipv4Net,
    /// First and last address given out.
    pub pool: [Ipv4Addr; 2],
}

/// The network out of band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Management {
    pub network: Ipv4Net,
    /// The management server.
    pub gateway: Ipv4Addr,
}

/// What a switch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Leaf,
    Spine,
    Exit,
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    pub name: Hostname,
    pub role: Role,
    /// Leaves stand in one.
    pub rack: Option<String>,
    pub asn: Asn,
    pub loopback: Ipv4Addr,
    pub management: Ipv4Addr,
    /// A leaf's address in the PXE segment.
    pub pxe: Option<Ipv4Addr>,
}

/// A cable between switches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cable {
    pub ends: [End; 2],
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    pub name: Hostname,
    pub uuid: Uuid,
    /// Where its `lan0` and `lan1` end.
    pub ports: [End; 2],
}

/// The world outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    pub name: VrfName,
    pub vni: Vni,
    /// The exit it hangs on.
    pub switch: Hostname,
    pub port: PortName,
    /// The exit's addresses towards it.
    pub addresses: Vec<IpNet>,
    /// The outside host's addresses.
    pub host: Vec<IpNet>,
    /// What the outside host routes to the exit.
    pub public: Vec<IpNet>,
}

/// One end of a cable: `leaf01:swp1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct End {
    pub switch: Hostname,
    pub port: PortName,
}

impl TryFrom<String> for End {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (switch, port) = text.split_once(':').ok_or_else(|| format!("{text:?} is not SWITCH:PORT"))?;
        let switch = Hostname::parse(switch).map_err(|error| error.to_string())?;
        let port = PortName::parse(port).map_err(|error| error.to_string())?;
        Ok(Self { switch, port })
    }
}

impl From<End> for String {
    fn from(end: End) -> Self {
        format!("{}:{}", end.switch, end.port)
    }
}

/// Names of nodes that every fabric has.
pub const MANAGEMENT_NODE: &str = "mgmt";
/// The host on the far side of the exit.
pub const OUTSIDE_NODE: &str = "ext";

impl Topology {
    /// The fabric of a file, or the usual one.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        match path {
            Some(path) => config::load(path, check).context("read the topology"),
            None => {
                Ok(config::parse(DEFAULT, check).expect("the built-in topology is right, a test says so"))
            }
        }
    }

    /// The switch of this name.
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|switch| switch.name.as_str() == name)
    }

    /// All leaves.
    pub fn leaves(&self) -> impl Iterator<Item = &Switch> {
        self.switches.iter().filter(|switch| switch.role == Role::Leaf)
    }

    /// The ports of a switch that lead to other switches.
    pub fn uplinks(&self, name: &Hostname) -> BTreeSet<PortName> {
        let ends = self.cables.iter().flat_map(|cable| &cable.ends);
        ends.filter(|end| end.switch == *name).map(|end| end.port.clone()).collect()
    }

    /// Every node's name: management server, switches, machines, the world outside.
    pub fn nodes(&self) -> Vec<String> {
        let switches = self.switches.iter().map(|switch| switch.name.to_string());
        let machines = self.machines.iter().map(|machine| machine.name.to_string());
        let outside = self.external.iter().map(|_| OUTSIDE_NODE.to_owned());
        std::iter::once(MANAGEMENT_NODE.to_owned()).chain(switches).chain(machines).chain(outside).collect()
    }
}

fn check(topology: &Topology, faults: &mut Vec<Fault>) {
    let mut names = BTreeSet::new();
    for name in topology.nodes() {
        if !names.insert(name.clone()) {
            faults.push(Fault::of(format!("two nodes are called {name}")));
        }
    }
    check_ends(topology, faults);
    check_addresses(topology, faults);
    let mut uuids = BTreeSet::new();
    for machine in &topology.machines {
        if !uuids.insert(machine.uuid) {
            faults.push(Fault::of(format!(
                "machine {}: uuid {} is another machine's",
                machine.name, machine.uuid
            )));
        }
        let [one, other] = &machine.ports;
        if one.switch == other.switch || one.port != other.port {
            let why = "its ports must be of the same name on two leaves";
            faults.push(Fault::of(format!("machine {}: {why}", machine.name)));
        }
    }
    for leaf in topology.leaves() {
        if leaf.pxe.is_none() || leaf.rack.is_none() {
            faults.push(Fault::of(format!("switch {}: a leaf has a rack and an address `pxe`", leaf.name)));
        }
    }
    if topology.bgp.hold < 3 || topology.bgp.keepalive == 0 || topology.bgp.route_map_delay == 0 {
        faults.push(Fault::of("bgp: hold must be 3 at least, keepalive and route_map_delay 1 at least"));
    }
}

fn check_ends<'a>(topology: &'a Topology, faults: &mut Vec<Fault>) {
    let mut taken: BTreeMap<&End, String> = BTreeMap::new();
    let mut take = |end: &'a End, whose: String, wanted: &[Role], faults: &mut Vec<Fault>| {
        let End { switch, port } = end;
        match topology.switch(switch.as_str()) {
            Some(found) if wanted.contains(&found.role) => {}
            Some(_) => faults.push(Fault::of(format!("{whose}: {switch} is not a switch of the right role"))),
            None => faults.push(Fault::of(format!("{whose}: there is no switch {switch}"))),
        }
        if let Some(other) = taken.insert(end, whose.clone()) {
            faults.push(Fault::of(format!("{whose}: {switch}:{port} belongs to {other} already")));
        }
    };
    for cable in &topology.cables {
        let [one, other] = cable.ends.clone().map(String::from);
        for end in &cable.ends {
            take(end, format!("cable {one} - {other}"), &[Role::Leaf, Role::Spine, Role::Exit], faults);
        }
    }
    for machine in &topology.machines {
        for end in &machine.ports {
            take(end, format!("machine {}", machine.name), &[Role::Leaf], faults);
        }
    }
    if let Some(external) = &topology.external
        && !topology.switch(external.switch.as_str()).is_some_and(|switch| switch.role == Role::Exit)
    {
        faults.push(Fault::of(format!("external: there is no exit {}", external.switch)));
    }
}

fn check_addresses(topology: &Topology, faults: &mut Vec<Fault>) {
    let mut taken: BTreeMap<IpAddr, String> = BTreeMap::new();
    taken.insert(topology.management.gateway.into(), MANAGEMENT_NODE.to_owned());
    for switch in &topology.switches {
        let own = [Some(switch.loopback), Some(switch.management), switch.pxe];
        for address in own.into_iter().flatten() {
            if let Some(other) = taken.insert(address.into(), switch.name.to_string()) {
                faults.push(Fault::of(format!("switch {}: {address} is {other}'s already", switch.name)));
            }
        }
        if !topology.management.network.contains(&switch.management) {
            let network = topology.management.network;
            faults.push(Fault::of(format!(
                "switch {}: {} is outside {network}",
                switch.name, switch.management
            )));
        }
        if let Some(address) = switch.pxe.filter(|address| !topology.pxe.network.contains(address)) {
            faults.push(Fault::of(format!(
                "switch {}: {address} is outside {}",
                switch.name, topology.pxe.network
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_fabric_is_right() {
        let topology = config::parse::<Topology>(DEFAULT, check).unwrap();
        assert_eq!(topology.leaves().count(), 2);
        assert_eq!(topology.uplinks(&"leaf01".parse().unwrap()).len(), 1);
        assert!(topology.nodes().contains(&"ext".to_owned()));
    }

    #[test]
    fn all_faults_are_told() {
        let text = DEFAULT
            .replace("\"leaf02:swp2\"", "\"leaf02:swp9\"")
            .replace("10.0.0.12", "10.0.0.11")
            .replace("exit:swp31", "nowhere:swp31");
        let faults = config::parse::<Topology>(&text, check).unwrap_err();
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 3, "{all:?}");
    }

    #[test]
    fn a_port_is_used_once() {
        let text = DEFAULT.replace("swp4", "swp3");
        assert!(config::parse::<Topology>(&text, check).is_err());
    }
}
