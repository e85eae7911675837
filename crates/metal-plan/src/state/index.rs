//! What follows from the documents: who owns what, what is where. Kept right on each put and remove.

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::event_log::EventLog;
use metal_model::id::{
    ImageId, MachineId, NetworkId, PartitionId, ProjectId, SizeId, SizeReservationId, SwitchId, TenantId,
};
use metal_model::image::Image;
use metal_model::machine::{Allocation, Machine};
use metal_model::network::{AsnClaim, Ip, Network, VrfClaim};
use metal_model::project::Project;
use metal_model::size::SizeReservation;
use metal_model::switch::{Switch, SwitchStatus};

use super::{Multi, Snapshot};
use crate::ipam::Ipam;
use crate::isolation::Unconfirmed;
use crate::placement::Placement;

/// All indexes of a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Indexes {
    /// Allocated machines of a project.
    pub machines_by_project: Multi<ProjectId, MachineId>,
    /// Machines of a partition.
    pub machines_by_partition: Multi<PartitionId, MachineId>,
    /// Allocated machines that use an image, or may go back to it.
    pub machines_by_image: Multi<ImageId, MachineId>,
    /// Projects of a tenant.
    pub projects_by_tenant: Multi<TenantId, ProjectId>,
    /// Images of an operating system.
    pub images_by_os: Multi<Arc<str>, ImageId>,
    /// Reservations of a size in a partition.
    pub reservations: Multi<(PartitionId, SizeId), SizeReservationId>,
    /// Reservations of a project.
    pub reservations_by_project: Multi<ProjectId, SizeReservationId>,
    /// Children of a network.
    pub networks_by_parent: Multi<NetworkId, NetworkId>,
    /// Networks of a project.
    pub networks_by_project: Multi<ProjectId, NetworkId>,
    /// Networks of a partition.
    pub networks_by_partition: Multi<PartitionId, NetworkId>,
    /// Addresses of a network.
    pub ips_by_network: Multi<NetworkId, IpAddr>,
    /// Addresses of a project.
    pub ips_by_project: Multi<ProjectId, IpAddr>,
    /// Addresses bound to a machine by tag.
    pub ips_by_machine: Multi<MachineId, IpAddr>,
    /// Free addresses, child prefixes, VRF and AS numbers.
    pub ipam: Ipam,
    /// Switches of a partition.
    pub switches_by_partition: Multi<PartitionId, SwitchId>,
    /// Switches a machine is connected to.
    pub switches_by_machine: Multi<MachineId, SwitchId>,
    /// Machines whose switches have not confirmed yet where their ports are.
    pub unconfirmed: Unconfirmed,
    /// Machines that may be handed out, and what projects have, per rack.
    pub placement: Placement,
}

impl Snapshot {
    /// Kinds without indexes.
    #[expect(clippy::unused_self, reason = "same shape as its siblings, called from one macro")]
    pub(super) fn plain<D>(&mut self, _old: Option<&D>, _new: Option<&D>) {}

    pub(super) fn project_changed(&mut self, old: Option<&Project>, new: Option<&Project>) {
        if let Some(old) = old {
            self.index.projects_by_tenant.remove(&old.tenant, &old.id);
        }
        if let Some(new) = new {
            self.index.projects_by_tenant.add(new.tenant.clone(), new.id.clone());
        }
    }

    pub(super) fn image_changed(&mut self, old: Option<&Image>, new: Option<&Image>) {
        if let Some(old) = old {
            self.index.images_by_os.remove(old.os.as_str(), &old.id);
        }
        if let Some(new) = new {
            self.index.images_by_os.add(Arc::from(new.os.as_str()), new.id.clone());
        }
    }

    pub(super) fn reservation_changed(
        &mut self,
        old: Option<&SizeReservation>,
        new: Option<&SizeReservation>,
    ) {
        if let Some(old) = old {
            for partition in &old.partitions {
                self.index.reservations.remove(&(partition.clone(), old.size.clone()), &old.id);
            }
            self.index.reservations_by_project.remove(&old.project, &old.id);
        }
        if let Some(new) = new {
            for partition in &new.partitions {
                self.index.reservations.add((partition.clone(), new.size.clone()), new.id.clone());
            }
            self.index.reservations_by_project.add(new.project.clone(), new.id.clone());
        }
    }

