//! Searching machines: all given criteria must hold. A criterion with an index decides which machines are looked at.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use metal_model::machine::{Allocation, Availability, Bmc, Machine, MachineNetwork};
use metal_model::v1::{self, MachineFindRequest};

use crate::{Error, Snapshot};

/// Machines that meet all criteria, in the order of their ids.
pub fn find(snapshot: &Snapshot, req: &v1::MachineFindRequest) -> Result<Vec<Arc<Machine>>, Error> {
    let criteria = Criteria::new(req)?;
    let is_match = |machine: &&Arc<Machine>| criteria.matches(snapshot, machine);
    Ok(candidates(snapshot, req).filter(is_match).cloned().collect())
}

/// The smallest set of machines that contains all matches, as far as an index tells.
fn candidates<'a>(
    snapshot: &'a Snapshot,
    req: &MachineFindRequest,
) -> Box<dyn Iterator<Item = &'a Arc<Machine>> + 'a> {
    if let Some(id) = &req.id {
        return Box::new(snapshot.machines.get(id).into_iter());
    }
    let index = &snapshot.index;
    let sets = [
        req.allocation_project.as_deref().map(|id| index.machines_by_project.set(id)),
        req.allocation_image_id.as_deref().map(|id| index.machines_by_image.set(id)),
        req.partition_id.as_deref().map(|id| index.machines_by_partition.set(id)),
    ];
    match sets.into_iter().flatten().min_by_key(|set| set.map_or(0, |set| set.len())) {
        Some(set) => {
            let ids = set.into_iter().flatten();
            Box::new(ids.filter_map(|id| snapshot.machines.get(id.as_str())))
        }
        None => Box::new(snapshot.machines.iter()),
    }
}

/// Reads a field of a BMC.
type BmcField = fn(&Bmc) -> &str;

/// A request whose addresses, prefixes and state are understood.
struct Criteria<'a> {
    req: &'a MachineFindRequest,
    state: Option<Availability>,
    prefixes: Vec<IpNet>,
    destinations: Vec<IpNet>,
    ips: Vec<IpAddr>,
}

impl<'a> Criteria<'a> {
    fn new(req: &'a MachineFindRequest) -> Result<Self, Error> {
        let state = match &req.state_value {
            Some(value) => Some(Availability::parse(value).ok_or_else(|| {
                Error::invalid("state_value", format!("state_value {value:?} is not a machine state"))
            })?),
            None => None,
        };
        Ok(Self {
            req,
            state,
            prefixes: parse("network_prefixes", &req.network_prefixes)?,
            destinations: parse("network_destination_prefixes", &req.network_destination_prefixes)?,
            ips: parse("network_ips", &req.network_ips)?,
        })
    }

    fn matches(&self, snapshot: &Snapshot, machine: &Machine) -> bool {
        self.record(machine)
            && self.allocation(machine)
            && self.hardware(machine)
            && self.vrfs(snapshot, machine)
            && self.bmc(snapshot, machine)
    }

    fn record(&self, machine: &Machine) -> bool {
        let req = self.req;
        is(req.id.as_ref(), machine.id.as_str())
            && is(req.name.as_ref(), &machine.name)
            && is(req.partition_id.as_ref(), machine.partition.as_str())
            && is(req.sizeid.as_ref(), machine.size.as_str())
            && is(req.rackid.as_ref(), machine.rack.as_str())
            && is(req.roomid.as_ref(), machine.room.as_str())
            && self.state.is_none_or(|state| state == machine.state.value)
            && all(&req.tags, |tag| machine.tags.contains(tag))
    }

    fn allocation(&self, machine: &Machine) -> bool {
        if !self.addresses_allocation() {
            return true;
        }
        machine.allocation.as_ref().is_some_and(|allocation| self.allocated(allocation))
    }

    fn addresses_allocation(&self) -> bool {
        let req = self.req;
        let texts = [
            &req.allocation_name,
            &req.allocation_project,
            &req.allocation_image_id,
            &req.allocation_hostname,
            &req.allocation_role,
        ];
        texts.into_iter().any(Option::is_some)
            || req.allocation_succeeded.is_some()
            || !(req.network_ids.is_empty()
                && req.network_vrfs.is_empty()
                && req.network_asns.is_empty()
                && self.prefixes.is_empty()
                && self.destinations.is_empty()
                && self.ips.is_empty())
    }

