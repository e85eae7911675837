//! AS numbers: each allocated machine has one of its own.

use metal_model::id::MachineId;
use metal_model::network::AsnClaim;

use crate::ipam::random_pool_number;
use crate::{Env, Error, Tx};

/// Takes a free AS number for a machine.
pub fn acquire(tx: &mut Tx, env: &mut Env, machine: &MachineId) -> Result<u32, Error> {
    let asn = tx
        .state()
        .index
        .ipam
        .free_asn(random_pool_number(&mut env.rng))
        .ok_or_else(|| Error::internal("cannot acquire an asn, all numbers are in use"))?;
    tx.create(AsnClaim { asn, machine: machine.clone() })?;
    Ok(asn)
}

/// Gives an AS number back; nothing happens when it is not in use.
pub fn release(tx: &mut Tx, asn: u32) {
    tx.delete::<AsnClaim>(&asn.to_string());
}
