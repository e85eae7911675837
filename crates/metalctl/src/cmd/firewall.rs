//! `firewall`: machines that guard the private networks of a project.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    FirewallCreateRequest, FirewallResponse, FirewallRules, MachineFindRequest, VpnRequest,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{IdArg, SortArgs, identity, yaml_file};
use crate::cmd::create::{CreateArgs, explain, request_of};
use crate::print::FirewallRow;
use crate::watch::{self, Feed};
use crate::{child, crud, document, wait};

/// What to do with firewalls.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List firewalls
    #[command(visible_alias = "ls")]
    List(Box<ListArgs>),
    /// Show a firewall
    #[command(visible_alias = "get")]
    Describe(IdArg),
    /// Allocate a firewall, or all of a file
    Create(Box<FirewallArgs>),
    /// Log in to a firewall
    Ssh(SshArgs),
}

/// Which firewalls.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Host name
    #[arg(long)]
    pub hostname: Option<String>,
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Image
    #[arg(long)]
    pub image: Option<String>,
    /// MAC address of a network card
    #[arg(long)]
    pub mac: Option<String>,
    /// Name of the allocation
    #[arg(long)]
    pub name: Option<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Size
    #[arg(long)]
    pub size: Option<String>,
    /// Tags
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new firewall.
#[derive(Debug, Args)]
pub struct FirewallArgs {
    /// File with the rules it starts with, in YAML: egress and ingress
    #[arg(long)]
    pub firewall_rules_file: Option<String>,
    #[command(flatten)]
    pub create: CreateArgs,
}

/// Where to log in.
#[derive(Debug, Args)]
pub struct SshArgs {
    /// Identifier
    pub id: String,
    /// Private key to log in with
    #[arg(short, long)]
    pub identity: Option<PathBuf>,
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::List(args) => {
                let request = args.request();
                let fetch = async |client: &Client| {
                    Ok(client
                        .firewall()
                        .find(&request)
                        .await?
                        .into_iter()
                        .map(FirewallRow)
                        .collect::<Vec<_>>())
                };
                watch::list(app, &args.sort, Feed::Machine, &app.client()?, fetch).await
            }
            Self::Describe(arg) => {
                app.printer.one(&FirewallRow(app.client()?.firewall().get(&arg.id).await?))
            }
            Self::Create(args) => args.run(app).await,
            Self::Ssh(args) => ssh(app, &args).await,
        }
    }
}

impl ListArgs {
    fn request(&self) -> MachineFindRequest {
        MachineFindRequest {
            id: self.id.clone(),
            partition_id: self.partition.clone(),
            sizeid: self.size.clone(),
            tags: self.tags.clone(),
            allocation_name: self.name.clone(),
            allocation_project: self.project.clone(),
            allocation_image_id: self.image.clone(),
            allocation_hostname: self.hostname.clone(),
            nics_mac_addresses: self.mac.clone().into_iter().collect(),
            ..MachineFindRequest::default()
        }
    }
}

impl FirewallArgs {
    async fn run(&self, app: &App) -> Result<()> {
        let client = app.client()?;
        let client = &client;
        let rules: Option<FirewallRules> = self.firewall_rules_file.as_deref().map(yaml_file).transpose()?;
        if let Some(path) = &self.create.file.file {
            if self.create.wait.dry_run {
                for document in document::read(path)? {
                    let request = request_with_rules(document, rules.clone())?;
                    explain(app, &client.firewall().allocate_dry_run(&request).await?)?;
                }
                return Ok(());
            }
            let one = async |document: Value| {
                let request = request_with_rules(document, rules.clone())?;
                self.allocate(client, &request).await.map(FirewallRow)
            };
            return crud::each(app, &self.create.file, "firewall", "create", false, one).await;
        }
        let request = firewall_request(self.create.request()?, rules)?;
        if self.create.wait.dry_run {
            return explain(app, &client.firewall().allocate_dry_run(&request).await?);
        }
        app.printer.one(&FirewallRow(self.allocate(client, &request).await?))
    }

    async fn allocate(&self, client: &Client, request: &FirewallCreateRequest) -> Result<FirewallResponse> {
        let firewall = client.firewall().allocate(request).await?;
        if self.create.wait.wait {
            wait::phoned_home(client, firewall, &self.create.wait).await
        } else {
            Ok(firewall)
        }
    }
}

/// The request of a document; its own rules come before those of the command line.
fn request_with_rules(document: Value, rules: Option<FirewallRules>) -> Result<FirewallCreateRequest> {
    let own = document.get("firewall_rules").or_else(|| document.get("allocation")?.get("firewall_rules"));
    let own = own.cloned().filter(|r| !r.is_null()).map(document::decode).transpose()?;
    firewall_request(request_of(document)?, own.or(rules))
}

/// A firewall is asked for like a machine, and with rules.
fn firewall_request(
    machine: metal_model::v1::MachineAllocateRequest,
    rules: Option<FirewallRules>,
) -> Result<FirewallCreateRequest> {
    let mut request: FirewallCreateRequest = document::decode(serde_json::to_value(machine)?)?;
    request.firewall_rules = rules;
    Ok(request)
}

async fn ssh(app: &App, args: &SshArgs) -> Result<()> {
    let client = app.client()?;
    let firewall = client.firewall().get(&args.id).await?;
    let allocation = firewall.allocation.as_deref().context("the firewall is not allocated")?;
    if allocation.vpn.is_some() {
        let request =
            VpnRequest { pid: allocation.project.clone(), ephemeral: true, ..VpnRequest::default() };
        let key = client.vpn_key(&request).await.context("make a key for the VPN the firewall is in")?;
        bail!(
            "firewall {id} is reached through the management VPN, which this program cannot join itself; \
             join it with: tailscale up --login-server {} --auth-key {} and then: ssh metal@{id}",
            key.address,
            key.auth_key,
            id = args.id
        );
    }
    // The address that is reachable from outside stands in a network that is neither private nor underlay.
    let outside = allocation.networks.iter().filter(|n| !n.private && !n.underlay);
    let address = outside.flat_map(|n| n.ips.first()).next().with_context(|| {
        format!("firewall {} has no address in an external network to log in at", args.id)
    })?;
    let mut arguments = identity(args.identity.as_ref());
    arguments.push(format!("metal@{address}"));
    child::run("ssh", &arguments, &[])
}
