//! What may be changed of an allocated machine: description, tags, SSH keys.

use std::sync::Arc;

use metal_model::machine::{Allocation, Machine};
use metal_model::v1;

use crate::allocation::machine_tags;
use crate::{Env, Error, Tx};

/// Changes an allocated machine. Absent or empty values keep what is.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::MachineUpdateRequest) -> Result<Arc<Machine>, Error> {
    let machine = tx.state().find::<Machine>(&req.id)?.clone();
    let Some(allocation) = &machine.allocation else {
        return Err(Error::invalid("id", format!("machine with id {} is not allocated", req.id)));
    };
    let mut allocation = Allocation::clone(allocation);
    if let Some(description) = &req.description {
        allocation.description.clone_from(description);
    }
    if !req.ssh_pub_keys.is_empty() {
        allocation.ssh_pub_keys.clone_from(&req.ssh_pub_keys);
    }
    let tags = match req.tags.as_deref().filter(|tags| !tags.is_empty()) {
        Some(tags) => machine_tags(tx.state(), &machine, asn_of(&allocation), tags),
        None => machine.tags.clone(),
    };
    Ok(tx.put(Machine {
        tags,
        allocation: Some(Arc::new(allocation)),
        changed: env.now,
        ..Machine::clone(&machine)
    }))
}

fn asn_of(allocation: &Allocation) -> u32 {
    let private = allocation.networks.iter().find(|network| network.kind.is_private());
    private.map_or(allocation.asn, |network| network.asn)
}
