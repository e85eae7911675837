//! `machine`: find, allocate, change, release, and everything one does to a machine.

use anyhow::{Result, bail};
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    MachineConsolePasswordRequest, MachineFindRequest, MachineReinstallRequest, MachineResponse,
    MachineState, MachineUpdateRequest,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{DeleteArgs, FileArgs, IdArg, SortArgs, WaitArgs};
use crate::cmd::create::{CreateArgs, explain, request_of};
use crate::cmd::{bmc, issue};
use crate::crud::{self, Resource};
use crate::print::{LogRow, parse_duration};
use crate::watch::{self, Feed};
use crate::{document, wait};

/// What to do with machines.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List machines
    #[command(visible_alias = "ls")]
    List(Box<Filter>),
    /// Show a machine
    #[command(visible_alias = "get")]
    Describe(IdArg),
    /// Allocate a machine, or all of a file
    Create(Box<CreateArgs>),
    /// Allocate all machines of a file
    Apply(ApplyArgs),
    /// Change an allocated machine, or all of a file
    Update(UpdateArgs),
    /// Change an allocated machine in your editor
    Edit(IdArg),
    /// Release a machine, or all of a file
    #[command(visible_aliases = ["destroy", "rm", "remove"])]
    Delete(ReleaseArgs),
    /// Install an allocated machine anew
    Reinstall(ReinstallArgs),
    /// Keep a machine from being allocated
    Reserve(StateArgs),
    /// Keep a machine from being allocated and released
    Lock(StateArgs),
    /// Switch machines on and off, and choose what they boot
    #[command(subcommand)]
    Power(Power),
    /// The light that helps to find a machine
    #[command(subcommand)]
    Identify(Identify),
    /// Events of a machine's provisioning
    #[command(visible_alias = "log")]
    Logs(LogsArgs),
    /// Problems of machines
    Issues(Box<issue::IssuesArgs>),
    /// Machines seen through their BMCs
    Ipmi(Box<bmc::IpmiArgs>),
    /// Console of a machine
    Console(bmc::ConsoleArgs),
    /// Console password of a machine
    Consolepassword(PasswordArgs),
    /// Install firmware on a machine
    #[command(subcommand, visible_alias = "firmware-update")]
    UpdateFirmware(bmc::UpdateFirmware),
}

/// Which machines.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Address of the BMC
    #[arg(long)]
    pub bmc_address: Option<String>,
    /// MAC address of the BMC
    #[arg(long)]
    pub bmc_mac: Option<String>,
    /// Part number of the board
    #[arg(long)]
    pub board_part_number: Option<String>,
    /// Part number of the chassis
    #[arg(long)]
    pub chassis_part_number: Option<String>,
    /// Serial number of the chassis
    #[arg(long)]
    pub chassis_part_serial: Option<String>,
    /// Host name
    #[arg(long)]
    pub hostname: Option<String>,
    /// Identifier
    #[arg(id = "machine", long = "id")]
    pub id: Option<String>,
    /// Image
    #[arg(long)]
    pub image: Option<String>,
    /// How long ago an error may be and still be shown
    #[arg(long, default_value = "7d")]
    pub last_event_error_threshold: String,
    /// MAC address of a network card
    #[arg(long)]
    pub mac: Option<String>,
    /// Manufacturer
    #[arg(long)]
    pub manufacturer: Option<String>,
    /// Name of the allocation
    #[arg(long)]
    pub name: Option<String>,
    /// Destination prefixes of its networks
    #[arg(long, value_delimiter = ',')]
    pub network_destination_prefixes: Vec<String>,
    /// Networks
    #[arg(long, value_delimiter = ',')]
    pub network_ids: Vec<String>,
    /// Addresses
    #[arg(long, value_delimiter = ',')]
    pub network_ips: Vec<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Part number of the product
    #[arg(long)]
    pub product_part_number: Option<String>,
    /// Serial number of the product
    #[arg(long)]
    pub product_serial: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Rack
    #[arg(long)]
    pub rack: Option<String>,
    /// machine or firewall
    #[arg(long)]
    pub role: Option<String>,
    /// Size
    #[arg(long)]
    pub size: Option<String>,
    /// RESERVED or LOCKED
    #[arg(long)]
    pub state: Option<String>,
    /// Tags
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

impl Filter {
    /// The request.
    pub fn request(&self) -> MachineFindRequest {
        MachineFindRequest {
            id: self.id.clone(),
            partition_id: self.partition.clone(),
            sizeid: self.size.clone(),
            rackid: self.rack.clone(),
            tags: self.tags.clone(),
            allocation_name: self.name.clone(),
            allocation_project: self.project.clone(),
            allocation_image_id: self.image.clone(),
            allocation_hostname: self.hostname.clone(),
            allocation_role: self.role.clone(),
            network_ids: self.network_ids.clone(),
            network_ips: self.network_ips.clone(),
            network_destination_prefixes: self.network_destination_prefixes.clone(),
            nics_mac_addresses: self.mac.clone().into_iter().collect(),
            state_value: self.state.as_ref().map(|s| s.to_uppercase()),
            ipmi_address: self.bmc_address.clone(),
            ipmi_mac_address: self.bmc_mac.clone(),
            fru_chassis_part_number: self.chassis_part_number.clone(),
            fru_chassis_part_serial: self.chassis_part_serial.clone(),
            fru_board_part_number: self.board_part_number.clone(),
            fru_product_manufacturer: self.manufacturer.clone(),
            fru_product_part_number: self.product_part_number.clone(),
            fru_product_serial: self.product_serial.clone(),
            ..MachineFindRequest::default()
        }
    }
}

