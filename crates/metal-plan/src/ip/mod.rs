//! IP addresses: acquired from a network for a project, bound to machines by tags, given back.
//!
//! The address document is the acquisition: while it exists the address is in use, and its key makes it unique.
//! Ephemeral addresses go with their last machine; static ones stay until somebody frees them.

mod acquire;
mod find;

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::id::MachineId;
use metal_model::network::{Ip, IpScope, IpType, MACHINE_TAG};
use metal_model::v1;

use crate::{Env, Error, Snapshot, Tx};

pub use acquire::{Choice, Details, acquire, allocate};
pub use find::{by_address, find, get};

/// Tag that binds an address to a machine.
pub fn machine_tag(machine: &str) -> String {
    format!("{MACHINE_TAG}={machine}")
}

/// Changes name, description, tags and type.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::IpUpdateRequest) -> Result<Arc<Ip>, Error> {
    let old = get(tx.state(), &req.ipaddress)?.clone();
    let mut ip = Ip::clone(&old);
    if let Some(name) = &req.name {
        ip.name.clone_from(name);
    }
    if let Some(description) = &req.description {
        ip.description.clone_from(description);
    }
    if let Some(tags) = &req.tags {
        ip.tags = sorted(tags.clone());
    }
    ip.kind = match req.kind.as_str() {
        "" => old.kind,
        "static" => IpType::Static,
        "ephemeral" if old.kind == IpType::Static => {
            return Err(Error::invalid("type", "a static address cannot become ephemeral"));
        }
        "ephemeral" => IpType::Ephemeral,
        other => return Err(Error::invalid("type", format!("{other:?} is neither static nor ephemeral"))),
    };
    let (from, to) = (old.scope(), ip.scope());
    if from != to && from != IpScope::Project && to != IpScope::Project {
        let why = format!("the scope of {} cannot change from {from:?} to {to:?}", old.address);
        return Err(Error::invalid("tags", why.to_lowercase()));
    }
    ip.changed = env.now;
    Ok(tx.put(ip))
}

/// Gives an address back. One that is bound to a machine stays.
pub fn free(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Ip>, Error> {
    let ip = get(tx.state(), id)?.clone();
    if ip.scope() == IpScope::Machine {
        let machines: Vec<&str> = ip.machines().collect();
        let why = format!("{} is bound to machine {}", ip.address, machines.join(", "));
        return Err(Error::invalid("ipaddress", why));
    }
    tx.delete::<Ip>(&ip.address.to_string());
    Ok(ip)
}

/// Binds an address to a machine; doing it twice is doing it once.
pub fn bind_machine(tx: &mut Tx, env: &Env, address: &IpAddr, machine: &MachineId) -> Result<Arc<Ip>, Error> {
    let ip = tx.state().find::<Ip>(&address.to_string())?;
    let tag = machine_tag(machine.as_str());
    let Err(position) = ip.tags.binary_search(&tag) else { return Ok(ip.clone()) };
    let mut ip = Ip::clone(ip);
    ip.tags.insert(position, tag);
    ip.tags = sorted(ip.tags);
    ip.changed = env.now;
    Ok(tx.put(ip))
}

/// Unbinds all addresses of a machine that goes back to the pool. Ephemeral ones without another machine go, too.
pub fn release_for_machine(tx: &mut Tx, env: &Env, machine: &str) {
    let bound: Vec<IpAddr> = tx.state().index.ips_by_machine.get(machine).copied().collect();
    let tag = machine_tag(machine);
    for address in bound {
        let Some(ip) = by_address(tx.state(), &address) else { continue };
        let mut ip = Ip::clone(ip);
        ip.tags.retain(|other| *other != tag);
        if ip.kind == IpType::Static || ip.tags.iter().any(|tag| tag.starts_with(MACHINE_TAG)) {
            ip.changed = env.now;
            tx.put(ip);
        } else {
            tx.delete::<Ip>(&address.to_string());
        }
    }
}

/// The answer about an address.
pub fn response(snapshot: &Snapshot, ip: &Ip) -> Result<v1::IpResponse, Error> {
    Ok(list_response(snapshot, ip))
}

/// The answer about an address in a list; it refers to nothing that could be missing.
pub fn list_response(_snapshot: &Snapshot, ip: &Ip) -> v1::IpResponse {
    v1::IpResponse {
        name: ip.name.clone(),
        description: ip.description.clone(),
        projectid: String::from(&ip.project),
        networkid: String::from(&ip.network),
        kind: ip.kind.wire().to_owned(),
        tags: ip.tags.clone(),
        ipaddress: ip.address.to_string(),
        allocationuuid: ip.allocation_uuid.clone(),
        created: ip.created.into(),
        changed: ip.changed.into(),
    }
}

/// Tags as they are stored: in order, each once.
fn sorted(mut tags: Vec<String>) -> Vec<String> {
    tags.sort_unstable();
    tags.dedup();
    tags
}
