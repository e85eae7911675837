//! `project`: who owns machines, networks and addresses.

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{Meta, Project, ProjectFindRequest, Quota, QuotaSet};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, SortArgs, pairs};
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::watch::{self, Feed};

/// What to do with projects.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List projects
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Create a project
    Create(CreateArgs),
    /// Change all projects of a file
    Update(FileArgs),
}

/// Which projects.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Tenant
    #[arg(long)]
    pub tenant: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new project.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// Labels
    #[arg(long, value_delimiter = ',')]
    pub label: Vec<String>,
    /// Annotations as key=value
    #[arg(long, value_delimiter = ',')]
    pub annotation: Vec<String>,
    #[command(flatten)]
    pub quota: QuotaArgs,
    #[command(flatten)]
    pub file: FileArgs,
}

/// Quotas.
#[derive(Debug, Args)]
pub struct QuotaArgs {
    /// At most this many clusters
    #[arg(long)]
    pub cluster_quota: Option<i32>,
    /// At most this many machines
    #[arg(long)]
    pub machine_quota: Option<i32>,
    /// At most this many addresses
    #[arg(long)]
    pub ip_quota: Option<i32>,
}

impl QuotaArgs {
    /// The quotas, if any is given.
    pub fn set(&self) -> Option<QuotaSet> {
        let quota = |n: Option<i32>| n.map(|n| Quota { used: None, quota: Some(n) });
        let set = QuotaSet {
            cluster: quota(self.cluster_quota),
            machine: quota(self.machine_quota),
            ip: quota(self.ip_quota),
            project: None,
        };
        (set != QuotaSet::default()).then_some(set)
    }
}

struct Projects;

impl Resource for Projects {
    type Model = Project;
    const NOUN: &'static str = "project";
    const ID: &'static [&'static str] = &["meta", "id"];

    async fn get(client: &Client, id: &str) -> Result<Project> {
        Ok(client.project().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<Project> {
        Ok(client.project().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<Project> {
        let mut project: Project = decode(document)?;
        // The version guards against lost updates, and the file has none that is worth anything.
        project.meta.version = client.project().get(&project.meta.id).await?.meta.version;
        Ok(client.project().update(&project).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<Project> {
        Ok(client.project().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Projects>(app).await,
            Self::Update(args) => crud::update::<Projects>(app, &args).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Projects>(app, &args.file).await,
            Self::Create(args) => {
                let project = Project {
                    meta: Meta {
                        labels: args.label,
                        annotations: pairs(&args.annotation)?,
                        ..Meta::default()
                    },
                    name: args.name.unwrap_or_default(),
                    description: args.description.unwrap_or_default(),
                    tenant_id: args.tenant.unwrap_or_default(),
                    quotas: args.quota.set(),
                };
                app.printer.one(&app.client()?.project().create(&project).await?)
            }
            Self::List(args) => {
                let request = ProjectFindRequest {
                    id: args.id,
                    name: args.name,
                    description: None,
                    tenant_id: args.tenant,
                };
                let fetch = async |client: &Client| Ok(client.project().find(&request).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}
