//! Partitions: failure domains with their own switches and management servers.

mod capacity;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::id::PartitionId;
use metal_model::partition::Partition;
use metal_model::v1;

pub use capacity::capacity;

use crate::{Env, Error, Snapshot, Tx};

/// Resolvers a machine can be given.
const MAX_DNS_SERVERS: usize = 3;
/// Time servers a machine can be given.
const MAX_NTP_SERVERS: usize = 5;

/// Adds a partition. That the URLs of its boot configuration can be fetched is the caller's to check.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::PartitionCreateRequest) -> Result<Arc<Partition>, Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id of the partition must not be empty"));
    }
    check_dns_servers(&req.dns_servers)?;
    check_ntp_servers(&req.ntp_servers)?;
    tx.create(Partition {
        id: PartitionId::from(&req.id),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        mgmt_service_address: req.mgmtserviceaddress.clone().unwrap_or_default(),
        labels: req.labels.clone().unwrap_or_default(),
        dns_servers: req.dns_servers.clone(),
        ntp_servers: req.ntp_servers.clone(),
        boot: Arc::new(req.bootconfig.clone()),
    })
}

/// Changes what is given; lists and labels are replaced as a whole, of the boot configuration what is not empty.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::PartitionUpdateRequest) -> Result<Arc<Partition>, Error> {
    tx.state().find::<Partition>(&req.id)?;
    check_dns_servers(req.dns_servers.as_deref().unwrap_or_default())?;
    check_ntp_servers(req.ntp_servers.as_deref().unwrap_or_default())?;
    tx.modify::<Partition>(&req.id, |partition| {
        let set = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                to.clone_from(from);
            }
        };
        set(&mut partition.name, &req.name);
        set(&mut partition.description, &req.description);
        set(&mut partition.mgmt_service_address, &req.mgmtserviceaddress);
        if let Some(labels) = &req.labels {
            partition.labels.clone_from(labels);
        }
        if let Some(servers) = &req.dns_servers {
            partition.dns_servers.clone_from(servers);
        }
        if let Some(servers) = &req.ntp_servers {
            partition.ntp_servers.clone_from(servers);
        }
        if let Some(boot) = &req.bootconfig {
            let mut merged = v1::PartitionBootConfiguration::clone(&partition.boot);
            for (to, from) in [
                (&mut merged.imageurl, &boot.imageurl),
                (&mut merged.kernelurl, &boot.kernelurl),
                (&mut merged.commandline, &boot.commandline),
            ] {
                if !from.is_empty() {
                    to.clone_from(from);
                }
            }
            partition.boot = Arc::new(merged);
        }
        partition.changed = env.now;
    })
}

/// Removes a partition, whatever still stands in it.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Partition>, Error> {
    let partition = tx.state().find::<Partition>(id)?.clone();
    tx.delete::<Partition>(id);
    Ok(partition)
}

/// The wire form.
pub fn response(_snapshot: &Snapshot, partition: &Partition) -> Result<v1::PartitionResponse, Error> {
    Ok(list_response(partition))
}

/// The wire form; it refers to nothing.
pub fn list_response(partition: &Partition) -> v1::PartitionResponse {
    v1::PartitionResponse {
        id: partition.id.to_string(),
        name: partition.name.clone(),
        description: partition.description.clone(),
        mgmtserviceaddress: partition.mgmt_service_address.clone(),
        labels: partition.labels.clone(),
        dns_servers: partition.dns_servers.clone(),
        ntp_servers: partition.ntp_servers.clone(),
        bootconfig: v1::PartitionBootConfiguration::clone(&partition.boot),
        created: partition.created.into(),
        changed: partition.changed.into(),
    }
}

/// At most three resolvers, each an address (400).
pub(crate) fn check_dns_servers(servers: &[v1::DnsServer]) -> Result<(), Error> {
    if servers.len() > MAX_DNS_SERVERS {
        return Err(Error::invalid(
            "dns_servers",
            format!("{} given, at most {MAX_DNS_SERVERS} are possible", servers.len()),
        ));
    }
    match servers.iter().find(|server| server.ip.parse::<IpAddr>().is_err()) {
        Some(server) => Err(Error::invalid("dns_servers", format!("{:?} is not an IP address", server.ip))),
        None => Ok(()),
    }
}

/// At most five time servers, each an address or a DNS name (400).
pub(crate) fn check_ntp_servers(servers: &[v1::NtpServer]) -> Result<(), Error> {
    if servers.len() > MAX_NTP_SERVERS {
        return Err(Error::invalid(
            "ntp_servers",
            format!("{} given, at most {MAX_NTP_SERVERS} are possible", servers.len()),
        ));
    }
    let valid = |address: &str| address.parse::<IpAddr>().is_ok() || is_dns_name(address);
    match servers.iter().find(|server| !valid(&server.address)) {
        Some(server) => Err(Error::invalid(
            "ntp_servers",
            format!("{:?} is neither an IP address nor a DNS name", server.address),
        )),
        None => Ok(()),
    }
}

/// Labels of letters, digits, dashes and underscores, up to 63 each and 253 in all; a final dot is fine.
fn is_dns_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // All digits and dots would be a mistyped address.
    name.len() <= 253 && name.split('.').all(label) && name.bytes().any(|b| b.is_ascii_alphabetic())
}
