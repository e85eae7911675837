//! VRF numbers: one per private network, or chosen by the operator and then possibly shared.
//!
//! A number is in use while its claim document exists; the claim names the networks that use it and goes with the
//! last one.

use metal_model::id::NetworkId;
use metal_model::network::{POOL, VrfClaim};

use crate::ipam::random_pool_number;
use crate::{Env, Error, Tx};

/// Takes any free number for a network.
pub fn acquire_random(tx: &mut Tx, env: &mut Env, network: &NetworkId) -> Result<u32, Error> {
    let number = tx
        .state()
        .index
        .ipam
        .free_vrf(random_pool_number(&mut env.rng))
        .ok_or_else(|| Error::internal("cannot acquire a vrf, all numbers are in use"))?;
    tx.create(VrfClaim { vrf: number, networks: vec![network.clone()] })?;
    Ok(number)
}

/// Takes this number for a network. A number in use is a conflict unless it may be shared.
pub fn acquire(tx: &mut Tx, number: u32, network: &NetworkId, shared: bool) -> Result<(), Error> {
    if !POOL.contains(&number) {
        let why = format!("{number} is outside the range {}-{}", POOL.start(), POOL.end());
        return Err(Error::refused_field("vrf", why));
    }
    let mut claim = match tx.state().vrfs.get(&number.to_string()) {
        None => VrfClaim { vrf: number, networks: Vec::new() },
        Some(claim) if shared => VrfClaim::clone(claim),
        Some(_) => {
            return Err(Error {
                field: Some("vrf"),
                ..Error::conflict(format!("vrf {number} is in use and vrfshared is not set"))
            });
        }
    };
    if !claim.networks.contains(network) {
        claim.networks.push(network.clone());
    }
    tx.put(claim);
    Ok(())
}

/// Gives up a network's use of a number; nothing happens when it has none.
pub fn release(tx: &mut Tx, number: u32, network: &NetworkId) {
    let id = number.to_string();
    let Some(claim) = tx.state().vrfs.get(&id).filter(|claim| claim.networks.contains(network)) else {
        return;
    };
    let mut claim = VrfClaim::clone(claim);
    claim.networks.retain(|user| user != network);
    if claim.networks.is_empty() {
        tx.delete::<VrfClaim>(&id);
    } else {
        tx.put(claim);
    }
}
