//! `size`: classes of hardware.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{SizeConstraint, SizeCreateRequest, SizeResponse, SizeSuggestRequest};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs, pairs};
use crate::cmd::{reservation, size_image_constraint};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with sizes.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List sizes
    #[command(visible_alias = "ls")]
    List(SortArgs),
    /// Create a size
    Create(CreateArgs),
    /// Change all sizes of a file
    Update(FileArgs),
    /// Suggest a size from the hardware of a machine
    Suggest(SuggestArgs),
    /// Machines of a size kept free for a project
    #[command(subcommand, visible_alias = "rs")]
    Reservation(reservation::Command),
    /// Which images may run on a size
    #[command(subcommand, visible_alias = "ic")]
    Imageconstraint(size_image_constraint::Command),
}

/// A new size.
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
    /// cores, memory, storage or gpu
    #[arg(long)]
    pub r#type: Option<String>,
    /// At least this much
    #[arg(long, default_value_t = 0)]
    pub min: u64,
    /// At most this much
    #[arg(long, default_value_t = 0)]
    pub max: u64,
    #[command(flatten)]
    pub file: FileArgs,
}

/// Which size to suggest.
#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// Identifier of the size
    pub id: String,
    /// Machine whose hardware is taken
    #[arg(long)]
    pub machine_id: String,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Labels as key=value
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
}

struct Sizes;

impl Resource for Sizes {
    type Model = SizeResponse;
    const NOUN: &'static str = "size";

    async fn get(client: &Client, id: &str) -> Result<SizeResponse> {
        Ok(client.size().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<SizeResponse> {
        Ok(client.size().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<SizeResponse> {
        Ok(client.size().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<SizeResponse> {
        Ok(client.size().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Sizes>(app).await,
            Self::Update(args) => crud::update::<Sizes>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Sizes>(app, &args.file).await,
            Self::Create(args) => app.printer.one(&app.client()?.size().create(&args.request()).await?),
            Self::List(sort) => {
                let fetch = async |client: &Client| Ok(client.size().list().await?);
                watch::list(app, &sort, Feed::Poll, &app.client()?, fetch).await
            }
            Self::Suggest(args) => suggest(app, args).await,
            Self::Reservation(command) => command.run(app).await,
            Self::Imageconstraint(command) => command.run(app).await,
        }
    }
}

impl CreateArgs {
    fn request(self) -> SizeCreateRequest {
        let (min, max) = (self.min, self.max);
        let constraint = |kind| SizeConstraint { kind, min, max, identifier: String::new() };
        SizeCreateRequest {
            id: self.id.unwrap_or_default(),
            name: self.name,
            description: self.description,
            constraints: self.r#type.map(constraint).into_iter().collect(),
            labels: None,
        }
    }
}

async fn suggest(app: &App, args: SuggestArgs) -> Result<()> {
    let request = SizeSuggestRequest { machine_id: args.machine_id };
    let size = SizeResponse {
        id: args.id,
        name: args.name.unwrap_or_default(),
        description: args.description.unwrap_or_default(),
        constraints: app.client()?.size().suggest(&request).await?,
        labels: pairs(&args.labels)?,
        ..SizeResponse::default()
    };
    app.printer.one(&size)
}
