//! Makes free machines boot again that are dead for an hour, or still run their last tenant's system.

use std::time::Duration;

use metal_plan::{Env, Tx, reconcile};
use serde_json::json;

use super::{Activation, Reconciler, Summary, failed};
use crate::app::App;
use crate::coalesce;

/// Machines of one transaction: freeing one may touch dozens of documents.
const LIMIT: usize = 3;

/// Machines of one activation; a power cut must not become an avalanche of resets.
const MOST: usize = 300;

/// See the module.
#[derive(Debug)]
pub struct Resurrection;

impl Reconciler for Resurrection {
    fn name(&self) -> &'static str {
        "resurrection"
    }

    fn description(&self) -> &'static str {
        "makes free machines boot again that are dead or did not leave their last system"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5 * 60)
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            coalesce::flush(app, true).await.map_err(failed("write signs of life"))?;
            let caller = app.system_caller();
            let (mut done, mut refused) = (0, Vec::new());
            while done + refused.len() < MOST {
                let snapshot = app.store.snapshot();
                let lost = reconcile::resurrectable(&snapshot.state, &app.env(&caller)).len();
                drop(snapshot);
                if lost <= refused.len() {
                    break;
                }
                // Those that cannot be freed stay first in line.
                let limit = refused.len() + LIMIT;
                let decide = move |tx: &mut Tx, env: &mut Env| Ok(reconcile::resurrect(tx, env, limit));
                let now =
                    app.transact("resurrect", &caller, decide).await.map_err(failed("free lost machines"))?;
                for machine in &now.value.machines {
                    tracing::warn!(machine = machine.as_str(), "machine was lost, booting it again");
                }
                if now.value.machines.is_empty() && now.value.failed.len() <= refused.len() {
                    break;
                }
                done += now.value.machines.len();
                refused = now.value.failed;
            }
            for (machine, error) in &refused {
                let error = metal_runtime::chain(error);
                tracing::warn!(machine = machine.as_str(), error, "lost machine cannot be booted again");
            }
            let failed: Vec<_> = refused
                .iter()
                .map(|(machine, why)| json!({"machine": machine, "why": why.message}))
                .collect();
            Ok(Summary::new(
                format!("{done} booted again, {} cannot be", refused.len()),
                json!({"resurrected": done, "failed": failed}),
            ))
        })
    }
}
