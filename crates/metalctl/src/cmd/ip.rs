//! `network ip`: addresses acquired from networks.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{IpAllocateRequest, IpFindRequest, IpResponse, MachineResponse};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs};
use crate::crud::{self, Crud, Resource};
use crate::document::{self, decode};
use crate::print::{Cell, Row, View};
use crate::watch::{self, Feed};

/// Tag that names the machine an address belongs to.
const MACHINE_TAG: &str = "machine.metal-stack.io/id=";

/// What to do with addresses.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List addresses
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Acquire an address
    Create(CreateArgs),
    /// Change all addresses of a file
    Update(FileArgs),
    /// Tell where addresses and machines disagree
    Issues,
}

/// Which addresses.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// IPv4 or IPv6
    #[arg(long)]
    pub addressfamily: Option<String>,
    /// Address
    #[arg(long)]
    pub ipaddress: Option<String>,
    /// Machine that uses it
    #[arg(long)]
    pub machineid: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Network
    #[arg(long)]
    pub network: Option<String>,
    /// Prefix it was acquired from
    #[arg(long)]
    pub prefix: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Tags
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// static or ephemeral
    #[arg(long)]
    pub r#type: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new address.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// IPv4 or IPv6
    #[arg(long)]
    pub addressfamily: Option<String>,
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// Exactly this address
    #[arg(long)]
    pub ipaddress: Option<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Network
    #[arg(long)]
    pub network: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Tags
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// static or ephemeral
    #[arg(long, default_value = "ephemeral")]
    pub r#type: String,
    /// Only tell what would be acquired
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub file: FileArgs,
}

struct Ips;

impl Resource for Ips {
    type Model = IpResponse;
    const NOUN: &'static str = "ip";
    const ID: &'static [&'static str] = &["ipaddress"];

    async fn get(client: &Client, id: &str) -> Result<IpResponse> {
        Ok(client.ip().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<IpResponse> {
        let address = document::text(&document, &["ipaddress"]);
        let request: IpAllocateRequest = decode(document)?;
        Ok(match address.as_str() {
            "" => client.ip().allocate(&request).await?,
            address => client.ip().allocate_specific(address, &request).await?,
        })
    }

    async fn update(client: &Client, document: Value) -> Result<IpResponse> {
        Ok(client.ip().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<IpResponse> {
        Ok(client.ip().free(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Ips>(app).await,
            Self::Update(args) => crud::update::<Ips>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Ips>(app, &args.file).await,
            Self::Create(args) => create(app, args).await,
            Self::List(args) => {
                let request = IpFindRequest {
                    ipaddress: args.ipaddress,
                    allocationuuid: None,
                    name: args.name,
                    networkprefix: args.prefix,
                    networkid: args.network,
                    tags: args.tags,
                    projectid: args.project,
                    kind: args.r#type,
                    machineid: args.machineid,
                    addressfamily: args.addressfamily,
                };
                let fetch = async |client: &Client| Ok(client.ip().find(&request).await?);
                watch::list(app, &args.sort, Feed::Ip, &app.client()?, fetch).await
            }
            Self::Issues => {
                let client = app.client()?;
                let machines = client.machine().list().await?;
                let ips = client.ip().find(&IpFindRequest::default()).await?;
                app.printer.list(&disagreements(&machines, &ips), &[])
            }
        }
    }
}

async fn create(app: &App, args: CreateArgs) -> Result<()> {
    let client = app.client()?;
    let request = IpAllocateRequest {
        name: args.name,
        description: args.description,
        projectid: args.project.unwrap_or_default(),
        networkid: args.network.unwrap_or_default(),
        kind: args.r#type,
        tags: args.tags,
        machineid: None,
        addressfamily: args.addressfamily,
    };
    let ip = match args.ipaddress {
        None if args.dry_run => client.ip().allocate_dry_run(&request).await?,
        None => client.ip().allocate(&request).await?,
        Some(_) if args.dry_run => {
            anyhow::bail!("--dry-run tells which address would be chosen; --ipaddress chooses")
        }
        Some(address) => client.ip().allocate_specific(&address, &request).await?,
    };
    app.printer.one(&ip)
}

/// An address about which the address and the machine do not agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Disagreement {
    ip: String,
    allocationuuid: String,
    machine: String,
    name: String,
    liveliness: String,
    why: &'static str,
}

impl Row for Disagreement {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["IP", "Allocation UUID", "Machine", "Name", "Liveliness", "Issue"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let texts = [&self.ip, &self.allocationuuid, &self.machine, &self.name, &self.liveliness];
        texts.into_iter().map(Cell::from).chain([Cell::from(self.why)]).collect()
    }
}

fn disagreements(machines: &[MachineResponse], ips: &[IpResponse]) -> Vec<Disagreement> {
    let by_address: BTreeMap<&str, &IpResponse> = ips.iter().map(|ip| (ip.ipaddress.as_str(), ip)).collect();
    let by_id: BTreeMap<&str, &MachineResponse> = machines.iter().map(|m| (m.id.as_str(), m)).collect();
    let mut found = Vec::new();
    for ip in ips {
        for id in ip.tags.iter().filter_map(|tag| tag.strip_prefix(MACHINE_TAG)) {
            let machine = by_id.get(id);
            let allocation = machine.and_then(|m| m.allocation.as_deref());
            let why = match allocation {
                None if machine.is_none() => "its machine does not exist",
                None => "its machine is not allocated",
                Some(a) if a.networks.iter().all(|n| !n.ips.contains(&ip.ipaddress)) => {
                    "its machine does not use it"
                }
                Some(_) => continue,
            };
            found.push(Disagreement {
                ip: ip.ipaddress.clone(),
                allocationuuid: ip.allocationuuid.clone(),
                machine: id.to_owned(),
                name: allocation.map(|a| a.name.clone()).unwrap_or_default(),
                liveliness: machine.map(|m| m.liveliness.clone()).unwrap_or_default(),
                why,
            });
        }
    }
    for machine in machines {
        let Some(allocation) = machine.allocation.as_deref() else { continue };
        for address in allocation.networks.iter().flat_map(|n| &n.ips) {
            if !by_address.contains_key(address.as_str()) {
                found.push(Disagreement {
                    ip: address.clone(),
                    allocationuuid: String::new(),
                    machine: machine.id.clone(),
                    name: allocation.name.clone(),
                    liveliness: machine.liveliness.clone(),
                    why: "its machine uses it, but it was not acquired",
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disagreements_are_found_on_both_sides() {
        let machine: MachineResponse = decode(serde_json::json!({
            "id": "m", "allocation": {"networks": [{"ips": ["10.0.0.1", "10.0.0.2"]}]}
        }))
        .unwrap();
        let ip = |address: &str, machine: &str| IpResponse {
            ipaddress: address.into(),
            tags: vec![format!("{MACHINE_TAG}{machine}")],
            ..IpResponse::default()
        };
        let ips = [ip("10.0.0.1", "m"), ip("10.0.0.3", "m"), ip("10.0.0.4", "gone")];
        let found = disagreements(&[machine], &ips);
        let told: Vec<_> = found.iter().map(|d| (d.ip.as_str(), d.why)).collect();
        assert_eq!(
            told,
            [
                ("10.0.0.3", "its machine does not use it"),
                ("10.0.0.4", "its machine does not exist"),
                ("10.0.0.2", "its machine uses it, but it was not acquired"),
            ]
        );
    }
}
