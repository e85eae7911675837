//! Firewalls: machines that are allocated as one. Nothing else distinguishes them.

use std::sync::Arc;

use metal_model::machine::{Machine, Role};
use metal_model::v1;

use crate::{Error, Snapshot};

/// Whether a machine is a firewall.
pub fn is_firewall(machine: &Machine) -> bool {
    machine.allocation.as_ref().is_some_and(|allocation| allocation.role == Role::Firewall)
}

/// The firewall with this id; 404 for machines that are none.
pub fn get<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a Arc<Machine>, Error> {
    let machine = snapshot.find::<Machine>(id)?;
    if is_firewall(machine) {
        return Ok(machine);
    }
    Err(Error {
        message: "NotFound machine is not a firewall".to_owned(),
        ..Error::not_found("firewall", id)
    })
}

/// Firewalls that meet the criteria.
pub fn find(snapshot: &Snapshot, req: &v1::FirewallFindRequest) -> Result<Vec<Arc<Machine>>, Error> {
    let mut found = super::find(snapshot, req)?;
    found.retain(|machine| is_firewall(machine));
    Ok(found)
}
