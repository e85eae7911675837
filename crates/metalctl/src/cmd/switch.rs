//! `switch`: the leaf switches, their ports, and the machines on them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    MachineFindRequest, MachineIpmiResponse, SwitchFindRequest, SwitchMigrateRequest,
    SwitchPortToggleRequest, SwitchResponse, SwitchUpdateRequest,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{DeleteArgs, FileArgs, IdArg, SortArgs};
use crate::crud::{self, Resource};
use crate::document::decode;
use crate::print::{ConnectionRow, PortRow};
use crate::watch::{self, Feed};
use crate::{arg, child};

/// What to do with switches.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List switches
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show a switch
    #[command(visible_alias = "get")]
    Describe(IdArg),
    /// List the ports of switches
    Detail(FilterArgs),
    /// List the machines on switches
    ConnectedMachines(ConnectedArgs),
    /// Change a switch in your editor
    Edit(IdArg),
    /// Change all switches of a file
    Update(FileArgs),
    /// Delete a switch, or all of a file
    #[command(visible_aliases = ["destroy", "rm", "remove"])]
    Delete(ForceArgs),
    /// Announce that a switch will be replaced by a new one of the same name
    Replace(IdArg),
    /// Move the machines of a switch to another
    Migrate(MigrateArgs),
    /// Ports of a switch
    #[command(subcommand)]
    Port(PortCommand),
    /// Log in to a switch
    Ssh(IdArg),
    /// Console of a switch
    Console(IdArg),
}

/// Which switches.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Vendor of the operating system
    #[arg(long)]
    pub os_vendor: Option<String>,
    /// Version of the operating system
    #[arg(long)]
    pub os_version: Option<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Rack
    #[arg(long)]
    pub rack: Option<String>,
}

/// Which switches, in which order.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// Which switches and machines.
#[derive(Debug, Clone, Args)]
pub struct ConnectedArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Machine
    #[arg(long)]
    pub machine_id: Option<String>,
    /// Size of the machine
    #[arg(long)]
    pub size: Option<String>,
}

/// What to delete.
#[derive(Debug, Clone, Args)]
pub struct ForceArgs {
    #[command(flatten)]
    pub delete: DeleteArgs,
    /// Even if machines are connected
    #[arg(id = "even", long = "force")]
    pub force: bool,
}

/// From where to where.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Switch to move from
    pub old: String,
    /// Switch to move to
    pub new: String,
}

/// What to do with a port.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PortCommand {
    /// Show a port, or all
    Describe(PortArgs),
    /// Switch a port off
    Down(PortArgs),
    /// Switch a port on
    Up(PortArgs),
}

/// Which port.
#[derive(Debug, Clone, Args)]
pub struct PortArgs {
    /// Switch
    pub id: String,
    /// Port
    #[arg(long)]
    pub port: Option<String>,
}

impl FilterArgs {
    fn request(&self) -> SwitchFindRequest {
        SwitchFindRequest {
            id: self.id.clone(),
            name: self.name.clone(),
            partitionid: self.partition.clone(),
            rackid: self.rack.clone(),
            osvendor: self.os_vendor.clone(),
            osversion: self.os_version.clone(),
            ..SwitchFindRequest::default()
        }
    }
}

struct Switches;

impl Resource for Switches {
    type Model = SwitchResponse;
    const NOUN: &'static str = "switch";

    async fn get(client: &Client, id: &str) -> Result<SwitchResponse> {
        Ok(client.switch().get(id).await?)
    }

    async fn create(_client: &Client, _document: Value) -> Result<SwitchResponse> {
        bail!("switches are not created: they register themselves")
    }

