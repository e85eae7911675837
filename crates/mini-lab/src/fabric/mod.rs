//! The lab's fabric: switches, machines and hosts as namespaces, cabled as the topology says.
//!
//! Everything lives in one sandbox, so that it vanishes when the lab does, however the lab ends; no device, route, rule or
//! name is made on the host. The switches run real FRR and the real agent. What differs from a rack is only that a cable
//! is virtual and a machine has no firmware yet.

pub mod cabling;
pub mod forward;
pub mod launch;
pub mod machine;
pub mod node;
pub mod rootfs;
pub mod switch;
pub mod topology;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use ipnet::{IpNet, Ipv4Net};
use metal_linux::namespace::Namespace;
use metal_linux::netlink::Netlink;
use metal_linux::sandbox::PidNamespace;
use metal_runtime::TaskTree;

use crate::node::{LAB, Spec};
use cabling::Plug;
use node::Node;
use topology::{External, MANAGEMENT_NODE, OUTSIDE_NODE, Topology};

/// The management server's end of the management network.
const MANAGEMENT_BRIDGE: &str = "br0";
/// Where the outside host's cable ends.
const OUTSIDE_PORT: &str = "ext0";
/// Port of the agents' API as the switches see it.
const AGENTS_PORT: u16 = 50051;

/// A running fabric. Dropping the last clone's sandbox ends it.
#[derive(Debug)]
pub struct Fabric {
    pub topology: Topology,
    pub nodes: BTreeMap<String, Node>,
    /// Whether routing tables are namespaces, because the kernel has no VRF devices.
    pub netns: bool,
    /// Kept for its end, which is everybody's.
    _sandbox: PidNamespace,
}

/// What a fabric is built from.
#[derive(Clone, Debug)]
pub struct Material {
    pub topology: Topology,
    /// The system of the switches.
    pub rootfs: PathBuf,
    /// Where the nodes' directories are made.
    pub directory: PathBuf,
    /// Where our programs are.
    pub programs: PathBuf,
}

