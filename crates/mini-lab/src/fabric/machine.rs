//! A machine of the fabric: what its firmware, its installer and its installed system do to the network.
//!
//! Until machines boot for real their conversation with the control plane is that of the simulator, but what they do on
//! the wire is real: a DHCP lease over the PXE segment, neighbours as LLDP shows them, and, once installed, FRR with the
//! configuration a real installer renders, addresses on the loopback, and LLDP that announces the running system.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use metal_linux::lldp::{ChassisId, Frame, PortId, Socket};
use metal_linux::namespace::Namespace;
use metal_linux::netlink::Netlink;
use metal_linux::sysctl;
use metal_netconf::frr;
use metal_netconf::intent;
use metal_netconf::name::{Asn, Hostname, PortName};
use metal_proto::v1::{Allocation, Neighbor, Nic};
use metal_runtime::file::write_private;
use metal_runtime::{TaskTree, clock};
use metal_sim::{Doing, Failure, System};
use prost::Message as _;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::cabling;
use super::node::Node;
use super::topology::{Machine, Topology};
use crate::node::{LAB, Order};

/// The ports towards the leaves.
pub const PORTS: [&str; 2] = ["lan0", "lan1"];
/// FRR's daemons on a machine.
const DAEMONS: [&str; 3] = ["mgmtd", "zebra", "bgpd"];
/// Between announcements of a running system.
const ANNOUNCEMENT: Duration = Duration::from_secs(2);
/// How long an announcement holds, seconds.
const TTL: u16 = 8;

/// What udhcpc does with a lease: addresses are all a machine that only waits needs.
const LEASE_SCRIPT: &str = "#!/bin/sh\n\
    case \"$1\" in\n\
    bound|renew) ip address replace \"$ip/$mask\" dev \"$interface\"\n\
      for gateway in $router; do ip route replace default via \"$gateway\" dev \"$interface\" && break; done ;;\n\
    deconfig) ip -4 address flush dev \"$interface\" ;;\n\
    esac\n";

/// The hardware of one machine.
#[derive(Debug)]
pub struct MachineHardware {
    node: Node,
    machine: Machine,
    bgp: intent::Bgp,
    tree: TaskTree,
    /// What the installer hears, by port.
    ears: Mutex<BTreeMap<&'static str, Ear>>,
    /// The tasks of the running system; none if none runs.
    system: Mutex<Option<TaskTree>>,
}

#[derive(Debug)]
struct Ear {
    socket: Socket,
    seen: BTreeMap<String, Neighbor>,
}

impl MachineHardware {
    pub fn new(node: Node, machine: Machine, topology: &Topology, tree: TaskTree) -> Self {
        let bgp = intent::Bgp {
            keepalive: topology.bgp.keepalive,
            hold: topology.bgp.hold,
            route_map_delay: Some(topology.bgp.route_map_delay),
            ..intent::Bgp::default()
        };
        Self { node, machine, bgp, tree, ears: Mutex::default(), system: Mutex::new(None) }
    }

    /// The network boot: ports up, a lease on the first one.
    pub async fn netboot(&self) -> anyhow::Result<()> {
        self.stop().await?;
        let network = self.node.network()?;
        let mut ears = self.ears.lock().await;
        ears.clear();
        settle(&network)?;
        for port in PORTS {
            cabling::set_up(&network, port, true)?;
            ears.insert(port, Ear { socket: open(&network, port)?, seen: BTreeMap::new() });
        }
        drop(ears);
        let script = self.node.directory().join("lease");
        std::fs::write(&script, LEASE_SCRIPT).context("write the lease script")?;
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .context("make the lease script a program")?;
        let script = format!("{LAB}/lease");
        let argv =
            ["busybox", "udhcpc", "-f", "-i", PORTS[0], "-s", &script, "-t", "100", "-T", "1", "-A", "1"];
        self.node.start_service("udhcpc", &argv).await
    }

