//! The console password: handed out against a reason.

use metal_model::machine::Machine;
use metal_model::v1;

use crate::{Error, Snapshot};

/// The console password of an allocated machine. The caller of this function logs who asked and why.
pub fn console_password(
    snapshot: &Snapshot,
    req: &v1::MachineConsolePasswordRequest,
    min_reason: usize,
) -> Result<v1::MachineConsolePasswordResponse, Error> {
    if req.reason.chars().count() < min_reason {
        return Err(Error::invalid(
            "reason",
            format!("reason must be at least {min_reason} characters long"),
        ));
    }
    let machine = snapshot.find::<Machine>(&req.id)?;
    let Some(allocation) = &machine.allocation else {
        return Err(Error::refused(format!(
            "machine {} is not allocated and has no console password",
            machine.id
        )));
    };
    Ok(v1::MachineConsolePasswordResponse {
        id: machine.id.to_string(),
        name: machine.name.clone(),
        description: machine.description.clone(),
        console_password: allocation.console_password.clone(),
    })
}
