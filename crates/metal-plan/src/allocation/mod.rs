//! Giving machines to projects and taking them back.
//!
//! An allocation goes through stages, one file each: the request is completed ([`spec`]) and checked ([`validate`]),
//! a machine is found ([`candidate`]), its networks are worked out ([`network`]), and addresses, ASN and the record
//! are written ([`commit`]). All of it is one transaction, so a refusal at any stage leaves nothing behind, and nothing
//! can be half allocated.

mod candidate;
mod commit;
mod explain;
mod firewall_rules;
mod network;
mod release;
mod spec;
mod ssh_key;
mod tag;
#[cfg(test)]
pub(crate) mod tests;
mod validate;

use std::sync::Arc;

use metal_model::machine::{Machine, Role};
use metal_model::v1;

pub use explain::{explain, explain_firewall};
pub use release::{delete, free, reinstall};
pub use tag::machine_tags;

use crate::{Env, Error, Tx};
use spec::Spec;

/// Allocates a machine as a server.
pub fn allocate_machine(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::MachineAllocateRequest,
) -> Result<Arc<Machine>, Error> {
    let spec = Spec::build(tx.state(), env, req, Role::Machine, None)?;
    allocate(tx, env, &spec)
}

/// Allocates a machine as a firewall.
pub fn allocate_firewall(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::FirewallCreateRequest,
) -> Result<Arc<Machine>, Error> {
    let (machine, rules) = req.clone().into_parts();
    let spec = Spec::build(tx.state(), env, &machine, Role::Firewall, rules.as_ref())?;
    allocate(tx, env, &spec)
}

fn allocate(tx: &mut Tx, env: &mut Env, spec: &Spec) -> Result<Arc<Machine>, Error> {
    let checked = validate::check(tx.state(), spec)?;
    let machine = candidate::find(tx.state(), env, spec)?;
    crate::filesystem_layout::fits(&checked.layout, &machine.hardware)?;
    let networks = network::plan(tx.state(), spec, &checked.ips)?;
    commit::commit(tx, env, spec, &machine, &checked.layout, networks)
}