    pub(super) fn network_changed(&mut self, old: Option<&Network>, new: Option<&Network>) {
        self.index.ipam.network_changed(old, new);
        if let Some(old) = old {
            if let Some(parent) = &old.parent {
                self.index.networks_by_parent.remove(parent, &old.id);
            }
            self.index.networks_by_project.remove(&old.project, &old.id);
            self.index.networks_by_partition.remove(&old.partition, &old.id);
        }
        if let Some(new) = new {
            if let Some(parent) = &new.parent {
                self.index.networks_by_parent.add(parent.clone(), new.id.clone());
            }
            self.index.networks_by_project.add(new.project.clone(), new.id.clone());
            self.index.networks_by_partition.add(new.partition.clone(), new.id.clone());
        }
    }

    pub(super) fn ip_changed(&mut self, old: Option<&Ip>, new: Option<&Ip>) {
        self.index.ipam.ip_changed(old, new);
        let moved = match (old, new) {
            (Some(old), Some(new)) => (&old.network, &old.project) != (&new.network, &new.project),
            _ => true,
        };
        if let Some(old) = old {
            if moved {
                self.index.ips_by_network.remove(&old.network, &old.address);
                self.index.ips_by_project.remove(&old.project, &old.address);
            }
            for machine in old.machines() {
                self.index.ips_by_machine.remove(machine, &old.address);
            }
        }
        if let Some(new) = new {
            if moved {
                self.index.ips_by_network.add(new.network.clone(), new.address);
                self.index.ips_by_project.add(new.project.clone(), new.address);
            }
            for machine in new.machines() {
                self.index.ips_by_machine.add(MachineId::from(machine), new.address);
            }
        }
    }

    pub(super) fn vrf_changed(&mut self, old: Option<&VrfClaim>, new: Option<&VrfClaim>) {
        self.index.ipam.vrf_changed(old, new);
    }

    pub(super) fn asn_changed(&mut self, old: Option<&AsnClaim>, new: Option<&AsnClaim>) {
        self.index.ipam.asn_changed(old, new);
    }

    pub(super) fn machine_changed(&mut self, old: Option<&Machine>, new: Option<&Machine>) {
        self.placement_machine_changed(old, new);
        if let Some(old) = old {
            self.index.machines_by_partition.remove(&old.partition, &old.id);
            if let Some(allocation) = &old.allocation {
                self.index.machines_by_project.remove(&allocation.project, &old.id);
                for image in images(allocation) {
                    self.index.machines_by_image.remove(&image, &old.id);
                }
            }
        }
        if let Some(new) = new {
            self.index.machines_by_partition.add(new.partition.clone(), new.id.clone());
            if let Some(allocation) = &new.allocation {
                self.index.machines_by_project.add(allocation.project.clone(), new.id.clone());
                for image in images(allocation) {
                    self.index.machines_by_image.add(image, new.id.clone());
                }
            }
        }
    }

    pub(super) fn event_log_changed(&mut self, old: Option<&EventLog>, new: Option<&EventLog>) {
        self.placement_log_changed(old, new);
    }

    pub(super) fn switch_changed(&mut self, old: Option<&Switch>, new: Option<&Switch>) {
        if let Some(old) = old {
            self.index.switches_by_partition.remove(&old.partition, &old.id);
            for machine in old.connections.keys() {
                self.index.switches_by_machine.remove(machine, &old.id);
            }
        }
        if let Some(new) = new {
            self.index.switches_by_partition.add(new.partition.clone(), new.id.clone());
            for machine in new.connections.keys() {
                self.index.switches_by_machine.add(machine.clone(), new.id.clone());
            }
        }
        self.confirm_switch(old, new);
    }

    pub(super) fn switch_status_changed(&mut self, old: Option<&SwitchStatus>, new: Option<&SwitchStatus>) {
        self.confirm_status(old, new);
    }
}

/// Images an allocation needs: the one it shall have, and the installed one, to which an aborted reinstallation goes back.
fn images(allocation: &Allocation) -> impl Iterator<Item = ImageId> {
    let installed = allocation.boot_info.as_ref().map(|boot| ImageId::from(&boot.image_id));
    let installed = installed.filter(|id| !id.is_empty() && *id != allocation.image);
    std::iter::once(allocation.image.clone()).chain(installed)
}
