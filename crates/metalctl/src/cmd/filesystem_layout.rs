//! `filesystemlayout`: how disks are partitioned and formatted.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{FilesystemLayoutMatchRequest, FilesystemLayoutResponse, FilesystemLayoutTryRequest};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with filesystem layouts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List layouts
    #[command(visible_alias = "ls")]
    List(SortArgs),
    /// Create all layouts of a file
    Create(FileArgs),
    /// Change all layouts of a file
    Update(FileArgs),
    /// Tell whether a layout fits a machine
    Match(MatchArgs),
    /// Tell which layout a size and an image get
    Try(TryArgs),
}

/// Which layout and machine.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Layout
    #[arg(long)]
    pub filesystemlayout: String,
    /// Machine
    #[arg(long)]
    pub machine: String,
}

/// Which size and image.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Image
    #[arg(long)]
    pub image: String,
    /// Size
    #[arg(long)]
    pub size: String,
}

struct Layouts;

impl Resource for Layouts {
    type Model = FilesystemLayoutResponse;
    const NOUN: &'static str = "filesystem layout";

    async fn get(client: &Client, id: &str) -> Result<FilesystemLayoutResponse> {
        Ok(client.filesystem_layout().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<FilesystemLayoutResponse> {
        Ok(client.filesystem_layout().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<FilesystemLayoutResponse> {
        Ok(client.filesystem_layout().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<FilesystemLayoutResponse> {
        Ok(client.filesystem_layout().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Layouts>(app).await,
            Self::Create(args) => crud::create::<Layouts>(app, &args).await,
            Self::Update(args) => crud::update::<Layouts>(app, &args).await,
            Self::List(sort) => {
                let fetch = async |client: &Client| Ok(client.filesystem_layout().list().await?);
                watch::list(app, &sort, Feed::Poll, &app.client()?, fetch).await
            }
            Self::Match(args) => {
                let request = FilesystemLayoutMatchRequest {
                    machine: args.machine,
                    filesystemlayout: args.filesystemlayout,
                };
                app.printer.one(&app.client()?.filesystem_layout().matches(&request).await?)
            }
            Self::Try(args) => {
                let request = FilesystemLayoutTryRequest { size: args.size, image: args.image };
                app.printer.one(&app.client()?.filesystem_layout().select(&request).await?)
            }
        }
    }
}