    /// The nics with what LLDP has shown at their other ends since the network boot.
    pub async fn nics(&self) -> Vec<Nic> {
        let mut ears = self.ears.lock().await;
        for (port, ear) in &mut *ears {
            while let Ok(Some(frame)) = ear.socket.receive() {
                let neighbor = neighbor(&frame);
                ear.seen.insert(neighbor.hostname.clone(), neighbor);
            }
            tracing::trace!(port, seen = ear.seen.len(), "neighbours");
        }
        let nics = PORTS.iter().zip(0u8..).map(|(port, number)| Nic {
            mac: cabling::mac_text(cabling::machine_mac(self.machine.uuid, number)),
            name: (*port).to_owned(),
            identifier: String::new(),
            neighbors: ears.get(port).map(|ear| ear.seen.values().cloned().collect()).unwrap_or_default(),
        });
        nics.collect()
    }

    /// The installed system starts.
    pub async fn start(&self, allocation: &Allocation) -> anyhow::Result<()> {
        self.stop().await?;
        let network = self.node.network()?;
        settle(&network)?;
        for address in addresses(allocation) {
            cabling::add_address(&network, "lo", address)?;
        }
        let config =
            config(allocation, self.bgp).with_context(|| format!("configure {}", self.machine.name))?;
        self.node.start_frr(&DAEMONS, false, Some(config.to_string())).await?;
        let branch = self.tree.child(self.machine.name.as_str());
        let since = clock::now();
        for port in PORTS {
            let (socket, own) = (open(&network, port)?, branch.clone());
            let mac = mac(&network, port)?;
            let mut frame = Frame::new(ChassisId::Mac(mac), PortId::InterfaceName(port.to_owned()), TTL);
            frame.system_name = Some(self.machine.uuid.to_string());
            frame.system_description = Some(format!("provisioned since {since}"));
            branch.spawn("announce", async move { announce(&socket, &frame, &own).await });
        }
        *self.system.lock().await = Some(branch);
        Ok(())
    }

    /// What an installation has put on the disk, which survives the lab.
    pub fn remember(&self, allocation: &Allocation) -> anyhow::Result<()> {
        write_private(&disk(self.node.directory()), &allocation.encode_to_vec()).context("write the disk")
    }

    /// Whatever runs is gone, with its addresses.
    pub async fn stop(&self) -> anyhow::Result<()> {
        if let Some(branch) = self.system.lock().await.take() {
            branch.cancel();
            branch.idle().await;
        }
        self.node.order(&Order::Stop { name: "udhcpc".to_owned() }).await?;
        self.node.order(&Order::StopFrr).await?;
        let network = self.node.network()?;
        for port in ["lo"].iter().chain(&PORTS) {
            cabling::clear_addresses(&network, port)?;
        }
        Ok(())
    }
}

impl System for MachineHardware {
    fn neighbors(&self) -> Doing<'_, Vec<Nic>> {
        Box::pin(self.nics())
    }

    fn netboot(&self) -> Doing<'_, Result<(), Failure>> {
        Box::pin(async { MachineHardware::netboot(self).await.map_err(Into::into) })
    }

    fn installed<'a>(&'a self, allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { self.remember(allocation).map_err(Into::into) })
    }

    fn start<'a>(&'a self, allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { MachineHardware::start(self, allocation).await.map_err(Into::into) })
    }

    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(async {
            if let Err(error) = MachineHardware::stop(self).await {
                let error = metal_runtime::chain(error.as_ref());
                tracing::warn!(machine = self.machine.name.as_str(), error, "machine not stopped");
            }
        })
    }
}

fn disk(directory: &Path) -> PathBuf {
    directory.join("disk")
}

/// What an earlier run of the lab has installed on a machine; nothing if it has not.
pub fn recall(directory: &Path) -> Option<Allocation> {
    Allocation::decode(std::fs::read(disk(directory)).ok()?.as_slice()).ok()
}

/// As the installed system has it: addresses are announced on every port, so an answer may come in on another than a
/// question went out; and routes come from BGP, not from the leaves' router advertisements.
fn settle(network: &Namespace) -> anyhow::Result<()> {
    network.enter(|| {
        for link in ["all", "default", "lan0", "lan1"] {
            sysctl::write(&format!("net/ipv4/conf/{link}/rp_filter"), "0")?;
            sysctl::write(&format!("net/ipv6/conf/{link}/accept_ra"), "0")?;
        }
        sysctl::write("net/ipv4/fib_multipath_use_neigh", "1")?;
        sysctl::write("net/ipv4/conf/all/ignore_routes_with_linkdown", "1")?;
        anyhow::Ok(())
    })?
}

