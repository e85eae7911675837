//! Taking machines back, installing them anew, and forgetting them. Each is one transaction: the switch ports are
//! closed, the BMC is told and the addresses are given back together, or nothing happens.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::event_log::{Liveliness, ProvisioningEvent};
use metal_model::id::ImageId;
use metal_model::image::Image;
use metal_model::machine::{Allocation, Availability, Bmc, Machine};
use metal_model::v1;

use crate::{Class, Env, Error, Tx, asn, command, event, filesystem_layout, ip, switch};

/// Takes a machine back from its project; one that nobody has is only rebooted into the installer.
///
/// It no longer waits afterwards, whatever its installer believes: only a machine that registered again, and thereby
/// wiped its disks, is offered to somebody else.
pub fn free(tx: &mut Tx, env: &mut Env, id: &str) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    if machine.state.value == Availability::Locked {
        return Err(Error::refused(format!(
            "machine is locked ({}), unlock it first",
            machine.state.description
        )));
    }
    switch::set_vrf(tx, env, id, "");
    if !machine.partition.is_empty() {
        command::give(tx, env, &machine.partition, &machine.id, PowerCommand::LedOff)?;
        command::give(tx, env, &machine.partition, &machine.id, PowerCommand::Free)?;
    }
    if let Some(allocation) = &machine.allocation {
        ip::release_for_machine(tx, env, id);
        if allocation.asn != 0 {
            asn::release(tx, allocation.asn);
        }
    }
    let freed = tx.modify::<Machine>(id, |machine| {
        machine.allocation = None;
        machine.tags = Vec::new();
        machine.waiting = false;
        machine.changed = env.now;
    })?;
    event::process(tx, env, id, ProvisioningEvent::MachineReclaim, "free machine called");
    Ok(freed)
}

/// Has an allocated machine installed anew with another image, or the same; the image is named literally.
pub fn reinstall(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::MachineReinstallRequest,
) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    let Some(allocation) = machine
        .allocation
        .as_ref()
        .filter(|_| machine.state.value != Availability::Locked && !req.imageid.is_empty())
    else {
        return Err(Error {
            class: Class::Invalid,
            field: req.imageid.is_empty().then_some("imageid"),
            message: "machine either locked, not allocated yet or invalid image ID specified".to_owned(),
        });
    };
    tx.state().find::<Image>(&req.imageid)?;
    let layout = match &allocation.filesystem_layout {
        Some(layout) => layout.clone(),
        None => filesystem_layout::select(tx.state(), machine.size.as_str(), &req.imageid)?.layout.clone(),
    };
    if !filesystem_layout::is_reinstallable(&layout) {
        return Err(Error::refused(format!(
            "filesystem layout {:?} keeps all disks on reinstallation, so nothing can be installed; \
             free the machine and allocate it again",
            layout.id
        )));
    }
    switch::set_vrf(tx, env, id, "");
    if !machine.partition.is_empty() {
        command::give(tx, env, &machine.partition, &machine.id, PowerCommand::Reinstall)?;
    }
    let changed = Allocation {
        reinstall: true,
        image: ImageId::from(&req.imageid),
        filesystem_layout_id: layout.id.as_str().into(),
        filesystem_layout: Some(layout),
        ..Allocation::clone(allocation)
    };
    let changed = tx.modify::<Machine>(id, |machine| {
        machine.allocation = Some(Arc::new(changed));
        machine.changed = env.now;
    })?;
    // The power cycle is ours: network boot is what comes next, not a crash.
    event::process(tx, env, id, ProvisioningEvent::PlannedReboot, PowerCommand::Reinstall.wire());
    Ok(changed)
}

/// Forgets a machine that is gone: unallocated and dead, or never heard of. Its event log stays.
pub fn delete(tx: &mut Tx, env: &mut Env, id: &str) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    if machine.allocation.is_some() {
        return Err(Error::refused(format!("machine {id:?} is allocated, free it first")));
    }
    let log = tx.state().event_logs.get(id);
    if let Some(log) = log.filter(|log| log.liveliness != Liveliness::Dead) {
        return Err(Error::refused(format!(
            "machine {id:?} is not dead but {}, switch it off first; it is taken for dead some minutes later",
            log.liveliness.wire()
        )));
    }
    switch::disconnect(tx, env, id);
    tx.delete::<Bmc>(id);
    tx.delete::<Machine>(id);
    Ok(machine)
}
