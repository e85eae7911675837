//! Commands about the service itself: health, version, tasks, VPN keys.

use anyhow::{Context, Result, bail};
use clap::Args;
use metal_model::v1::VpnRequest;
use serde_json::json;

use crate::app::App;
use crate::arg::SortArgs;
use crate::print::{ServiceRow, TaskRow};
use crate::watch::{self, Feed};

/// What to do with background tasks.
#[derive(Debug, clap::Subcommand)]
pub enum TaskCommand {
    /// List them and what they did last
    #[command(visible_alias = "ls")]
    List(SortArgs),
}

impl TaskCommand {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let Self::List(args) = self;
        let fetch = async |client: &metal_client::Client| {
            Ok(client.tasks().await?.into_iter().map(TaskRow).collect::<Vec<_>>())
        };
        watch::list(app, &args, Feed::Poll, &app.client()?, fetch).await
    }
}

/// What to do with the VPN.
#[derive(Debug, clap::Subcommand)]
pub enum VpnCommand {
    /// Make a key to join with
    Key(VpnArgs),
}

/// Which key.
#[derive(Debug, Args)]
pub struct VpnArgs {
    /// Project
    #[arg(long)]
    pub project: String,
    /// Forget the member when it leaves
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value = "true", require_equals = true)]
    pub ephemeral: bool,
    /// Why the key is needed
    #[arg(long, default_value = "")]
    pub reason: String,
}

impl VpnCommand {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let Self::Key(args) = self;
        let request = VpnRequest {
            pid: args.project,
            ephemeral: args.ephemeral,
            expiration: None,
            reason: args.reason,
        };
        app.printer.value(&app.client()?.vpn_key(&request).await?)
    }
}

/// What to do about newer versions.
#[derive(Debug, clap::Subcommand)]
pub enum UpdateCommand {
    /// Tell whether this program fits the server
    Check,
    /// Install the version that fits the server
    Do(UpdateArgs),
}

/// Which version.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Version instead of the server's
    #[arg(id = "wanted", short = 'v', long = "version")]
    pub wanted: Option<String>,
}

impl UpdateCommand {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        let server = app.anonymous()?.version().await?;
        let ours = env!("CARGO_PKG_VERSION");
        match self {
            Self::Check => app.printer.value(&json!({
                "client": ours,
                "server": server.version,
                "oldest_client_allowed": server.min_client_version,
                "fits": !is_older(ours, &server.min_client_version),
            })),
            Self::Do(args) => bail!(
                "this program cannot replace itself: no download of metalctl {} with a signature to check is known. \
                 It comes with the server; install it from the same package or build it with: cargo build --release -p metalctl",
                args.wanted.unwrap_or(server.version)
            ),
        }
    }
}

/// Whether a version is older than another. What is no version is as old as any.
pub fn is_older(version: &str, than: &str) -> bool {
    let parts = |text: &str| -> Option<Vec<u64>> {
        let text = text.trim().trim_start_matches('v');
        text.split(['-', '+']).next()?.split('.').map(|p| p.parse().ok()).collect()
    };
    matches!((parts(version), parts(than)), (Some(a), Some(b)) if a < b)
}

/// Prints versions.
pub async fn version(app: &App) -> Result<()> {
    let ours = json!({ "name": "metalctl", "version": env!("CARGO_PKG_VERSION") });
    match app.anonymous()?.version().await {
        Ok(server) => app.printer.value(&json!({ "client": ours, "server": server })),
        Err(error) => {
            app.printer.value(&json!({ "client": ours }))?;
            Err(error).context("read the version of the server")
        }
    }
}

/// Prints the health; fails if the service is not healthy.
pub async fn health(app: &App) -> Result<()> {
    let (works, health) = app.anonymous()?.health(None).await?;
    let rows = ServiceRow::all("metal-api", &health);
    if app.printer.is_table() {
        app.printer.list(&rows, &[])?;
    } else {
        app.printer.value(&health)?;
    }
    if !works {
        bail!("the service is {}", health.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_older("0.1.0", "v0.10.0") && is_older("v1.2.3", "1.2.4"));
        assert!(!is_older("0.2.0", "v0.0.1") && !is_older("1.0.0", "") && !is_older("devel", "v1.0.0"));
    }
}
