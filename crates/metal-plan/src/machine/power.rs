//! Telling the BMC of a machine what to do.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::event_log::ProvisioningEvent;
use metal_model::machine::Machine;
use metal_model::v1;

use crate::{Env, Error, Tx, command, event};

/// Gives a power, boot or LED command. The description tells why an LED was switched.
pub fn power(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    command: PowerCommand,
    description: &str,
) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(id)?.clone();
    let machine = match command {
        PowerCommand::Reset | PowerCommand::Off | PowerCommand::Cycle => {
            event::process(tx, env, id, ProvisioningEvent::PlannedReboot, command.wire());
            machine
        }
        PowerCommand::LedOn | PowerCommand::LedOff => {
            let led = v1::ChassisIdentifyLedState {
                value: command.wire().to_owned(),
                description: description.to_owned(),
            };
            tx.put(Machine { led, changed: env.now, ..Machine::clone(&machine) })
        }
        PowerCommand::On
        | PowerCommand::Bios
        | PowerCommand::Disk
        | PowerCommand::Pxe
        | PowerCommand::Reinstall
        | PowerCommand::Free => machine,
    };
    command::give(tx, env, &machine.partition, &machine.id, command)?;
    Ok(machine)
}