/// Machines of a file.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What to change.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Identifier
    pub id: Option<String>,
    /// Tags to add
    #[arg(long, value_delimiter = ',')]
    pub add_tags: Vec<String>,
    /// Tags to remove
    #[arg(long, value_delimiter = ',')]
    pub remove_tags: Vec<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

/// What to release.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    pub delete: DeleteArgs,
    /// Forget the machine altogether, which must be dead
    #[arg(long)]
    pub remove_from_database: bool,
}

/// What to install.
#[derive(Debug, Clone, Args)]
pub struct ReinstallArgs {
    /// Identifier
    pub id: String,
    /// Image instead of the one it has
    #[arg(long)]
    pub image: Option<String>,
    /// Description
    #[arg(short, long, default_value = "")]
    pub description: String,
}

/// Which state.
#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Identifier
    pub id: String,
    /// Why
    #[arg(short, long, default_value = "")]
    pub description: String,
    /// Undo it
    #[arg(short, long)]
    pub remove: bool,
}

/// What to do with the power.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Power {
    /// Switch on
    On(IdArg),
    /// Switch off
    Off(IdArg),
    /// Reset
    Reset(IdArg),
    /// Take power away and give it back
    Cycle(IdArg),
    /// Boot into the setup of the firmware
    Bios(IdArg),
    /// Boot from disk
    Disk(IdArg),
    /// Boot from the network
    Pxe(IdArg),
}

/// What to do with the light.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Identify {
    /// Switch on
    On(IdentifyArgs),
    /// Switch off
    Off(IdentifyArgs),
}

/// Whose light.
#[derive(Debug, Clone, Args)]
pub struct IdentifyArgs {
    /// Identifier
    pub id: String,
    /// Why
    #[arg(short, long, default_value = "")]
    pub description: String,
}

/// Whose events.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Identifier
    pub id: String,
    /// How long ago an error may be and still be shown
    #[arg(long, default_value = "7d")]
    pub last_event_error_threshold: String,
}

/// Whose password.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// Identifier
    pub id: String,
    /// Why it is needed
    #[arg(long, default_value = "")]
    pub reason: String,
}

struct Machines;

impl Resource for Machines {
    type Model = MachineResponse;
    const NOUN: &'static str = "machine";

