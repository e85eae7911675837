//! `partition`: failure domains and how full they are.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    PartitionBootConfiguration, PartitionCapacityRequest, PartitionCreateRequest, PartitionResponse,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs, dns_servers, ntp_servers};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::print::CapacityRow;
use crate::watch::{self, Feed};

/// What to do with partitions.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List partitions
    #[command(visible_alias = "ls")]
    List(SortArgs),
    /// Create a partition
    Create(CreateArgs),
    /// Change all partitions of a file
    Update(FileArgs),
    /// Tell how full partitions are
    Capacity(CapacityArgs),
}

/// A new partition.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// Address of its management server
    #[arg(long)]
    pub mgmtserver: Option<String>,
    /// Kernel command line
    #[arg(long)]
    pub cmdline: Option<String>,
    /// Initial RAM disk
    #[arg(long)]
    pub imageurl: Option<String>,
    /// Kernel
    #[arg(long)]
    pub kernelurl: Option<String>,
    /// DNS resolvers of its machines
    #[arg(long, value_delimiter = ',')]
    pub dnsservers: Vec<String>,
    /// Time servers of its machines
    #[arg(long, value_delimiter = ',')]
    pub ntpservers: Vec<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

/// Which partitions.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Partition
    #[arg(long)]
    pub id: Option<String>,
    /// Size
    #[arg(long)]
    pub size: Option<String>,
    /// Count what is reserved for this project as free
    #[arg(long)]
    pub project_id: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

struct Partitions;

impl Resource for Partitions {
    type Model = PartitionResponse;
    const NOUN: &'static str = "partition";

    async fn get(client: &Client, id: &str) -> Result<PartitionResponse> {
        Ok(client.partition().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<PartitionResponse> {
        Ok(client.partition().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<PartitionResponse> {
        Ok(client.partition().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<PartitionResponse> {
        Ok(client.partition().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Partitions>(app).await,
            Self::Update(args) => crud::update::<Partitions>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => {
                crud::create::<Partitions>(app, &args.file).await
            }
            Self::Create(args) => app.printer.one(&app.client()?.partition().create(&args.request()).await?),
            Self::List(sort) => {
                let fetch = async |client: &Client| Ok(client.partition().list().await?);
                watch::list(app, &sort, Feed::Poll, &app.client()?, fetch).await
            }
            Self::Capacity(args) => {
                let request =
                    PartitionCapacityRequest { id: args.id, sizeid: args.size, projectid: args.project_id };
                let fetch = async |client: &Client| {
                    Ok(CapacityRow::all(client.partition().capacity(&request).await?))
                };
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}

impl CreateArgs {
    fn request(self) -> PartitionCreateRequest {
        PartitionCreateRequest {
            id: self.id.unwrap_or_default(),
            name: self.name,
            description: self.description,
            mgmtserviceaddress: self.mgmtserver,
            labels: None,
            dns_servers: dns_servers(self.dnsservers),
            ntp_servers: ntp_servers(self.ntpservers),
            bootconfig: PartitionBootConfiguration {
                imageurl: self.imageurl.unwrap_or_default(),
                kernelurl: self.kernelurl.unwrap_or_default(),
                commandline: self.cmdline.unwrap_or_default(),
            },
        }
    }
}
