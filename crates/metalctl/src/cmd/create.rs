//! Flags and documents that ask for a machine; a firewall is asked for in the same way.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use metal_model::v1::Explanation;
use metal_model::v1::{MachineAllocateRequest, MachineAllocationNetwork, MachineResponse};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, WaitArgs, dns_servers, literal_or_file, ntp_servers, ssh_key};
use crate::document;

/// A new machine.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// DNS resolvers instead of the partition's
    #[arg(long, value_delimiter = ',')]
    pub dnsservers: Vec<String>,
    /// Filesystem layout; chosen by size and image if there is none
    #[arg(long)]
    pub filesystemlayout: Option<String>,
    /// Host name
    #[arg(short = 'H', long)]
    pub hostname: Option<String>,
    /// Exactly this machine instead of any of a size in a partition
    #[arg(short = 'I', long)]
    pub id: Option<String>,
    /// Image, or as much of its name and version as matters
    #[arg(short, long)]
    pub image: Option<String>,
    /// Static addresses to use
    #[arg(long, value_delimiter = ',')]
    pub ips: Vec<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Networks to take part in; append :noauto to acquire no address there
    #[arg(long, value_delimiter = ',')]
    pub networks: Vec<String>,
    /// Time servers instead of the partition's
    #[arg(long, value_delimiter = ',')]
    pub ntpservers: Vec<String>,
    /// Partition
    #[arg(short = 'S', long)]
    pub partition: Option<String>,
    /// Project that gets the machine
    #[arg(short = 'P', long)]
    pub project: Option<String>,
    /// Size
    #[arg(short, long)]
    pub size: Option<String>,
    /// SSH public key or @file; the first found in ~/.ssh if there is none
    #[arg(short = 'p', long)]
    pub sshpublickey: Option<String>,
    /// Tags
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// User data or @file
    #[arg(long)]
    pub userdata: Option<String>,
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub wait: WaitArgs,
}

impl CreateArgs {
    /// The request.
    pub fn request(&self) -> Result<MachineAllocateRequest> {
        self.check()?;
        let user_data = self.userdata.as_deref().map(literal_or_file).transpose()?;
        Ok(MachineAllocateRequest {
            name: self.name.clone(),
            description: self.description.clone(),
            uuid: self.id.clone(),
            hostname: self.hostname.clone(),
            projectid: self.project.clone().unwrap_or_default(),
            partitionid: self.partition.clone().unwrap_or_default(),
            sizeid: self.size.clone().unwrap_or_default(),
            imageid: self.image.clone().unwrap_or_default(),
            filesystemlayoutid: self.filesystemlayout.clone(),
            ssh_pub_keys: ssh_key(self.sshpublickey.as_deref())?,
            user_data: user_data.map(|data| STANDARD.encode(data)),
            tags: self.tags.clone(),
            networks: self.networks.iter().map(|n| network(n)).collect::<Result<_>>()?,
            ips: self.ips.clone(),
            placement_tags: Vec::new(),
            dns_servers: dns_servers(self.dnsservers.clone()),
            ntp_servers: ntp_servers(self.ntpservers.clone()),
        })
    }

    /// What is missing is told at once, before the server finds it piece by piece.
    fn check(&self) -> Result<()> {
        let mut missing = Vec::new();
        for (flag, is_there) in [
            ("--project", self.project.is_some()),
            ("--image", self.image.is_some()),
            ("--networks", !self.networks.is_empty()),
            ("--size", self.size.is_some() || self.id.is_some()),
            ("--partition", self.partition.is_some() || self.id.is_some()),
        ] {
            if !is_there {
                missing.push(flag);
            }
        }
        if !missing.is_empty() {
            bail!(
                "{} missing; --id stands for size and partition, and -f for everything",
                missing.join(", ")
            );
        }
        Ok(())
    }
}

/// Prints what an allocation would choose, and fails where it would.
pub fn explain(app: &App, explanation: &Explanation) -> Result<()> {
    app.printer.value(explanation)?;
    match &explanation.reason {
        Some(reason) if !explanation.possible => bail!("it would fail: {reason}"),
        _ => Ok(()),
    }
}

/// Reads `network`, `network:auto` or `network:noauto`.
fn network(text: &str) -> Result<MachineAllocationNetwork> {
    let (id, auto) = match text.split_once(':') {
        None => (text, true),
        Some((id, "auto")) => (id, true),
        Some((id, "noauto")) => (id, false),
        Some(_) => bail!("--networks {text}: write a network, network:auto or network:noauto"),
    };
    Ok(MachineAllocationNetwork { networkid: id.to_owned(), autoacquire: Some(auto) })
}

/// The request that would lead to a machine as a document describes it. Documents that are requests already are
/// taken as they are.
pub fn request_of(document: Value) -> Result<MachineAllocateRequest> {
    if document.get("projectid").is_some() {
        return document::decode(document);
    }
    let machine: MachineResponse = document::decode(document)?;
    let Some(allocation) = machine.allocation.as_deref() else {
        bail!("the document has neither projectid nor allocation, so it does not ask for a machine")
    };
    let id = |id: Option<&str>| id.unwrap_or_default().to_owned();
    Ok(MachineAllocateRequest {
        name: Some(allocation.name.clone()),
        description: Some(allocation.description.clone()),
        uuid: Some(machine.id).filter(|id| !id.is_empty()),
        hostname: Some(allocation.hostname.clone()).filter(|h| !h.is_empty()),
        projectid: allocation.project.clone(),
        partitionid: id(machine.partition.as_deref().map(|p| p.id.as_str())),
        sizeid: id(machine.size.as_deref().map(|s| s.id.as_str())),
        imageid: id(allocation.image.as_deref().map(|i| i.id.as_str())),
        filesystemlayoutid: allocation.filesystemlayout.as_deref().map(|l| l.id.clone()),
        ssh_pub_keys: allocation.ssh_pub_keys.clone(),
        user_data: Some(allocation.user_data.clone()).filter(|d| !d.is_empty()),
        tags: machine.tags,
        networks: allocation
            .networks
            .iter()
            .map(|n| MachineAllocationNetwork {
                networkid: n.networkid.clone(),
                autoacquire: Some(n.ips.is_empty()),
            })
            .collect(),
        ips: allocation.networks.iter().flat_map(|n| n.ips.clone()).collect(),
        placement_tags: Vec::new(),
        dns_servers: allocation.dns_servers.clone(),
        ntp_servers: allocation.ntp_servers.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        assert_eq!(network("internet").unwrap().autoacquire, Some(true));
        assert_eq!(network("internet:noauto").unwrap().autoacquire, Some(false));
        assert!(network("internet:maybe").is_err());
    }

    #[test]
    fn a_machine_that_was_printed_can_be_asked_for_again() {
        let document = document::parse(
            "partition: {id: p}\nsize: {id: s}\nallocation:\n  project: x\n  image: {id: i}\n  networks:\n  - {networkid: n, ips: [10.0.0.1]}\n",
        );
        let request = request_of(document.unwrap().remove(0)).unwrap();
        assert_eq!((request.projectid.as_str(), request.imageid.as_str()), ("x", "i"));
        assert_eq!((request.partitionid.as_str(), request.sizeid.as_str()), ("p", "s"));
        assert_eq!(request.ips, ["10.0.0.1"]);
        assert_eq!(request.uuid, None);
        assert!(request_of(serde_json::json!({"id": "m"})).is_err());
    }
}