    async fn update(client: &Client, document: Value) -> Result<SwitchResponse> {
        Ok(client.switch().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<SwitchResponse> {
        Ok(client.switch().delete(id, false).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let client = app.client()?;
        match self {
            Self::List(args) => {
                let request = args.filter.request();
                let fetch = async |client: &Client| Ok(client.switch().find(&request).await?);
                watch::list(app, &args.sort, Feed::Switch, &client, fetch).await
            }
            Self::Describe(arg) => crud::describe::<Switches>(app, &arg.id).await,
            Self::Detail(filter) => {
                let switches = client.switch().find(&filter.request()).await?;
                app.printer.list(&switches.iter().flat_map(PortRow::all).collect::<Vec<_>>(), &[])
            }
            Self::ConnectedMachines(args) => connected(app, &client, &args).await,
            Self::Edit(arg) => crud::edit::<Switches>(app, &arg.id).await,
            Self::Update(args) => crud::update::<Switches>(app, &args).await,
            Self::Delete(ForceArgs { delete: DeleteArgs { id: Some(id), .. }, force: true }) => {
                app.printer.one(&client.switch().delete(&id, true).await?)
            }
            Self::Delete(args) => crud::delete::<Switches>(app, &args.delete).await,
            Self::Replace(arg) => {
                // Only what is to change: everything absent is kept.
                let request = SwitchUpdateRequest {
                    id: arg.id,
                    mode: Some("replace".to_owned()),
                    ..Default::default()
                };
                app.printer.one(&client.switch().update(&request).await?)
            }
            Self::Migrate(args) => {
                let request = SwitchMigrateRequest { old_switch_id: args.old, new_switch_id: args.new };
                app.printer.one(&client.switch().migrate(&request).await?)
            }
            Self::Port(PortCommand::Describe(args)) => describe_port(app, &client, &args).await,
            Self::Port(PortCommand::Down(args)) => toggle(app, &client, args, "DOWN").await,
            Self::Port(PortCommand::Up(args)) => toggle(app, &client, args, "UP").await,
            Self::Ssh(arg) => ssh(&client, &arg.id).await,
            Self::Console(arg) => console(&client, &arg.id).await,
        }
    }
}

async fn connected(app: &App, client: &Client, args: &ConnectedArgs) -> Result<()> {
    let switches = client.switch().find(&args.filter.request()).await?;
    let find = MachineFindRequest {
        id: args.machine_id.clone(),
        sizeid: args.size.clone(),
        partition_id: args.filter.partition.clone(),
        rackid: args.filter.rack.clone(),
        ..MachineFindRequest::default()
    };
    let machines: BTreeMap<String, MachineIpmiResponse> =
        client.machine().find_ipmi(&find).await?.into_iter().map(|m| (m.id.clone(), m)).collect();
    let mut rows = Vec::new();
    for switch in &switches {
        for connection in &switch.connections {
            let Some(machine) = machines.get(&connection.machine_id) else { continue };
            rows.push(ConnectionRow {
                machine: machine.id.clone(),
                switch: switch.id.clone(),
                port: connection.nic.name.clone(),
                state: connection.nic.actual.clone(),
                partition: switch.partition.id.clone(),
                rack: switch.rack_id.clone(),
                size: machine.size.as_deref().map(|s| s.id.clone()).unwrap_or_default(),
                hostname: machine.allocation.as_deref().map(|a| a.hostname.clone()).unwrap_or_default(),
                serial: machine.ipmi.fru.product_serial.clone(),
            });
        }
    }
    rows.sort_by(|a, b| {
        (&a.rack, &a.machine, &a.switch, &a.port).cmp(&(&b.rack, &b.machine, &b.switch, &b.port))
    });
    app.printer.list(&rows, &[])
}

async fn describe_port(app: &App, client: &Client, args: &PortArgs) -> Result<()> {
    let mut ports = PortRow::all(&client.switch().get(&args.id).await?);
    let Some(name) = &args.port else { return app.printer.list(&ports, &[]) };
    ports.retain(|p| p.nic.name == *name);
    let port = ports.pop().with_context(|| {
        format!("switch {id} has no port {name}; see: metalctl switch port describe {id}", id = args.id)
    })?;
    app.printer.one(&port)
}

async fn toggle(app: &App, client: &Client, args: PortArgs, status: &str) -> Result<()> {
    let nic = args.port.context("name the port with --port")?;
    let request = SwitchPortToggleRequest { nic: nic.clone(), status: status.to_owned() };
    let switch = client.switch().toggle_port(&args.id, &request).await?;
    match PortRow::all(&switch).into_iter().find(|p| p.nic.name == nic) {
        Some(port) => app.printer.one(&port),
        None => Ok(()),
    }
}

async fn ssh(client: &Client, id: &str) -> Result<()> {
    let switch = client.switch().get(id).await?;
    if switch.management_ip.is_empty() || switch.management_user.is_empty() {
        bail!("switch {id} has not reported its management address and user yet");
    }
    let mut arguments = arg::identity(None);
    arguments.push(format!("{}@{}", switch.management_user, switch.management_ip));
    child::run("ssh", &arguments, &[])
}

async fn console(client: &Client, id: &str) -> Result<()> {
    let switch = client.switch().get(id).await?;
    // Words only: what an administrator wrote into the record is not given to a shell.
    let mut words = switch.console_command.split_whitespace();
    let program = words.next().with_context(|| {
        format!("switch {id} has no console command; set console_command with: metalctl switch edit {id}")
    })?;
    child::run(program, &words.collect::<Vec<_>>(), &[])
}
