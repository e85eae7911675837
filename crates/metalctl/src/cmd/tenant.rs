//! `tenant`: who owns projects.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{Meta, Tenant, TenantFindRequest};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs, pairs};
use crate::cmd::project::QuotaArgs;
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with tenants.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List tenants
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Create a tenant
    Create(CreateArgs),
    /// Change all tenants of a file
    Update(FileArgs),
}

/// Which tenants.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Annotations as key=value
    #[arg(long, value_delimiter = ',')]
    pub annotations: Vec<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new tenant.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Labels
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Annotations as key=value
    #[arg(long, value_delimiter = ',')]
    pub annotations: Vec<String>,
    #[command(flatten)]
    pub quota: QuotaArgs,
    #[command(flatten)]
    pub file: FileArgs,
}

struct Tenants;

impl Resource for Tenants {
    type Model = Tenant;
    const NOUN: &'static str = "tenant";
    const ID: &'static [&'static str] = &["meta", "id"];

    async fn get(client: &Client, id: &str) -> Result<Tenant> {
        Ok(client.tenant().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<Tenant> {
        Ok(client.tenant().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<Tenant> {
        let mut tenant: Tenant = decode(document)?;
        // As for projects: the version of the server, not the one in the file.
        tenant.meta.version = client.tenant().get(&tenant.meta.id).await?.meta.version;
        Ok(client.tenant().update(&tenant).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<Tenant> {
        Ok(client.tenant().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Tenants>(app).await,
            Self::Update(args) => crud::update::<Tenants>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Tenants>(app, &args.file).await,
            Self::Create(args) => {
                let meta = Meta {
                    id: args.id.unwrap_or_default(),
                    labels: args.labels,
                    annotations: pairs(&args.annotations)?,
                    ..Meta::default()
                };
                let tenant = Tenant {
                    meta,
                    name: args.name.unwrap_or_default(),
                    description: args.description.unwrap_or_default(),
                    quotas: args.quota.set(),
                    ..Tenant::default()
                };
                app.printer.one(&app.client()?.tenant().create(&tenant).await?)
            }
            Self::List(args) => {
                let annotations = pairs(&args.annotations)?;
                let request = TenantFindRequest { id: args.id, name: args.name, annotations, paging: None };
                let fetch = async |client: &Client| Ok(client.tenant().find(&request).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}
