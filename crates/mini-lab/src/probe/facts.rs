//! Who is what: what the API says about machines, what the topology says about everybody else, and which addresses of
//! the PXE network are really held.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use metal_client::Client;
use metal_linux::netlink::Netlink;
use metal_model::v1::{MachineAllocation, MachineResponse, SwitchResponse};

use super::expectation::{Member, Standing};
use super::place::Place;
use crate::fabric::topology::{MANAGEMENT_NODE, Machine, OUTSIDE_NODE, Topology};

/// The event of a machine whose system runs.
const RUNS: &str = "Phoned Home";
/// How long after that its routes may be under way.
const STARTING: SignedDuration = SignedDuration::from_secs(15);

/// What the API says at one moment.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub machines: Vec<MachineResponse>,
    pub switches: Vec<SwitchResponse>,
}

impl Answers {
    pub async fn ask(client: &Client) -> anyhow::Result<Self> {
        let machines = client.machine().list().await.context("ask for the machines")?;
        let switches = client.switch().list().await.context("ask for the switches")?;
        Ok(Self { machines, switches })
    }
}

/// All nodes of the fabric.
pub fn members(
    answers: &Answers,
    topology: &Topology,
    held: &BTreeMap<String, BTreeSet<IpAddr>>,
) -> Vec<Member> {
    let mut all = infrastructure(topology);
    for machine in &topology.machines {
        let node = machine.name.to_string();
        let id = machine.uuid.to_string();
        let known = answers.machines.iter().find(|known| known.id == id);
        let standing = known.map_or(Standing::Pxe, |known| standing(known, &answers.switches));
        let allocation = known.and_then(|known| known.allocation.as_deref());
        let mut addresses = allocation.map(addresses).unwrap_or_default();
        if !matches!(standing, Standing::Tenant(_)) {
            let leased =
                |address: &&IpAddr| matches!(address, IpAddr::V4(it) if topology.pxe.network.contains(it));
            addresses.extend(held.get(&node).into_iter().flatten().filter(leased));
        }
        all.push(Member { node, standing, addresses });
    }
    all
}

fn infrastructure(topology: &Topology) -> Vec<Member> {
    let mut all = vec![Member {
        node: MANAGEMENT_NODE.to_owned(),
        standing: Standing::Management,
        addresses: BTreeSet::from([topology.management.gateway.into()]),
    }];
    for switch in &topology.switches {
        let own = [Some(switch.loopback), Some(switch.management), switch.pxe];
        let mut addresses: BTreeSet<IpAddr> = own.into_iter().flatten().map(IpAddr::from).collect();
        if let Some(external) = topology.external.as_ref().filter(|external| external.switch == switch.name) {
            addresses.extend(external.addresses.iter().map(ipnet::IpNet::addr));
        }
        all.push(Member { node: switch.name.to_string(), standing: Standing::Switch, addresses });
    }
    if let Some(external) = &topology.external {
        let addresses = external.host.iter().map(ipnet::IpNet::addr).collect();
        all.push(Member { node: OUTSIDE_NODE.to_owned(), standing: Standing::Outside, addresses });
    }
    all
}

/// What a machine is. Both its record and its ports must agree, and the switches must have confirmed.
fn standing(machine: &MachineResponse, switches: &[SwitchResponse]) -> Standing {
    let connections = switches.iter().flat_map(|switch| &switch.connections);
    let ports: Vec<_> =
        connections.filter(|connection| connection.machine_id == machine.id).map(|it| &it.nic).collect();
    let is_settled = ports.iter().all(|port| !port.pending && port.fault.is_empty());
    let are_in = |vrf: &str| ports.iter().all(|port| port.vrf == vrf);
    let Some(allocation) = &machine.allocation else {
        return if is_settled && are_in("") {
            Standing::Pxe
        } else {
            Standing::Moving(ports.iter().find_map(|port| port.vrf.strip_prefix("vrf")?.parse().ok()))
        };
    };
    if allocation.role == "firewall" {
        return Standing::Firewall;
    }
    let Some(vrf) = private_vrf(allocation) else { return Standing::Moving(None) };
    let runs = machine.events.log.first().is_some_and(|event| event.event == RUNS);
    if runs && is_settled && !allocation.reinstall && are_in(&format!("vrf{vrf}")) {
        Standing::Tenant(vrf)
    } else {
        Standing::Moving(Some(vrf))
    }
}

/// Machines whose system has said that it runs so shortly ago that their routes may not have got everywhere.
pub fn starting(answers: &Answers, topology: &Topology, now: Timestamp) -> BTreeSet<String> {
    let is_starting = |machine: &&Machine| {
        let id = machine.uuid.to_string();
        let event = answers.machines.iter().find(|known| known.id == id).and_then(|it| it.events.log.first());
        let since = event.filter(|event| event.event == RUNS).and_then(|event| event.time);
        since.is_some_and(|since| now.duration_since(since.into()) < STARTING)
    };
    topology.machines.iter().filter(is_starting).map(|machine| machine.name.to_string()).collect()
}

/// The VRF all addresses of a machine are in: its private network's.
fn private_vrf(allocation: &MachineAllocation) -> Option<u64> {
    allocation
        .networks
        .iter()
        .find(|network| network.private)
        .map(|network| network.vrf)
        .filter(|vrf| *vrf != 0)
}

fn addresses(allocation: &MachineAllocation) -> BTreeSet<IpAddr> {
    let networks = allocation.networks.iter().filter(|network| !network.underlay);
    networks.flat_map(|network| &network.ips).filter_map(|ip| ip.parse().ok()).collect()
}

/// The addresses each node's own table really has.
pub fn held(places: &[Place]) -> anyhow::Result<BTreeMap<String, BTreeSet<IpAddr>>> {
    let mut all = BTreeMap::new();
    for place in places.iter().filter(|place| place.table.is_empty()) {
        let addresses = Netlink::open(Some(&place.network)).and_then(|mut netlink| netlink.addresses());
        let addresses = addresses.with_context(|| format!("list the addresses of {}", place.node))?;
        all.insert(place.node.clone(), addresses.into_iter().map(|it| it.address.addr()).collect());
    }
    Ok(all)
}
