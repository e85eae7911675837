//! `image`: operating system images.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{ImageCreateRequest, ImageFindRequest, ImageResponse};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with images.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List images
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Register an image
    Create(CreateArgs),
    /// Change all images of a file
    Update(FileArgs),
}

/// Which images.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// preview, supported or deprecated
    #[arg(long)]
    pub classification: Option<String>,
    /// Features it must have
    #[arg(long, value_delimiter = ',')]
    pub features: Vec<String>,
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Operating system
    #[arg(long)]
    pub os: Option<String>,
    /// Version
    #[arg(long)]
    pub version: Option<String>,
    /// Tell which machines use them
    #[arg(long)]
    pub show_usage: bool,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new image.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Identifier with a version
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// Where it is fetched from
    #[arg(long)]
    pub url: Option<String>,
    /// machine, firewall
    #[arg(long, value_delimiter = ',')]
    pub features: Vec<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

struct Images;

impl Resource for Images {
    type Model = ImageResponse;
    const NOUN: &'static str = "image";

    async fn get(client: &Client, id: &str) -> Result<ImageResponse> {
        Ok(client.image().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<ImageResponse> {
        Ok(client.image().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<ImageResponse> {
        Ok(client.image().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<ImageResponse> {
        Ok(client.image().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Images>(app).await,
            Self::Update(args) => crud::update::<Images>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Images>(app, &args.file).await,
            Self::Create(args) => {
                let request = ImageCreateRequest {
                    id: args.id.unwrap_or_default(),
                    name: args.name,
                    description: args.description,
                    url: args.url.unwrap_or_default(),
                    features: args.features,
                    ..ImageCreateRequest::default()
                };
                app.printer.one(&app.client()?.image().create(&request).await?)
            }
            Self::List(args) => {
                let request = ImageFindRequest {
                    id: args.id,
                    name: args.name,
                    features: args.features,
                    os: args.os,
                    version: args.version,
                    classification: args.classification,
                };
                let fetch =
                    async |client: &Client| Ok(client.image().find(&request, args.show_usage).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}