    fn allocated(&self, allocation: &Allocation) -> bool {
        let req = self.req;
        let any = |holds: &dyn Fn(&MachineNetwork) -> bool| allocation.networks.iter().any(holds);
        is(req.allocation_name.as_ref(), &allocation.name)
            && is(req.allocation_project.as_ref(), allocation.project.as_str())
            && is(req.allocation_image_id.as_ref(), allocation.image.as_str())
            && is(req.allocation_hostname.as_ref(), &allocation.hostname)
            && is(req.allocation_role.as_ref(), allocation.role.wire())
            // It is never set, see the wire model.
            && req.allocation_succeeded != Some(true)
            && all(&req.network_ids, |id| any(&|network| network.network == **id))
            && all(&self.prefixes, |prefix| any(&|network| network.prefixes.contains(prefix)))
            && all(&self.destinations, |prefix| any(&|network| network.destination_prefixes.contains(prefix)))
            && all(&self.ips, |ip| any(&|network| network.ips.contains(ip)))
            && all(&req.network_vrfs, |vrf| any(&|network| i64::from(network.vrf) == *vrf))
            && all(&req.network_asns, |asn| any(&|network| i64::from(network.asn) == *asn))
    }

    fn hardware(&self, machine: &Machine) -> bool {
        let (req, hardware) = (self.req, &machine.hardware);
        let nics = || hardware.nics.iter();
        let neighbors = || hardware.nics.iter().flat_map(|nic| &nic.neighbors);
        req.hardware_memory.is_none_or(|bytes| u64::try_from(bytes) == Ok(hardware.memory))
            && all(&req.nics_mac_addresses, |mac| nics().any(|nic| nic.mac == **mac))
            && all(&req.nics_names, |name| nics().any(|nic| nic.name == **name))
            && all(&req.nics_neighbor_mac_addresses, |mac| neighbors().any(|port| port.mac == **mac))
            && all(&req.nics_neighbor_names, |name| neighbors().any(|port| port.name == **name))
            && all(&req.disk_names, |name| hardware.disks.iter().any(|disk| disk.name == **name))
            && all(&req.disk_sizes, |size| {
                hardware.disks.iter().any(|disk| u64::try_from(*size) == Ok(disk.size))
            })
    }

    /// An interface is in the VRF of the switch port it is connected to.
    fn vrfs(&self, snapshot: &Snapshot, machine: &Machine) -> bool {
        let wanted = || self.req.nics_vrfs.iter().chain(&self.req.nics_neighbor_vrfs);
        if wanted().next().is_none() {
            return true;
        }
        let switches = snapshot.index.switches_by_machine.get(machine.id.as_str());
        let vrfs: Vec<&str> = switches
            .filter_map(|id| snapshot.switches.get(id.as_str()))
            .filter_map(|switch| Some((switch, switch.connections.get(&machine.id)?)))
            .flat_map(|(switch, names)| switch.ports.iter().filter(|port| names.contains(&port.name)))
            .map(|port| port.vrf.as_str())
            .collect();
        wanted().all(|vrf| vrfs.contains(&vrf.as_str()))
    }

    fn bmc(&self, snapshot: &Snapshot, machine: &Machine) -> bool {
        let req = self.req;
        let wanted: [(&Option<String>, BmcField); 12] = [
            (&req.ipmi_address, |bmc| &bmc.address),
            (&req.ipmi_mac_address, |bmc| &bmc.mac),
            (&req.ipmi_user, |bmc| &bmc.user),
            (&req.ipmi_interface, |bmc| &bmc.interface),
            (&req.fru_chassis_part_number, |bmc| &bmc.fru.chassis_part_number),
            (&req.fru_chassis_part_serial, |bmc| &bmc.fru.chassis_part_serial),
            (&req.fru_board_mfg, |bmc| &bmc.fru.board_mfg),
            (&req.fru_board_mfg_serial, |bmc| &bmc.fru.board_mfg_serial),
            (&req.fru_board_part_number, |bmc| &bmc.fru.board_part_number),
            (&req.fru_product_manufacturer, |bmc| &bmc.fru.product_manufacturer),
            (&req.fru_product_part_number, |bmc| &bmc.fru.product_part_number),
            (&req.fru_product_serial, |bmc| &bmc.fru.product_serial),
        ];
        if wanted.iter().all(|(value, _)| value.is_none()) {
            return true;
        }
        let known = snapshot.bmcs.get(machine.id.as_str());
        wanted.iter().all(|(value, field)| is(value.as_ref(), known.map_or("", |bmc| field(bmc))))
    }
}

fn is(wanted: Option<&String>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

fn all<T>(wanted: &[T], found: impl Fn(&T) -> bool) -> bool {
    wanted.iter().all(found)
}

fn parse<T: FromStr>(field: &'static str, texts: &[String]) -> Result<Vec<T>, Error>
where
    T::Err: std::fmt::Display,
{
    let one = |text: &String| {
        text.parse().map_err(|error| Error::invalid(field, format!("{field} holds {text:?}: {error}")))
    };
    texts.iter().map(one).collect()
}
