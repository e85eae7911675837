//! Giving networks back. The network document is the only record of its prefixes, so removing it frees them; its VRF
//! number becomes free with the last network that uses it.

use std::sync::Arc;

use metal_model::network::Network;

use crate::{Env, Error, Tx, vrf};

/// Gives a child network back to its parent.
pub fn free(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Network>, Error> {
    let network = tx.state().find::<Network>(id)?.clone();
    if network.parent.is_none() {
        return Err(Error::refused_field("id", format!("network {id:?} is not a child network")));
    }
    remove(tx, &network)?;
    Ok(network)
}

/// Deletes any network that is not in use.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Network>, Error> {
    let network = tx.state().find::<Network>(id)?.clone();
    remove(tx, &network)?;
    Ok(network)
}

fn remove(tx: &mut Tx, network: &Network) -> Result<(), Error> {
    let id = &network.id;
    let index = &tx.state().index;
    if let Some(child) = index.networks_by_parent.get(id.as_str()).next() {
        return Err(Error::refused_field(
            "id",
            format!("network {id:?} has child networks, for example {child:?}"),
        ));
    }
    if let Some(address) = index.ips_by_network.get(id.as_str()).next() {
        let why = format!("network {id:?} has addresses in use, for example {address}");
        return Err(Error::refused_field("id", why));
    }
    if network.vrf != 0 {
        vrf::release(tx, network.vrf, id);
    }
    tx.delete::<Network>(id.as_str());
    Ok(())
}
