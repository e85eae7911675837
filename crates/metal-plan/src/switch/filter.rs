//! What may be announced on a switch port: the separation of tenants, as far as routing goes.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use metal_model::id::{NetworkId, ProjectId};
use metal_model::machine::{Allocation, MachineNetworkType, Role};
use metal_model::network::Network;
use metal_model::v1::BgpFilter;

use crate::{Error, Snapshot};

/// The VRF of a firewall's ports once it is installed.
const FIREWALL_VRF: &str = "default";

/// Computes filters of one snapshot. Machines of one project and network share their list, so a rack full of them costs
/// one pass over the project's addresses.
pub(super) struct Filters<'a> {
    snapshot: &'a Snapshot,
    machines: HashMap<Key, Arc<Vec<String>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    project: ProjectId,
    private: Option<NetworkId>,
    own: Vec<IpNet>,
}

impl<'a> Filters<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, machines: HashMap::new() }
    }

    /// The filter for a port with this machine and VRF; none while the machine is not allocated.
    pub fn strict(&mut self, machine: &str, vrf: &str) -> Result<Option<BgpFilter>, Error> {
        match self.allocation(machine) {
            Some(allocation) => {
                self.check(&allocation)?;
                Ok(Some(self.of(&allocation, vrf)))
            }
            None => Ok(None),
        }
    }

    /// The same; networks that are gone contribute nothing.
    pub fn lenient(&mut self, machine: &str, vrf: &str) -> Option<BgpFilter> {
        let allocation = self.allocation(machine)?;
        Some(self.of(&allocation, vrf))
    }

    fn allocation(&self, machine: &str) -> Option<Arc<Allocation>> {
        self.snapshot.machines.get(machine)?.allocation.clone()
    }

    fn check(&self, allocation: &Allocation) -> Result<(), Error> {
        if allocation.role == Role::Firewall {
            return Ok(());
        }
        let Some(private) = private_network(allocation) else { return Ok(()) };
        let network = self.snapshot.find::<Network>(private.as_str())?;
        if let Some(parent) = &network.parent {
            self.snapshot.find::<Network>(parent.as_str())?;
        }
        Ok(())
    }

    fn of(&mut self, allocation: &Allocation, vrf: &str) -> BgpFilter {
        match allocation.role {
            Role::Firewall if vrf == FIREWALL_VRF => of_firewall(allocation),
            Role::Firewall => BgpFilter::default(),
            Role::Machine => BgpFilter { cidrs: self.of_machine(allocation).to_vec(), vnis: Vec::new() },
        }
    }

    fn of_machine(&mut self, allocation: &Allocation) -> Arc<Vec<String>> {
        let own: Vec<IpNet> = allocation
            .networks
            .iter()
            .filter(|network| network.kind.is_private() || network.kind == MachineNetworkType::Underlay)
            .flat_map(|network| network.prefixes.iter().map(IpNet::trunc))
            .collect();
        let key =
            Key { project: allocation.project.clone(), private: private_network(allocation).cloned(), own };
        if let Some(known) = self.machines.get(&key) {
            return known.clone();
        }
        let cidrs = Arc::new(machine_cidrs(self.snapshot, &key));
        self.machines.insert(key, cidrs.clone());
        cidrs
    }
}

/// If there are several, the last one counts.
fn private_network(allocation: &Allocation) -> Option<&NetworkId> {
    let is_private = |network: &&metal_model::machine::MachineNetwork| network.kind.is_private();
    allocation.networks.iter().rfind(is_private).map(|network| &network.network)
}

/// The private network, what may be announced besides, and the project's addresses elsewhere.
fn machine_cidrs(snapshot: &Snapshot, key: &Key) -> Vec<String> {
    let mut prefixes: Vec<IpNet> = Vec::new();
    let private = key.private.as_ref().and_then(|id| snapshot.networks.get(id.as_str()));
    if let Some(private) = private {
        prefixes.extend(&private.prefixes);
        let parent = private.parent.as_ref().and_then(|id| snapshot.networks.get(id.as_str()));
        let additional = parent.into_iter().flat_map(|parent| &parent.additional_announcable_cidrs);
        prefixes.extend(additional.filter_map(|cidr| cidr.parse::<IpNet>().ok()));
    }
    let addresses = snapshot.index.ips_by_project.get(key.project.as_str());
    let elsewhere =
        addresses.copied().filter(|address| !key.own.iter().any(|prefix| prefix.contains(address)));
    prefixes.extend(elsewhere.map(IpNet::from));
    let mut cidrs: Vec<String> = IpNet::aggregate(&prefixes).iter().map(ToString::to_string).collect();
    cidrs.sort();
    cidrs
}

fn of_firewall(allocation: &Allocation) -> BgpFilter {
    let mut vnis = BTreeSet::new();
    let mut cidrs: BTreeSet<String> = BTreeSet::new();
    for network in &allocation.networks {
        if network.kind == MachineNetworkType::Underlay {
            let host = |ip: &IpAddr| IpNet::from(*ip).to_string();
            cidrs.extend(network.ips.iter().map(host));
        } else {
            vnis.insert(network.vrf.to_string());
        }
    }
    BgpFilter { cidrs: cidrs.into_iter().collect(), vnis: vnis.into_iter().collect() }
}
