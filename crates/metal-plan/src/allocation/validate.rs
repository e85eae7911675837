//! Stage 2: what the rules say about the completed request, before any machine is looked for. Refusals are 422,
//! except for unknown projects and layouts (404).

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::machine::Role;
use metal_model::project::Project;
use metal_model::v1::FilesystemLayoutResponse;

use super::spec::Spec;
use super::ssh_key;
use crate::{Error, Snapshot, filesystem_layout, size_image_constraint};

/// What checking found out on the way.
#[derive(Debug)]
pub(super) struct Checked {
    /// Layout of the disks.
    pub layout: Arc<FilesystemLayoutResponse>,
    /// The given addresses, each once.
    pub ips: Vec<IpAddr>,
}

/// Checks a completed request.
pub(super) fn check(snapshot: &Snapshot, spec: &Spec) -> Result<Checked, Error> {
    if spec.project.is_empty() {
        return Err(Error::refused_field("projectid", "must not be empty"));
    }
    if spec.creator.is_empty() {
        return Err(Error::refused("an allocation needs a creator, but the caller has no e-mail address"));
    }
    let ips = parse_ips(&spec.ips)?;
    for (at, key) in spec.ssh_pub_keys.iter().enumerate() {
        ssh_key::check(key).map_err(|why| {
            Error::refused_field("ssh_pub_keys", format!("key {at} is not an SSH public key: {why}"))
        })?;
    }
    let auto = spec.networks.iter().filter(|network| network.auto).count();
    if spec.role == Role::Firewall && ips.is_empty() && auto == 0 {
        return Err(Error::refused_field(
            "networks",
            "a firewall needs an address: name one in ips or let it acquire one in a network",
        ));
    }
    if spec.networks.len() - auto > ips.len() {
        return Err(Error::refused_field(
            "ips",
            "each network without automatic address needs an address in ips",
        ));
    }
    size_image_constraint::allow(snapshot, &spec.size, &spec.image)?;
    check_quota(snapshot, spec)?;
    Ok(Checked { layout: layout(snapshot, spec)?, ips })
}

fn parse_ips(given: &[String]) -> Result<Vec<IpAddr>, Error> {
    let mut ips = Vec::with_capacity(given.len());
    for text in given {
        let ip = text
            .parse()
            .map_err(|_| Error::refused_field("ips", format!("{text:?} is not an IP address")))?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

/// The project must exist and may not have all the machines it is allowed; firewalls are machines.
fn check_quota(snapshot: &Snapshot, spec: &Spec) -> Result<(), Error> {
    let project = snapshot.find::<Project>(spec.project.as_str())?;
    let Some(quota) = project.quotas.machine.as_ref().and_then(|quota| quota.quota) else { return Ok(()) };
    let used = snapshot.index.machines_by_project.count(&spec.project);
    if usize::try_from(quota).is_ok_and(|quota| used < quota) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "project {:?} has {used} of {quota} machines its quota allows; free some or have the quota raised",
        spec.project
    )))
}

fn layout(snapshot: &Snapshot, spec: &Spec) -> Result<Arc<FilesystemLayoutResponse>, Error> {
    let found = match &spec.filesystem_layout {
        Some(id) => snapshot.find::<FilesystemLayout>(id)?.clone(),
        None => filesystem_layout::select(snapshot, spec.size.as_str(), spec.image.id.as_str())?,
    };
    Ok(found.layout.clone())
}
