//! Probing again and again while allocations change.

use std::collections::BTreeMap;
use std::time::Duration;

use metal_client::Client;
use tokio::time::Instant;

use super::Scene;
use super::outcome::{Finding, Outcome};
use crate::fabric::topology::Topology;

/// Repeats the gentle part for a time, tells each finding at once, and answers all of them.
///
/// A round that cannot be judged, because the API does not answer, is noted and not counted.
pub async fn watch(
    client: &Client,
    nodes: &BTreeMap<String, u32>,
    topology: &Topology,
    time: Duration,
    mut tell: impl FnMut(&Finding),
) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let end = began + time;
    let mut all = Outcome::default();
    loop {
        match round(client, nodes, topology).await {
            Ok(outcome) => {
                outcome.violations.iter().chain(&outcome.false_blocks).for_each(&mut tell);
                all.members = outcome.members;
                all.checks.extend(outcome.checks);
                all.violations.extend(outcome.violations);
                all.false_blocks.extend(outcome.false_blocks);
            }
            Err(error) => all.notes.push(format!("a round was not judged: {error:#}")),
        }
        if Instant::now() >= end {
            all.seconds = began.elapsed().as_secs_f64();
            return Ok(all);
        }
    }
}

async fn round(
    client: &Client,
    nodes: &BTreeMap<String, u32>,
    topology: &Topology,
) -> anyhow::Result<Outcome> {
    // Anew each time: tables of switches come and go.
    let mut scene = Scene::set(client, nodes, topology).await?;
    scene.try_plain().await?;
    Ok(scene.outcome)
}
