//! The end of an installation. Only a successful one opens the tenant's network: a machine of which we do not know what
//! runs on it stays in the PXE network.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::event_log::ProvisioningEvent;
use metal_model::id::ImageId;
use metal_model::machine::{Allocation, Machine, Role};
use metal_model::v1;

use crate::{Env, Error, Tx, command, event, switch};

/// What an installer reports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The machine.
    pub machine: String,
    /// Password of the rescue account on the console.
    pub console_password: String,
    /// How the installed system is booted; its image is the allocation's.
    pub boot_info: Option<v1::BootInfo>,
    /// Whether the installation succeeded.
    pub success: bool,
    /// Why not.
    pub message: String,
}

/// Takes the report of an installer.
pub fn report(tx: &mut Tx, env: &mut Env, report: &Report) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(&report.machine)?.clone();
    let Some(allocation) = &machine.allocation else {
        return Err(Error::refused(format!(
            "machine {} is not allocated, nothing can be installed",
            machine.id
        )));
    };
    if !report.success {
        let why = if report.message.is_empty() { "no reason given" } else { &report.message };
        let message = format!("installation failed: {why}");
        event::process(tx, env, machine.id.as_str(), ProvisioningEvent::Crashed, &message);
        return Ok(machine);
    }
    let Some(boot_info) = &report.boot_info else {
        return Err(Error::invalid("boot_info", "boot_info must be given with a successful report"));
    };
    let vrf = tenant_vrf(&machine, allocation)?;
    let allocation = Allocation {
        console_password: report.console_password.clone(),
        boot_info: Some(v1::BootInfo { image_id: allocation.image.to_string(), ..boot_info.clone() }),
        reinstall: false,
        ..Allocation::clone(allocation)
    };
    Ok(open(tx, env, &machine, allocation, &vrf))
}

/// An installer gives a reinstallation up. While the old system is still on the disk, it is booted again: answers how.
pub fn abort_reinstall(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    primary_disk_wiped: bool,
) -> Result<Option<v1::BootInfo>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    let installed = machine.allocation.as_ref().filter(|_| !primary_disk_wiped);
    let Some((allocation, boot_info)) = installed.and_then(|known| Some((known, known.boot_info.clone()?)))
    else {
        boot_from_disk(tx, env, &machine);
        return Ok(None);
    };
    let vrf = tenant_vrf(&machine, allocation)?;
    let allocation = Allocation {
        reinstall: false,
        image: ImageId::from(&boot_info.image_id),
        ..Allocation::clone(allocation)
    };
    open(tx, env, &machine, allocation, &vrf);
    Ok(Some(boot_info))
}

/// Stores the allocation, opens the tenant's network and makes the machine boot what is installed.
fn open(tx: &mut Tx, env: &mut Env, machine: &Machine, allocation: Allocation, vrf: &str) -> Arc<Machine> {
    let machine =
        tx.put(Machine { allocation: Some(Arc::new(allocation)), changed: env.now, ..machine.clone() });
    switch::set_vrf(tx, env, machine.id.as_str(), vrf);
    boot_from_disk(tx, env, &machine);
    machine
}

/// Commands that would make the machine boot the installer again are outdated now.
fn boot_from_disk(tx: &mut Tx, env: &mut Env, machine: &Machine) {
    let outdated = [PowerCommand::Free, PowerCommand::Reinstall, PowerCommand::Pxe];
    command::withdraw(tx, &machine.partition, &machine.id, &outdated);
    // Without a partition there is no agent to tell, and the installer starts the installed system anyway.
    let _ = command::give(tx, env, &machine.partition, &machine.id, PowerCommand::Disk);
}

fn tenant_vrf(machine: &Machine, allocation: &Allocation) -> Result<String, Error> {
    if allocation.role == Role::Firewall {
        return Ok("default".to_owned());
    }
    let private = allocation.networks.iter().find(|network| network.kind.is_private());
    match private.map(|network| network.vrf).filter(|vrf| *vrf != 0) {
        Some(vrf) => Ok(format!("vrf{vrf}")),
        None => Err(Error::refused(format!("machine {} is in no private network with a VRF", machine.id))),
    }
}