    async fn get(client: &Client, id: &str) -> Result<MachineResponse> {
        Ok(client.machine().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<MachineResponse> {
        Ok(client.machine().allocate(&request_of(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<MachineResponse> {
        let mut request: MachineUpdateRequest = document::decode(document.clone())?;
        // The user's description and keys are part of the allocation, not of the machine.
        if let Some(allocation) = document.get("allocation").filter(|a| a.is_object()) {
            request.description = Some(document::text(allocation, &["description"]));
            let keys = allocation["ssh_pub_keys"].as_array().into_iter().flatten();
            request.ssh_pub_keys = keys.filter_map(|k| k.as_str().map(str::to_owned)).collect();
        }
        Ok(client.machine().update(&request).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<MachineResponse> {
        Ok(client.machine().free(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, mut app: App) -> Result<()> {
        let threshold = match &self {
            Self::List(filter) => Some(&filter.last_event_error_threshold),
            Self::Ipmi(args) => Some(&args.filter.last_event_error_threshold),
            Self::Issues(args) => Some(&args.filter.last_event_error_threshold),
            _ => None,
        };
        if let Some(threshold) = threshold {
            app.printer = app.printer.error_threshold(parse_duration(threshold)?);
        }
        let app = &app;
        match self {
            Self::List(filter) => {
                let request = filter.request();
                let fetch = async |client: &Client| Ok(client.machine().find(&request).await?);
                watch::list(app, &filter.sort, Feed::Machine, &app.client()?, fetch).await
            }
            Self::Describe(arg) => crud::describe::<Machines>(app, &arg.id).await,
            Self::Create(args) if args.file.file.is_some() => from_file(app, &args.file, &args.wait).await,
            Self::Create(args) => create(app, &args).await,
            Self::Apply(args) => from_file(app, &args.file, &args.wait).await,
            Self::Update(args) => update(app, args).await,
            Self::Edit(arg) => crud::edit::<Machines>(app, &arg.id).await,
            Self::Delete(args) => release(app, &args).await,
            Self::Reinstall(args) => reinstall(app, args).await,
            Self::Reserve(args) => set_state(app, args, "RESERVED").await,
            Self::Lock(args) => set_state(app, args, "LOCKED").await,
            Self::Power(power) => power.run(app).await,
            Self::Identify(identify) => identify.run(app).await,
            Self::Logs(args) => {
                let machine = app.client()?.machine().get(&args.id).await?;
                let rows: Vec<LogRow> = machine.events.log.iter().cloned().map(LogRow).collect();
                app.printer.list(&rows, &[])
            }
            Self::Issues(args) => args.run(app).await,
            Self::Ipmi(args) => args.run(app).await,
            Self::Console(args) => args.run(app).await,
            Self::Consolepassword(args) => {
                let request = MachineConsolePasswordRequest { id: args.id, reason: args.reason };
                app.printer.value(&app.client()?.machine().console_password(&request).await?)
            }
            Self::UpdateFirmware(command) => command.run(app).await,
        }
    }
}

async fn create(app: &App, args: &CreateArgs) -> Result<()> {
    let client = app.client()?;
    let request = args.request()?;
    if args.wait.dry_run {
        return explain(app, &client.machine().allocate_dry_run(&request).await?);
    }
    let machine = client.machine().allocate(&request).await?;
    let machine =
        if args.wait.wait { wait::phoned_home(&client, machine, &args.wait).await? } else { machine };
    app.printer.one(&machine)
}

async fn from_file(app: &App, file: &FileArgs, waiting: &WaitArgs) -> Result<()> {
    let client = app.client()?;
    let client = &client;
    if waiting.dry_run {
        let path = file.file.as_deref().unwrap_or_default();
        for document in document::read(path)? {
            explain(app, &client.machine().allocate_dry_run(&request_of(document)?).await?)?;
        }
        return Ok(());
    }
    let one = async |document: Value| {
        let machine = client.machine().allocate(&request_of(document)?).await?;
        if waiting.wait { wait::phoned_home(client, machine, waiting).await } else { Ok(machine) }
    };
    crud::each(app, file, Machines::NOUN, "create", false, one).await
}

async fn update(app: &App, args: UpdateArgs) -> Result<()> {
    let Some(id) = args.id else { return crud::update::<Machines>(app, &args.file).await };
    let client = app.client()?;
    let machine = client.machine().get(&id).await?;
    let mut tags: Vec<String> =
        machine.tags.iter().filter(|t| !args.remove_tags.contains(t)).cloned().collect();
    for tag in args.add_tags {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let request = MachineUpdateRequest {
        id,
        description: args.description,
        tags: Some(tags),
        ssh_pub_keys: Vec::new(),
    };
    app.printer.one(&client.machine().update(&request).await?)
}

async fn release(app: &App, args: &ReleaseArgs) -> Result<()> {
    if !args.remove_from_database {
        return crud::delete::<Machines>(app, &args.delete).await;
    }
    if !app.global.force {
        bail!("--remove-from-database forgets the machine for good; say --yes-i-really-mean-it if you do");
    }
    let Some(id) = &args.delete.id else { bail!("name the machine to forget") };
    app.printer.one(&app.client()?.machine().delete(id).await?)
}

async fn reinstall(app: &App, args: ReinstallArgs) -> Result<()> {
    let client = app.client()?;
    let image = match args.image {
        Some(image) => image,
        None => {
            let machine = client.machine().get(&args.id).await?;
            let image = machine.allocation.as_deref().and_then(|a| a.image.as_deref()).map(|i| i.id.clone());
            match image {
                Some(image) => image,
                None => bail!("machine {} has no image; name one with --image", args.id),
            }
        }
    };
    let request = MachineReinstallRequest {
        id: args.id.clone(),
        name: String::new(),
        description: args.description,
        imageid: image,
    };
    app.printer.one(&client.machine().reinstall(&args.id, &request).await?)
}

async fn set_state(app: &App, args: StateArgs, value: &str) -> Result<()> {
    let value = if args.remove { "" } else { value };
    let state =
        MachineState { value: value.to_owned(), description: args.description, ..MachineState::default() };
    app.printer.one(&app.client()?.machine().set_state(&args.id, &state).await?)
}

impl Power {
    async fn run(self, app: &App) -> Result<()> {
        let client = app.client()?;
        let machines = client.machine();
        let machine = match &self {
            Self::On(arg) => machines.on(&arg.id).await?,
            Self::Off(arg) => machines.off(&arg.id).await?,
            Self::Reset(arg) => machines.reset(&arg.id).await?,
            Self::Cycle(arg) => machines.cycle(&arg.id).await?,
            Self::Bios(arg) => machines.bios(&arg.id).await?,
            Self::Disk(arg) => machines.disk(&arg.id).await?,
            Self::Pxe(arg) => machines.pxe(&arg.id).await?,
        };
        app.printer.one(&machine)
    }
}

impl Identify {
    async fn run(self, app: &App) -> Result<()> {
        let client = app.client()?;
        let machine = match &self {
            Self::On(args) => client.machine().identify_on(&args.id, &args.description).await?,
            Self::Off(args) => client.machine().identify_off(&args.id, &args.description).await?,
        };
        app.printer.one(&machine)
    }
}
