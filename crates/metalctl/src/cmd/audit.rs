//! `audit`: search the audit log.

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
use metal_model::v1::{AuditFindRequest, Time};
use metal_runtime::clock;

use crate::app::App;
use crate::arg::SortArgs;
use crate::print::parse_duration;
use crate::watch::{self, Feed};

/// What to do with the audit log.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show one trace
    #[command(visible_alias = "get")]
    Describe(DescribeArgs),
    /// List traces
    #[command(visible_alias = "ls")]
    List(Box<ListArgs>),
}

/// Which trace.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// Identifier of the request
    pub id: String,
    /// Phase of the request
    #[arg(long, default_value = "response")]
    pub phase: String,
    /// Indent the body, if it is JSON
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value = "true", require_equals = true)]
    pub prettify_body: bool,
}

/// Which traces.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Component
    #[arg(long)]
    pub component: Option<String>,
    /// HTTP method or kind of call
    #[arg(long)]
    pub detail: Option<String>,
    /// Part of the error
    #[arg(long)]
    pub error: Option<String>,
    /// Part of what proxies say where it came from
    #[arg(long)]
    pub forwarded_for: Option<String>,
    /// From this time on, or this long ago
    #[arg(long, default_value = "1h")]
    pub from: String,
    /// At most this many, 0 is no limit
    #[arg(long, default_value_t = 100)]
    pub limit: i64,
    /// Part of the path
    #[arg(long)]
    pub path: Option<String>,
    /// Phase of the request, empty is any
    #[arg(long, default_value = "response")]
    pub phase: String,
    /// Part of the body
    #[arg(short, long)]
    pub query: Option<String>,
    /// Part of the peer's address
    #[arg(long)]
    pub remote_addr: Option<String>,
    /// Identifier of the request
    #[arg(long)]
    pub request_id: Option<String>,
    /// HTTP status
    #[arg(long)]
    pub status_code: Option<i64>,
    /// Tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Until this time, or this long ago
    #[arg(long)]
    pub to: Option<String>,
    /// http, grpc or event
    #[arg(long)]
    pub r#type: Option<String>,
    /// User
    #[arg(long)]
    pub user: Option<String>,
    #[command(flatten)]
    pub sort: SortArgs,
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Describe(args) => describe(app, &args).await,
            Self::List(args) => {
                let request = args.request()?;
                let fetch = async |client: &metal_client::Client| Ok(client.audit(&request).await?);
                watch::list(app, &args.sort, Feed::Poll, &app.client()?, fetch).await
            }
        }
    }
}

impl ListArgs {
    fn request(&self) -> Result<AuditFindRequest> {
        Ok(AuditFindRequest {
            limit: Some(self.limit),
            from: Some(moment(&self.from, clock::now()).context("--from")?),
            to: self.to.as_deref().map(|to| moment(to, clock::now())).transpose().context("--to")?,
            component: self.component.clone(),
            rqid: self.request_id.clone(),
            kind: self.r#type.clone(),
            user: self.user.clone(),
            tenant: self.tenant.clone(),
            project: self.project.clone(),
            detail: self.detail.clone(),
            phase: Some(self.phase.clone()).filter(|p| !p.is_empty()),
            path: self.path.clone(),
            forwarded_for: self.forwarded_for.clone(),
            remote_addr: self.remote_addr.clone(),
            body: self.query.clone(),
            error: self.error.clone(),
            status_code: self.status_code,
        })
    }
}

/// A time, or the time a while ago.
fn moment(text: &str, now: Timestamp) -> Result<Time> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Time(at));
    }
    let ago = parse_duration(text)?;
    Ok(Time(now.checked_sub(ago).with_context(|| format!("{text} is too long ago"))?))
}

async fn describe(app: &App, args: &DescribeArgs) -> Result<()> {
    let phase = Some(args.phase.clone()).filter(|p| !p.is_empty());
    let request = AuditFindRequest { rqid: Some(args.id.clone()), phase, ..AuditFindRequest::default() };
    let mut traces = app.client()?.audit(&request).await?;
    if traces.is_empty() {
        anyhow::bail!("there is no trace of request {} in the last 24 hours", args.id);
    }
    let mut trace = traces.swap_remove(0);
    if args.prettify_body
        && let Ok(body) = serde_json::from_str::<serde_json::Value>(&trace.body)
    {
        trace.body = serde_json::to_string_pretty(&body)?;
    }
    app.printer.one(&trace)
}
