//! `machine issues`: which machines have problems, and which problems there are.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{MachineFindRequest, MachineIssue, MachineIssuesRequest};
use serde_json::json;

use crate::app::App;
use crate::arg::SortArgs;
use crate::cmd::machine::Filter;
use crate::document;
use crate::print::{IssueRow, parse_duration};
use crate::watch::{self, Feed};

/// Which machines and problems.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct IssuesArgs {
    /// One machine instead of all that meet the criteria
    pub id: Option<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Only these problems
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not these problems
    #[arg(long, value_delimiter = ',')]
    pub omit: Vec<String>,
    /// At least this severity: minor, major or critical
    #[arg(long, default_value = "")]
    pub severity: String,
    #[command(subcommand)]
    pub command: Option<IssuesCommand>,
}

/// What else to ask.
#[derive(Debug, clap::Subcommand)]
pub enum IssuesCommand {
    /// List the kinds of problems
    #[command(visible_alias = "ls")]
    List(SortArgs),
}

impl IssuesArgs {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let client = app.client()?;
        if let Some(IssuesCommand::List(sort)) = &self.command {
            let fetch = async |client: &Client| Ok(client.machine().issue_kinds().await?);
            return watch::list(app, sort, Feed::Poll, &client, fetch).await;
        }
        let request = self.request()?;
        let fetch = async |client: &Client| rows(client, &request, self.id.as_deref()).await;
        watch::list(app, &self.filter.sort, Feed::Machine, &client, fetch).await
    }

    fn request(&self) -> Result<MachineIssuesRequest> {
        let threshold = parse_duration(&self.filter.last_event_error_threshold)?;
        let mut find = self.filter.request();
        if self.id.is_some() {
            find.id.clone_from(&self.id);
        }
        let mut request: MachineIssuesRequest = document::decode(serde_json::to_value(&find)?)?;
        request.only.clone_from(&self.only);
        request.omit.clone_from(&self.omit);
        request.severity.clone_from(&self.severity);
        request.last_error_threshold = i64::try_from(threshold.as_nanos()).unwrap_or(i64::MAX);
        Ok(request)
    }
}

/// The machines with problems, in the order the server names them.
async fn rows(client: &Client, request: &MachineIssuesRequest, id: Option<&str>) -> Result<Vec<IssueRow>> {
    let kinds: BTreeMap<String, MachineIssue> =
        client.machine().issue_kinds().await?.into_iter().map(|k| (k.id.clone(), k)).collect();
    let found = client.machine().issues(request).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let machines = match id {
        Some(id) => vec![client.machine().ipmi(id).await?],
        None => {
            let find: MachineFindRequest = document::decode(serde_json::to_value(request)?)?;
            client.machine().find_ipmi(&find).await?
        }
    };
    let mut machines: BTreeMap<String, _> = machines.into_iter().map(|m| (m.id.clone(), m)).collect();
    let unknown =
        |id: &str| -> Result<MachineIssue> { document::decode(json!({ "id": id, "description": id })) };
    let mut rows = Vec::new();
    for problem in found {
        // A machine that vanished between the two questions has no problems any more.
        let Some(machine) = machines.remove(&problem.machineid) else { continue };
        let mut issues = Vec::new();
        for id in &problem.issues {
            issues.push(match kinds.get(id) {
                Some(kind) => kind.clone(),
                None => unknown(id)?,
            });
        }
        rows.push(IssueRow { machine, issues });
    }
    Ok(rows)
}
