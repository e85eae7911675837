//! `mini-lab probe`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use metal_client::Client;

use super::{Options, Outcome, run, text, watch};
use crate::fabric::topology::Topology;
use crate::say;

/// What to probe, and how to tell.
#[derive(Args, Clone, Debug, Default)]
pub struct Probe {
    /// Leave out forged sources and foreign announcements.
    #[arg(long)]
    pub gentle: bool,
    /// Repeat the gentle part for so many seconds and tell each finding at once.
    #[arg(long, value_name = "SECONDS")]
    pub continuous: Option<u64>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Probes and tells. Answers whether nothing is wrong, which is what the exit code shall say. An interrupt ends it after
/// what was changed in machines is undone.
pub async fn command(
    client: &Client,
    nodes: &BTreeMap<String, u32>,
    topology: &Topology,
    probe: &Probe,
) -> anyhow::Result<bool> {
    let outcome = tokio::select! {
        outcome = chosen(client, nodes, topology, probe) => outcome?,
        signal = tokio::signal::ctrl_c() => {
            signal.context("wait for an interrupt")?;
            bail!("interrupted; what was changed in machines is undone")
        }
    };
    if probe.json {
        say(&serde_json::to_string_pretty(&outcome)?);
    } else {
        say(&text::print(&outcome));
    }
    Ok(outcome.is_clean())
}

async fn chosen(
    client: &Client,
    nodes: &BTreeMap<String, u32>,
    topology: &Topology,
    probe: &Probe,
) -> anyhow::Result<Outcome> {
    let tell_nothing = probe.json;
    if let Some(seconds) = probe.continuous {
        let tell = |finding: &super::Finding| {
            if !tell_nothing {
                say(&text::progress(finding));
            }
        };
        return watch(client, nodes, topology, Duration::from_secs(seconds), tell).await;
    }
    let options = if probe.gentle { Options::gentle() } else { Options::default() };
    let options = if probe.json { options } else { Options { tell: tell_part, ..options } };
    run(client, nodes, topology, &options).await
}

fn tell_part(part: &str) {
    eprintln!("mini-lab: {part}");
}
