//! `size reservation`: machines of a size kept free for a project.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    SizeReservationCreateRequest, SizeReservationListRequest, SizeReservationResponse,
    SizeReservationUpdateRequest,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs, pairs, some_pairs};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with reservations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List reservations
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Create a reservation
    Create(CreateArgs),
    /// Change a reservation, or all of a file
    Update(UpdateArgs),
    /// Tell how much of reservations is used
    Usage(UsageArgs),
}

/// Which reservations.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Size
    #[arg(long)]
    pub size: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// Which reservations.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Size
    #[arg(long)]
    pub size_id: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new reservation.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Identifier, chosen if there is none
    #[arg(long)]
    pub id: Option<String>,
    /// Number of machines per partition
    #[arg(long, default_value_t = 0)]
    pub amount: i64,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Labels as key=value
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Partitions
    #[arg(long, value_delimiter = ',')]
    pub partitions: Vec<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Size
    #[arg(long)]
    pub size: Option<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

/// What to change.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Identifier
    pub id: Option<String>,
    /// Number of machines per partition
    #[arg(long)]
    pub amount: Option<i64>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Labels as key=value
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Partitions
    #[arg(long, value_delimiter = ',')]
    pub partitions: Vec<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

struct Reservations;

impl Resource for Reservations {
    type Model = SizeReservationResponse;
    const NOUN: &'static str = "size reservation";

    async fn get(client: &Client, id: &str) -> Result<SizeReservationResponse> {
        Ok(client.size_reservation().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<SizeReservationResponse> {
        Ok(client.size_reservation().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<SizeReservationResponse> {
        Ok(client.size_reservation().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<SizeReservationResponse> {
        Ok(client.size_reservation().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Reservations>(app).await,
            Self::Create(args) if args.file.file.is_some() => {
                crud::create::<Reservations>(app, &args.file).await
            }
            Self::Create(args) => {
                let request = SizeReservationCreateRequest {
                    id: args.id,
                    name: None,
                    description: args.description,
                    sizeid: args.size.unwrap_or_default(),
                    partitionids: args.partitions,
                    projectid: args.project.unwrap_or_default(),
                    amount: args.amount,
                    labels: pairs(&args.labels)?,
                };
                app.printer.one(&app.client()?.size_reservation().create(&request).await?)
            }
            Self::Update(args) => match args.id {
                None => crud::update::<Reservations>(app, &args.file).await,
                Some(id) => {
                    let request = SizeReservationUpdateRequest {
                        id,
                        name: None,
                        description: args.description,
                        partitionids: args.partitions,
                        amount: args.amount,
                        labels: some_pairs(&args.labels)?,
                    };
                    app.printer.one(&app.client()?.size_reservation().update(&request).await?)
                }
            },
            Self::List(args) => {
                let request = SizeReservationListRequest {
                    id: args.id,
                    sizeid: args.size,
                    projectid: args.project,
                    partitionid: args.partition,
                };
                let fetch = async |client: &Client| Ok(client.size_reservation().find(&request).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
            Self::Usage(args) => {
                let request = SizeReservationListRequest {
                    id: None,
                    sizeid: args.size_id,
                    projectid: args.project,
                    partitionid: args.partition,
                };
                let fetch = async |client: &Client| Ok(client.size_reservation().usage(&request).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}
