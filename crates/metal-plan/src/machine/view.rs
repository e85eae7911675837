//! Machines in wire form. What many machines share - partition, size, image - is converted once per [`Views`];
//! hardware and layout are shared with the snapshot.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use metal_model::event_log::{Event, EventLog};
use metal_model::id::{ImageId, PartitionId, SizeId};
use metal_model::image::Image;
use metal_model::machine::{Allocation, Bmc, Machine, MachineNetwork, MachineNetworkType};
use metal_model::partition::Partition;
use metal_model::size::{Size, UNKNOWN_SIZE};
use metal_model::v1;

use crate::{Error, Snapshot, image, partition, size};

/// How many events an answer shows.
const SHOWN_EVENTS: usize = 20;

/// Converts machines of one snapshot. Owns the snapshot (a clone is cheap), so that an answer can be streamed.
#[derive(Debug)]
pub struct Views {
    snapshot: Snapshot,
    partitions: HashMap<PartitionId, Arc<v1::PartitionResponse>>,
    sizes: HashMap<SizeId, Arc<v1::SizeResponse>>,
    images: HashMap<ImageId, Arc<v1::ImageResponse>>,
}

/// One machine, strictly: a reference to something that is gone is an error, and so is a machine without events.
pub fn response(snapshot: &Snapshot, machine: &Machine) -> Result<v1::MachineResponse, Error> {
    check_references(snapshot, machine)?;
    Ok(Views::new(snapshot).machine(machine))
}

/// One machine, leniently: what is gone is shown empty. Lists are better made by one [`Views`].
pub fn list_response(snapshot: &Snapshot, machine: &Machine) -> v1::MachineResponse {
    Views::new(snapshot).machine(machine)
}

/// One machine and its BMC, strictly.
pub fn ipmi_response(snapshot: &Snapshot, machine: &Machine) -> Result<v1::MachineIpmiResponse, Error> {
    check_references(snapshot, machine)?;
    Ok(Views::new(snapshot).machine_with_bmc(machine))
}

/// One machine and its BMC, leniently.
pub fn ipmi_list_response(snapshot: &Snapshot, machine: &Machine) -> v1::MachineIpmiResponse {
    Views::new(snapshot).machine_with_bmc(machine)
}

fn check_references(snapshot: &Snapshot, machine: &Machine) -> Result<(), Error> {
    if !machine.partition.is_empty() {
        snapshot.find::<Partition>(machine.partition.as_str())?;
    }
    if !machine.size.is_empty() && machine.size != *UNKNOWN_SIZE {
        snapshot.find::<Size>(machine.size.as_str())?;
    }
    if let Some(allocation) = machine.allocation.as_ref().filter(|a| !a.image.is_empty()) {
        snapshot.find::<Image>(allocation.image.as_str())?;
    }
    snapshot.find::<EventLog>(machine.id.as_str())?;
    Ok(())
}

impl Views {
    /// Converts machines of this snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self {
            snapshot: snapshot.clone(),
            partitions: HashMap::new(),
            sizes: HashMap::new(),
            images: HashMap::new(),
        }
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A machine; what it refers to and is gone is shown empty.
    pub fn machine(&mut self, machine: &Machine) -> v1::MachineResponse {
        let log = self.snapshot.event_logs.get(machine.id.as_str()).cloned();
        v1::MachineResponse {
            id: machine.id.to_string(),
            name: machine.name.clone(),
            description: machine.description.clone(),
            partition: self.partition(&machine.partition),
            size: self.size(&machine.size),
            rackid: machine.rack.to_string(),
            roomid: machine.room.clone(),
            hardware: machine.hardware.clone(),
            bios: machine.bios.clone(),
            allocation: machine.allocation.as_ref().map(|allocation| Arc::new(self.allocation(allocation))),
            state: state(machine),
            ledstate: machine.led.clone(),
            liveliness: log.as_ref().map_or("", |log| log.liveliness.wire()).to_owned(),
            events: Arc::new(log.map(|log| recent_events(&log)).unwrap_or_default()),
            tags: machine.tags.clone(),
            created: machine.created.into(),
            changed: machine.changed.into(),
        }
    }

    /// A machine together with its BMC.
    pub fn machine_with_bmc(&mut self, machine: &Machine) -> v1::MachineIpmiResponse {
        let ipmi = self.snapshot.bmcs.get(machine.id.as_str()).map(|bmc| ipmi(bmc)).unwrap_or_default();
        let view = self.machine(machine);
        v1::MachineIpmiResponse {
            id: view.id,
            name: view.name,
            description: view.description,
            partition: view.partition,
            size: view.size,
            rackid: view.rackid,
            roomid: view.roomid,
            hardware: view.hardware,
            bios: view.bios,
            allocation: view.allocation,
            state: view.state,
            ledstate: view.ledstate,
            liveliness: view.liveliness,
            events: view.events,
            tags: view.tags,
            ipmi,
            created: view.created,
            changed: view.changed,
        }
    }

    /// A partition; none for the empty id, an empty object for one that is gone.
    pub fn partition(&mut self, id: &PartitionId) -> Option<Arc<v1::PartitionResponse>> {
        let found = |snapshot: &Snapshot| {
            snapshot.partitions.get(id.as_str()).map(|found| partition::list_response(found))
        };
        (!id.is_empty()).then(|| cached(&mut self.partitions, id, &self.snapshot, found))
    }

    fn size(&mut self, id: &SizeId) -> Option<Arc<v1::SizeResponse>> {
        let found = |snapshot: &Snapshot| {
            if *id == *UNKNOWN_SIZE {
                let name = UNKNOWN_SIZE.to_owned();
                return Some(v1::SizeResponse { id: name.clone(), name, ..v1::SizeResponse::default() });
            }
            snapshot.sizes.get(id.as_str()).map(|found| size::list_response(found))
        };
        (!id.is_empty()).then(|| cached(&mut self.sizes, id, &self.snapshot, found))
    }

    fn image(&mut self, id: &ImageId) -> Option<Arc<v1::ImageResponse>> {
        let found =
            |snapshot: &Snapshot| snapshot.images.get(id.as_str()).map(|found| image::list_response(found));
        (!id.is_empty()).then(|| cached(&mut self.images, id, &self.snapshot, found))
    }

    fn allocation(&mut self, allocation: &Allocation) -> v1::MachineAllocation {
        v1::MachineAllocation {
            creator: allocation.creator.clone(),
            created: allocation.created.into(),
            name: allocation.name.clone(),
            description: allocation.description.clone(),
            project: allocation.project.to_string(),
            hostname: allocation.hostname.clone(),
            image: self.image(&allocation.image),
            filesystemlayout: allocation.filesystem_layout.clone(),
            networks: allocation.networks.iter().map(network).collect(),
            ssh_pub_keys: allocation.ssh_pub_keys.clone(),
            user_data: allocation.user_data.clone(),
            succeeded: false,
            reinstall: allocation.reinstall,
            boot_info: allocation.boot_info.clone(),
            role: allocation.role.wire().to_owned(),
            vpn: allocation.vpn.clone(),
            allocationuuid: allocation.uuid.clone(),
            firewall_rules: allocation.firewall_rules.clone(),
            dns_servers: allocation.dns_servers.clone(),
            ntp_servers: allocation.ntp_servers.clone(),
        }
    }
}

