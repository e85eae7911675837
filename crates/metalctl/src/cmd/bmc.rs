//! Machines through their BMCs: inventory, events, console, firmware. What needs the BMC itself is left to the tools
//! that speak to it, ssh for the console proxy and ipmitool for everything else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use metal_client::{Client, FirmwareFilter};
use metal_model::v1::{MachineIpmiResponse, MachineUpdateFirmwareRequest};
use serde::Serialize;

use crate::app::App;
use crate::arg::identity;
use crate::child;
use crate::cmd::machine::Filter;
use crate::print::{BmcRow, Cell, Row, View};
use crate::watch::{self, Feed};

/// Which machines.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct IpmiArgs {
    /// One machine instead of all that meet the criteria
    pub id: Option<String>,
    #[command(flatten)]
    pub filter: Filter,
    #[command(subcommand)]
    pub command: Option<IpmiCommand>,
}

/// What else to ask.
#[derive(Debug, clap::Subcommand)]
pub enum IpmiCommand {
    /// List machines by chassis
    ChassisList(Box<Filter>),
    /// Print the event log of a machine's BMC, with ipmitool
    Events(EventsArgs),
}

/// Whose events.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Identifier
    pub id: String,
    /// User instead of the known one
    #[arg(long)]
    pub ipmiuser: Option<String>,
    /// Password instead of the known one
    #[arg(long, hide_env_values = true)]
    pub ipmipassword: Option<String>,
    /// Only this many of the last events
    #[arg(short = 'n', long, default_value_t = 10)]
    pub last: u32,
}

/// Whose console.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// Identifier
    pub id: String,
    /// Be known by token instead of the key of the allocation
    #[arg(long)]
    pub admin: bool,
    /// Go to the BMC directly, with ipmitool
    #[arg(long)]
    pub ipmi: bool,
    /// User instead of the known one
    #[arg(long)]
    pub ipmiuser: Option<String>,
    /// Password instead of the known one
    #[arg(long, hide_env_values = true)]
    pub ipmipassword: Option<String>,
    /// Private key to log in with
    #[arg(short = 'i', long)]
    pub sshidentity: Option<PathBuf>,
}

/// Which firmware to install.
#[derive(Debug, clap::Subcommand)]
pub enum UpdateFirmware {
    /// Firmware of the mainboard
    Bios(FirmwareArgs),
    /// Firmware of the BMC
    Bmc(FirmwareArgs),
}

/// Which revision, where.
#[derive(Debug, Args)]
pub struct FirmwareArgs {
    /// Identifier
    pub id: String,
    /// Revision; tells which there are if there is none
    #[arg(long)]
    pub revision: Option<String>,
    /// Why
    #[arg(long, default_value = "")]
    pub description: String,
}

/// The machines of a chassis.
#[derive(Debug, Clone, Default, Serialize)]
struct ChassisRow {
    serial: String,
    part_number: String,
    partition: String,
    rack: String,
    machines: Vec<String>,
}

impl Row for ChassisRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["Chassis Serial", "Part Number", "Partition", "Rack", "Machines"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let machines = self.machines.join(",");
        let texts = [&self.serial, &self.part_number, &self.partition, &self.rack, &machines];
        texts.into_iter().map(Cell::from).collect()
    }
}

impl ChassisRow {
    fn all(machines: Vec<MachineIpmiResponse>) -> Vec<Self> {
        let mut rows: BTreeMap<String, Self> = BTreeMap::new();
        for machine in machines {
            let fru = &machine.ipmi.fru;
            let row = rows.entry(fru.chassis_part_serial.clone()).or_insert_with(|| Self {
                serial: fru.chassis_part_serial.clone(),
                part_number: fru.chassis_part_number.clone(),
                partition: machine.partition.as_deref().map(|p| p.id.clone()).unwrap_or_default(),
                rack: machine.rackid.clone(),
                machines: Vec::new(),
            });
            row.machines.push(machine.id);
        }
        rows.into_values().collect()
    }
}

impl IpmiArgs {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let client = app.client()?;
        match (self.command, self.id) {
            (Some(IpmiCommand::ChassisList(filter)), _) => {
                let request = filter.request();
                let fetch =
                    async |client: &Client| Ok(ChassisRow::all(client.machine().find_ipmi(&request).await?));
                watch::list(app, &filter.sort, Feed::Poll, &client, fetch).await
            }
            (Some(IpmiCommand::Events(args)), _) => {
                let machine = client.machine().ipmi(&args.id).await?;
                let user = args.ipmiuser.as_deref().unwrap_or(&machine.ipmi.user);
                let password = args.ipmipassword.as_deref().unwrap_or(&machine.ipmi.password);
                let last = args.last.to_string();
                child::ipmitool(&machine.ipmi, user, password, &["sel", "list", "last", &last])
            }
            (None, Some(id)) => app.printer.one(&BmcRow(client.machine().ipmi(&id).await?)),
            (None, None) => {
                let request = self.filter.request();
                let fetch = async |client: &Client| {
                    let machines = client.machine().find_ipmi(&request).await?;
                    Ok(machines.into_iter().map(BmcRow).collect::<Vec<_>>())
                };
                watch::list(app, &self.filter.sort, Feed::Machine, &client, fetch).await
            }
        }
    }
}

impl ConsoleArgs {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        if self.ipmi {
            let machine = app.client()?.machine().ipmi(&self.id).await?;
            let user = self.ipmiuser.as_deref().unwrap_or(&machine.ipmi.user);
            let password = self.ipmipassword.as_deref().unwrap_or(&machine.ipmi.password);
            return child::ipmitool(&machine.ipmi, user, password, &["sol", "activate"]);
        }
        let url: reqwest::Url = app.url()?.parse().context("URL of the context")?;
        let host = url.host_str().context("the URL of the context names no host")?;
        let mut arguments = identity(self.sshidentity.as_ref());
        let mut token = String::new();
        if self.admin {
            token = app.token()?.context("--admin needs a token; log in first: metalctl login")?;
            arguments.extend(["-o".to_owned(), "SendEnv=LC_METAL_STACK_OIDC_TOKEN".to_owned()]);
        }
        // An identifier that begins with a dash must not be taken for an option.
        if self.id.starts_with('-') {
            bail!("{:?} is no machine", self.id);
        }
        arguments.extend([
            "-p".to_owned(),
            "5222".to_owned(),
            format!("{}@{}", self.id, host.trim_matches(['[', ']'])),
        ]);
        let environment = [("LC_METAL_STACK_OIDC_TOKEN", token.as_str())];
        child::run("ssh", &arguments, if self.admin { &environment } else { &[] })
    }
}

impl UpdateFirmware {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let (kind, args) = match self {
            Self::Bios(args) => ("bios", args),
            Self::Bmc(args) => ("bmc", args),
        };
        let client = app.client()?;
        let Some(revision) = args.revision else {
            let fru = client.machine().ipmi(&args.id).await?.ipmi.fru;
            let filter = FirmwareFilter {
                machine: None,
                kind: Some(kind.to_owned()),
                vendor: Some(fru.board_mfg),
                board: Some(fru.board_part_number),
            };
            app.printer.value(&client.firmwares(&filter).await?)?;
            bail!("choose one of these revisions with --revision");
        };
        let request =
            MachineUpdateFirmwareRequest { kind: kind.to_owned(), revision, description: args.description };
        app.printer.one(&client.machine().update_firmware(&args.id, &request).await?)
    }
}