fn open(network: &Namespace, port: &str) -> anyhow::Result<Socket> {
    let link = Netlink::open(Some(network))?.link(port)?;
    Socket::open(Some(network), link.index).map_err(Into::into)
}

fn mac(network: &Namespace, port: &str) -> anyhow::Result<[u8; 6]> {
    let text = Netlink::open(Some(network))?.link(port)?.mac;
    let mut mac = [0; 6];
    for (byte, part) in mac.iter_mut().zip(text.split(':')) {
        *byte =
            u8::from_str_radix(part, 16).with_context(|| format!("read the hardware address {text:?}"))?;
    }
    Ok(mac)
}

async fn announce(socket: &Socket, frame: &Frame, tree: &TaskTree) {
    loop {
        // A port that is down says nothing; the next announcement may get through.
        let _ = socket.send(frame);
        tokio::select! {
            () = tree.cancelled() => return,
            () = sleep(ANNOUNCEMENT) => {}
        }
    }
}

fn neighbor(frame: &Frame) -> Neighbor {
    let mac = match &frame.chassis_id {
        ChassisId::Mac(mac) => cabling::mac_text(*mac),
        ChassisId::InterfaceName(_) | ChassisId::Local(_) | ChassisId::Other { .. } => String::new(),
    };
    let port = match &frame.port_id {
        PortId::InterfaceName(name) | PortId::Local(name) => name.clone(),
        PortId::Mac(mac) => cabling::mac_text(*mac),
        PortId::Other { .. } => String::new(),
    };
    Neighbor {
        mac,
        name: port.clone(),
        identifier: frame.port_description.clone().unwrap_or(port),
        hostname: frame.system_name.clone().unwrap_or_default(),
    }
}

/// Every address of a machine, each as a host's own, the way it announces them.
fn addresses(allocation: &Allocation) -> Vec<IpNet> {
    let ips = allocation.networks.iter().flat_map(|network| &network.ips);
    ips.filter_map(|ip| ip.parse::<IpAddr>().ok()).map(IpNet::from).collect()
}

/// What FRR on the machine is told.
fn config(allocation: &Allocation, bgp: intent::Bgp) -> anyhow::Result<frr::Config> {
    let private = allocation.networks.iter().find(|network| network.private);
    let first = private.and_then(|network| network.ips.first()).and_then(|ip| ip.parse::<IpAddr>().ok());
    let router_id = match first {
        Some(IpAddr::V4(address)) => address,
        Some(IpAddr::V6(_)) => Ipv4Addr::new(169, 254, 255, 255),
        None => Ipv4Addr::UNSPECIFIED,
    };
    let asn = allocation.networks.first().context("an allocation has networks")?.asn;
    let uplinks = PORTS.iter().map(|port| PortName::parse(port)).collect::<Result<_, _>>()?;
    Ok(frr::machine(&frr::Machine {
        hostname: Hostname::parse(&allocation.hostname)?,
        asn: Asn::new(u32::try_from(asn).context("read the AS number")?)?,
        router_id,
        uplinks,
        bgp,
    }))
}

#[cfg(test)]
mod tests {
    use metal_proto::v1::AllocatedNetwork;

    use super::*;

    #[test]
    fn a_machine_is_configured_as_its_allocation_says() {
        let network = AllocatedNetwork {
            ips: vec!["10.64.0.1".to_owned(), "fd00:64::1".to_owned()],
            asn: 4_210_000_001,
            private: true,
            ..AllocatedNetwork::default()
        };
        let allocation =
            Allocation { hostname: "web".to_owned(), networks: vec![network], ..Allocation::default() };
        assert_eq!(
            addresses(&allocation),
            ["10.64.0.1/32".parse().unwrap(), "fd00:64::1/128".parse().unwrap()]
        );
        let text = config(&allocation, intent::Bgp::default()).unwrap().to_string();
        assert!(text.contains("router bgp 4210000001") && text.contains("bgp router-id 10.64.0.1"), "{text}");
        let evil = Allocation { hostname: "web\nrouter bgp 1".to_owned(), ..allocation };
        assert!(config(&evil, intent::Bgp::default()).is_err());
    }
}