impl Fabric {
    /// Starts the nodes and lays the cables. Nothing runs in the nodes yet.
    pub fn build(material: Material, tree: &TaskTree) -> anyhow::Result<Self> {
        let mut init = Command::new(std::env::current_exe().context("find this program")?);
        init.arg("init");
        let sandbox = PidNamespace::new(init).context("make the sandbox")?;
        let mut nodes = BTreeMap::new();
        for name in material.topology.nodes() {
            let spec = Spec {
                directory: material.directory.join(&name),
                rootfs: material.rootfs.clone(),
                programs: material.programs.clone(),
                name: name.clone(),
            };
            nodes.insert(name, Node::start(&sandbox, &spec, tree)?);
        }
        let fabric = Self { topology: material.topology, nodes, netns: !has_vrf()?, _sandbox: sandbox };
        fabric.lay_cables().context("lay the cables")?;
        Ok(fabric)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> anyhow::Result<&Node> {
        let known = || self.nodes.keys().cloned().collect::<Vec<_>>().join(", ");
        self.nodes.get(name).with_context(|| format!("there is no node {name}; there are {}", known()))
    }

    /// Starts what the management server and the outside host do.
    pub async fn start_hosts(&self, agents_port: u16, tree: &TaskTree) -> anyhow::Result<()> {
        let management = self.node(MANAGEMENT_NODE)?;
        let gateway = self.topology.management.gateway;
        let listen = SocketAddr::from((gateway, AGENTS_PORT));
        forward::start(&management.network()?, listen, agents_port, tree)?;
        let [first, last] = self.topology.pxe.pool;
        let range = format!("--dhcp-range={first},{last},{},10m", self.topology.pxe.network.netmask());
        let leases = format!("--dhcp-leasefile={LAB}/leases");
        let interface = format!("--interface={MANAGEMENT_BRIDGE}");
        let argv = [
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--user=root",
            "--log-facility=-",
            "--log-dhcp",
            "--dhcp-authoritative",
            "--no-ping",
            &interface,
            &range,
            &leases,
        ];
        management.start_service("dnsmasq", &argv).await?;
        if self.topology.external.is_some() {
            let outside = self.node(OUTSIDE_NODE)?;
            let www = outside.directory().join("www");
            std::fs::create_dir_all(&www).context("make the outside web server's directory")?;
            std::fs::write(www.join("index.html"), "the world outside\n").context("write its page")?;
            let root = format!("{LAB}/www");
            outside.start_service("httpd", &["busybox", "httpd", "-f", "-p", "80", "-h", &root]).await?;
        }
        Ok(())
    }

    /// Where the switches find the agents' API.
    pub fn agents_address(&self) -> String {
        format!("{}:{AGENTS_PORT}", self.topology.management.gateway)
    }

    fn lay_cables(&self) -> anyhow::Result<()> {
        let networks: BTreeMap<&str, Namespace> = self
            .nodes
            .iter()
            .map(|(name, node)| Ok((name.as_str(), node.network()?)))
            .collect::<anyhow::Result<_>>()?;
        for network in networks.values() {
            cabling::set_up(network, "lo", true)?;
        }
        self.lay_management(&networks)?;
        for cable in &self.topology.cables {
            let [one, other] = &cable.ends;
            cabling::lay(
                Plug { network: &networks[one.switch.as_str()], name: one.port.as_str(), mac: None },
                Plug { network: &networks[other.switch.as_str()], name: other.port.as_str(), mac: None },
            )?;
        }
        for machine in &self.topology.machines {
            let network = &networks[machine.name.as_str()];
            for (end, nic) in machine.ports.iter().zip(0u8..) {
                let name = format!("lan{nic}");
                cabling::lay(
                    Plug { network: &networks[end.switch.as_str()], name: end.port.as_str(), mac: None },
                    Plug { network, name: &name, mac: Some(cabling::machine_mac(machine.uuid, nic)) },
                )?;
            }
        }
        match &self.topology.external {
            Some(external) => lay_outside(external, &networks),
            None => Ok(()),
        }
    }

    fn lay_management(&self, networks: &BTreeMap<&str, Namespace>) -> anyhow::Result<()> {
        let server = &networks[MANAGEMENT_NODE];
        let management = &self.topology.management;
        let address = |host| Ipv4Net::new(host, management.network.prefix_len()).map(IpNet::from);
        cabling::add_bridge(server, MANAGEMENT_BRIDGE)?;
        cabling::add_address(server, MANAGEMENT_BRIDGE, address(management.gateway)?)?;
        let mut leaves: Vec<IpAddr> = Vec::new();
        for switch in &self.topology.switches {
            let (name, network) = (switch.name.as_str(), &networks[switch.name.as_str()]);
            cabling::lay(
                Plug { network: server, name, mac: None },
                Plug { network, name: "eth0", mac: None },
            )?;
            cabling::join_bridge(server, name, MANAGEMENT_BRIDGE)?;
            cabling::add_address(network, "eth0", address(switch.management)?)?;
            if let Some(pxe) = switch.pxe {
                // Answers to a relay go to that relay.
                cabling::add_route(server, Ipv4Net::from(pxe).into(), &[switch.management.into()])?;
                leaves.push(switch.management.into());
            }
        }
        if !leaves.is_empty() {
            cabling::add_route(server, self.topology.pxe.network.into(), &leaves)?;
        }
        Ok(())
    }
}

fn lay_outside(external: &External, networks: &BTreeMap<&str, Namespace>) -> anyhow::Result<()> {
    let outside = &networks[OUTSIDE_NODE];
    cabling::lay(
        Plug { network: &networks[external.switch.as_str()], name: external.port.as_str(), mac: None },
        Plug { network: outside, name: OUTSIDE_PORT, mac: None },
    )?;
    for host in &external.host {
        cabling::add_address(outside, OUTSIDE_PORT, *host)?;
    }
    for public in &external.public {
        let gateway =
            external.addresses.iter().find(|address| address.addr().is_ipv4() == public.addr().is_ipv4());
        if let Some(gateway) = gateway {
            cabling::add_route(outside, *public, &[gateway.addr()])?;
        }
    }
    Ok(())
}

/// Whether the kernel has VRF devices and bridges that tell VLANs apart; asked in a namespace that is thrown away.
fn has_vrf() -> anyhow::Result<bool> {
    let scratch = Namespace::anonymous()?;
    let mut netlink = Netlink::open(Some(&scratch))?;
    let options = metal_linux::netlink::BridgeOptions { is_vlan_filtering: true, ..Default::default() };
    Ok(netlink.add_vrf("vrf1", 1000).is_ok() && netlink.add_bridge("br1", &options).is_ok())
}
