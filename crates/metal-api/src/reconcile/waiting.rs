//! Finds machines whose record says that they wait although nobody holds their stream: the server was killed, or could
//! not write when the stream broke. A machine that is still there has parked again long before this task believes it.
//!
//! Only where one process has the store to itself; among replicas nobody knows all streams, and liveliness alone keeps
//! lost machines from being handed out.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metal_model::id::MachineId;
use metal_plan::{Env, Tx, registration};
use serde_json::json;

use super::{Activation, Reconciler, Scope, Summary, failed, is_alone};
use crate::app::App;

/// Documents of one transaction.
const LIMIT: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub struct StaleWaiting {
    /// Found without a stream last time; what is found twice in a row is stale.
    suspects: Mutex<HashSet<MachineId>>,
}

impl Reconciler for StaleWaiting {
    fn name(&self) -> &'static str {
        "waiting"
    }

    fn description(&self) -> &'static str {
        "finds machines that no longer wait for an allocation although their record says so"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn scope(&self) -> Scope {
        Scope::Replica
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            if !is_alone(app) {
                return Ok(Summary::new("left to liveliness", json!({})));
            }
            let stale = self.stale(app);
            for chunk in stale.chunks(LIMIT) {
                let (chunk, waits) = (chunk.to_vec(), app.agents.waits.clone());
                let decide = move |tx: &mut Tx, _: &mut Env| {
                    for machine in &chunk {
                        if tx.state().machines.contains(machine.as_str()) && !waits.holds(machine.as_str()) {
                            registration::set_waiting(tx, machine.as_str(), false)?;
                        }
                    }
                    Ok(())
                };
                let caller = app.system_caller();
                app.transact("stale waiting", &caller, decide).await.map_err(failed("end stale waiting"))?;
            }
            for machine in &stale {
                tracing::warn!(machine = machine.as_str(), "machine does not wait any more");
            }
            Ok(Summary::new(
                format!("{} no longer wait", stale.len()),
                json!({"stale": stale, "parked": app.agents.waits.len()}),
            ))
        })
    }
}

impl StaleWaiting {
    fn stale(&self, app: &App) -> Vec<MachineId> {
        let snapshot = app.store.snapshot();
        let lost: HashSet<MachineId> = snapshot
            .state
            .machines
            .iter()
            .filter(|machine| machine.waiting && !app.agents.waits.holds(machine.id.as_str()))
            .map(|machine| machine.id.clone())
            .collect();
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stale: Vec<MachineId> = lost.intersection(&suspects).cloned().collect();
        *suspects = lost;
        stale.sort_unstable();
        stale
    }
}
