//! Reserving and locking machines.

use std::sync::Arc;

use metal_model::machine::{Availability, Machine, MachineState};
use metal_model::v1;

use crate::{Env, Error, Tx};

/// Makes a machine available, reserved or locked. Who takes it away must say why.
pub fn set_state(
    tx: &mut Tx,
    env: &mut Env,
    id: &str,
    req: &v1::MachineState,
) -> Result<Arc<Machine>, Error> {
    let Some(value) = Availability::parse(&req.value) else {
        return Err(Error::invalid(
            "value",
            format!("value must be one of \"\", RESERVED, LOCKED, not {:?}", req.value),
        ));
    };
    if value != Availability::Available && req.description.is_empty() {
        return Err(Error::invalid(
            "description",
            format!("a description is required to make a machine {}", value.wire()),
        ));
    }
    let issuer = match value {
        Availability::Available => String::new(),
        Availability::Reserved | Availability::Locked => env.caller.email.clone(),
    };
    let now = env.now;
    tx.modify::<Machine>(id, |machine| {
        machine.state = MachineState {
            value,
            description: req.description.clone(),
            issuer,
            metal_hammer_version: std::mem::take(&mut machine.state.metal_hammer_version),
        };
        machine.changed = now;
    })
}
