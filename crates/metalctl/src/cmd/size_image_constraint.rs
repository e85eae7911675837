//! `size imageconstraint`: which images may run on a size.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{SizeImageConstraintResponse, SizeImageConstraintTryRequest};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with constraints.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List constraints
    #[command(visible_alias = "ls")]
    List(SortArgs),
    /// Create all constraints of a file
    Create(FileArgs),
    /// Change all constraints of a file
    Update(FileArgs),
    /// Tell whether an image may run on a size
    Try(TryArgs),
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

struct Constraints;

impl Resource for Constraints {
    type Model = SizeImageConstraintResponse;
    const NOUN: &'static str = "size image constraint";

    async fn get(client: &Client, id: &str) -> Result<SizeImageConstraintResponse> {
        Ok(client.size_image_constraint().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<SizeImageConstraintResponse> {
        Ok(client.size_image_constraint().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<SizeImageConstraintResponse> {
        Ok(client.size_image_constraint().update(&decode(document)?).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<SizeImageConstraintResponse> {
        Ok(client.size_image_constraint().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Constraints>(app).await,
            Self::Create(args) => crud::create::<Constraints>(app, &args).await,
            Self::Update(args) => crud::update::<Constraints>(app, &args).await,
            Self::List(sort) => {
                let fetch = async |client: &Client| Ok(client.size_image_constraint().list().await?);
                watch::list(app, &sort, Feed::Poll, &app.client()?, fetch).await
            }
            Self::Try(args) => {
                let request = SizeImageConstraintTryRequest { size: args.size, image: args.image };
                app.client()?.size_image_constraint().check(&request).await?;
                eprintln!("image {} may run on size {}", request.image, request.size);
                Ok(())
            }
        }
    }
}
