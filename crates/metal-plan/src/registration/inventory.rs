//! Registration: a machine tells what it is made of and what it is plugged into.

use std::sync::Arc;

use metal_model::id::{MachineId, PartitionId, SizeId};
use metal_model::machine::{Bmc, Machine, MachineState};
use metal_model::partition::Partition;
use metal_model::size::UNKNOWN_SIZE;
use metal_model::v1;

use crate::switch::{self, Nic};
use crate::{Env, Error, Tx, event, size};

/// How a machine says its BMC is reached.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BmcAccess {
    /// `host:port`.
    pub address: String,
    /// MAC address of the management port.
    pub mac: String,
    /// Account name.
    pub user: String,
    /// Account password.
    pub password: String,
    /// `lanplus` and the like.
    pub interface: String,
    /// Part and serial numbers.
    pub fru: v1::MachineFru,
    /// Firmware version of the BMC.
    pub bmc_version: String,
    /// Power state.
    pub power_state: String,
}

/// Everything an installer says about its machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// SMBIOS UUID.
    pub machine: String,
    /// The partition it booted in.
    pub partition: String,
    /// Processors, memory, disks; its list of network cards is replaced by `nics`.
    pub hardware: Option<v1::MachineHardware>,
    /// Network cards with what they see.
    pub nics: Vec<Nic>,
    /// Firmware of the mainboard.
    pub bios: Option<v1::MachineBios>,
    /// Its BMC, when the installer found one.
    pub bmc: Option<BmcAccess>,
    /// Tags for the first registration.
    pub tags: Vec<String>,
    /// Version of the installer.
    pub hammer_version: String,
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The machine as it is known now.
    pub machine: Arc<Machine>,
    /// The size its hardware matches.
    pub size: SizeId,
    /// Its partition.
    pub partition: PartitionId,
}

/// Takes an inventory: creates or updates the machine, finds its size, and connects it to its switches. A machine whose
/// cabling is wrong is not registered at all.
pub fn register(tx: &mut Tx, env: &mut Env, inventory: &Inventory) -> Result<Registered, Error> {
    if inventory.machine.is_empty() {
        return Err(Error::invalid("uuid", "uuid of the machine must not be empty"));
    }
    let Some(hardware) = &inventory.hardware else {
        return Err(Error::invalid("hardware", "hardware of the machine must be given"));
    };
    let Some(bios) = &inventory.bios else {
        return Err(Error::invalid("bios", "bios of the machine must be given"));
    };
    if inventory.partition.is_empty() {
        return Err(Error::invalid("partition_id", "partition_id of the machine must not be empty"));
    }
    let partition = tx.state().find::<Partition>(&inventory.partition)?.id.clone();
    let hardware = v1::MachineHardware { nics: wire_nics(&inventory.nics), ..hardware.clone() };
    let size = size::matching(tx.state(), &hardware).unwrap_or_else(|| SizeId::from(UNKNOWN_SIZE));

    let id = MachineId::from(&inventory.machine);
    let known = tx.state().machines.get(id.as_str()).map(|known| Machine::clone(known));
    let mut machine = known.unwrap_or_else(|| first_record(env, inventory));
    machine.state.metal_hammer_version.clone_from(&inventory.hammer_version);
    machine.partition = partition.clone();
    machine.size = size.clone();
    machine.hardware = Arc::new(hardware);
    machine.bios = Arc::new(bios.clone());
    // It registers, so whoever waited under this id before is gone.
    machine.waiting = false;
    machine.changed = env.now;
    machine.rack = switch::connect(tx, env, &id, &partition, &inventory.nics)?;
    machine.room = switch::room(tx.state(), &id);
    let machine = tx.put(machine);
    if let Some(access) = &inventory.bmc {
        store_bmc(tx, env, &id, access);
    }
    event::ensure(tx, id.as_str());
    Ok(Registered { machine, size, partition })
}

fn first_record(env: &Env, inventory: &Inventory) -> Machine {
    Machine {
        id: MachineId::from(&inventory.machine),
        created: env.now,
        state: MachineState::default(),
        led: v1::ChassisIdentifyLedState {
            value: "LED-OFF".to_owned(),
            description: "Machine registered".to_owned(),
        },
        tags: inventory.tags.clone(),
        ..Machine::default()
    }
}

/// Access data are replaced as a whole. Power readings stay: only the BMC agent knows them.
fn store_bmc(tx: &mut Tx, env: &Env, machine: &MachineId, access: &BmcAccess) {
    let known = tx.state().bmcs.get(machine.as_str()).map(|bmc| Bmc::clone(bmc)).unwrap_or_default();
    tx.put(Bmc {
        machine: machine.clone(),
        address: access.address.clone(),
        mac: access.mac.clone(),
        user: access.user.clone(),
        password: access.password.clone(),
        interface: access.interface.clone(),
        fru: access.fru.clone(),
        bmc_version: access.bmc_version.clone(),
        power_state: access.power_state.clone(),
        power_metric: known.power_metric,
        power_supplies: known.power_supplies,
        last_updated: Some(env.now),
    });
}

fn wire_nics(nics: &[Nic]) -> Vec<v1::MachineNic> {
    let neighbor = |neighbor: &switch::Neighbor| v1::MachineNic {
        mac: neighbor.mac.clone(),
        name: neighbor.name.clone(),
        identifier: neighbor.identifier.clone(),
        neighbors: Vec::new(),
    };
    let nic = |nic: &Nic| v1::MachineNic {
        mac: nic.mac.clone(),
        name: nic.name.clone(),
        identifier: nic.identifier.clone(),
        neighbors: nic.neighbors.iter().map(neighbor).collect(),
    };
    nics.iter().map(nic).collect()
}

/// Notes whether an installer is parked and can be given an allocation. Writes only what changes.
pub fn set_waiting(tx: &mut Tx, id: &str, waiting: bool) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    if machine.waiting == waiting {
        return Ok(machine);
    }
    tx.modify::<Machine>(id, |machine| machine.waiting = waiting)
}
