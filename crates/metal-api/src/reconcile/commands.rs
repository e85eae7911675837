//! Drops commands for BMCs that nobody took in time: a reset that arrives an hour late may hit the next owner.

use std::time::Duration;

use metal_plan::{Env, Tx, command};
use serde_json::json;

use super::{Activation, Reconciler, Summary, failed};
use crate::app::App;

/// Documents of one transaction.
const LIMIT: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct StaleCommands;

impl Reconciler for StaleCommands {
    fn name(&self) -> &'static str {
        "commands"
    }

    fn description(&self) -> &'static str {
        "drops commands for BMCs that no partition took in time"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let caller = app.system_caller();
            let mut dropped = Vec::new();
            loop {
                let now = app.clock.now();
                let is_late =
                    app.store.snapshot().state.bmc_commands.iter().any(|given| command::is_late(given, now));
                if !is_late {
                    break;
                }
                let decide = |tx: &mut Tx, env: &mut Env| Ok(command::expire(tx, env, LIMIT));
                let late =
                    app.transact("drop commands", &caller, decide).await.map_err(failed("drop commands"))?;
                if late.value.is_empty() {
                    break;
                }
                dropped.extend(late.value);
            }
            let told: Vec<_> = dropped
                .iter()
                .map(|command| {
                    let (machine, partition) = (command.machine.as_str(), command.partition.as_str());
                    let (text, sequence) = (command.command.wire(), command.sequence);
                    let reason = "no agent of the partition acknowledged it in time";
                    tracing::warn!(machine, partition, command = text, sequence, reason, "command dropped");
                    json!({"machine": machine, "partition": partition, "command": text, "reason": reason})
                })
                .collect();
            let waiting = app.store.snapshot().state.bmc_commands.len();
            Ok(Summary::new(
                format!("{} dropped, {waiting} waiting", dropped.len()),
                json!({"dropped": told, "waiting": waiting}),
            ))
        })
    }
}