/// The converted form from the cache, or converted now; an empty one for what is gone.
fn cached<K: Clone + Eq + Hash, V: Default>(
    cache: &mut HashMap<K, Arc<V>>,
    id: &K,
    snapshot: &Snapshot,
    find: impl FnOnce(&Snapshot) -> Option<V>,
) -> Arc<V> {
    if let Some(known) = cache.get(id) {
        return known.clone();
    }
    let converted = Arc::new(find(snapshot).unwrap_or_default());
    cache.insert(id.clone(), converted.clone());
    converted
}

fn state(machine: &Machine) -> v1::MachineState {
    v1::MachineState {
        value: machine.state.value.wire().to_owned(),
        description: machine.state.description.clone(),
        issuer: machine.state.issuer.clone(),
        metal_hammer_version: machine.state.metal_hammer_version.clone(),
    }
}

fn recent_events(log: &EventLog) -> v1::MachineRecentProvisioningEvents {
    v1::MachineRecentProvisioningEvents {
        log: log.events.iter().take(SHOWN_EVENTS).map(|shown| event(shown)).collect(),
        last_event_time: log.last_event_time.map(v1::Time::from),
        last_error_event: log.last_error_event.as_deref().map(event),
        crash_loop: log.crash_loop,
        failed_machine_reclaim: log.failed_machine_reclaim,
    }
}

fn event(event: &Event) -> v1::MachineProvisioningEvent {
    v1::MachineProvisioningEvent {
        time: Some(event.time.into()),
        event: event.event.wire().to_owned(),
        message: event.message.clone(),
    }
}

fn network(network: &MachineNetwork) -> v1::MachineNetwork {
    v1::MachineNetwork {
        networkid: network.network.to_string(),
        prefixes: network.prefixes.iter().map(ToString::to_string).collect(),
        ips: network.ips.iter().map(ToString::to_string).collect(),
        destinationprefixes: network.destination_prefixes.iter().map(ToString::to_string).collect(),
        networktype: network.kind.wire().to_owned(),
        vrf: u64::from(network.vrf),
        asn: i64::from(network.asn),
        nat: network.nat,
        private: network.kind.is_private(),
        underlay: network.kind == MachineNetworkType::Underlay,
        projectid: network.project.to_string(),
        networktypev2: network.network_type_v2.clone(),
        nattypev2: network.nat_type_v2.clone(),
    }
}

fn ipmi(bmc: &Bmc) -> v1::MachineIpmi {
    v1::MachineIpmi {
        address: bmc.address.clone(),
        mac: bmc.mac.clone(),
        user: bmc.user.clone(),
        password: bmc.password.clone(),
        interface: bmc.interface.clone(),
        fru: bmc.fru.clone(),
        bmcversion: bmc.bmc_version.clone(),
        powerstate: bmc.power_state.clone(),
        powermetric: bmc.power_metric.clone(),
        powersupplies: bmc.power_supplies.clone(),
        last_updated: bmc.last_updated.map(v1::Time::from).unwrap_or_default(),
    }
}
