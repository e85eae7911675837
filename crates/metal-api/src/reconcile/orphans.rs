//! Looks for what outlived its owner. Leftovers that mean nothing are removed; anything that could be handed out and is
//! held by nobody is a fault of ours, which is told and left for a person to look at.

use std::time::Duration;

use metal_plan::{Env, Tx, reconcile};
use serde_json::json;

use super::{Activation, Reconciler, Summary, failed};
use crate::app::App;

/// Documents of one transaction.
const LIMIT: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct OrphanDetection;

impl Reconciler for OrphanDetection {
    fn name(&self) -> &'static str {
        "orphans"
    }

    fn description(&self) -> &'static str {
        "finds addresses, numbers and records whose owner is gone"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10 * 60)
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let caller = app.system_caller();
            let mut swept = 0;
            let found = loop {
                let found = reconcile::orphans(&app.store.snapshot().state);
                if found.bmcs.is_empty() && found.switch_statuses.is_empty() {
                    break found;
                }
                let decide = |tx: &mut Tx, _: &mut Env| Ok(reconcile::sweep(tx, LIMIT));
                let now = app
                    .transact("sweep orphans", &caller, decide)
                    .await
                    .map_err(failed("remove leftovers"))?;
                swept += now.value;
                if now.value == 0 {
                    break found;
                }
            };
            let faults = found.ips.len() + found.asns.len() + found.vrfs.len() + found.connections.len();
            if faults > 0 {
                tracing::error!(
                    ips = ?found.ips,
                    asns = ?found.asns,
                    vrfs = ?found.vrfs,
                    connections = ?found.connections,
                    "resources are held by nobody"
                );
            }
            Ok(Summary::new(
                format!("{faults} held by nobody, {swept} leftovers removed"),
                json!({
                    "ips": found.ips,
                    "asns": found.asns,
                    "vrfs": found.vrfs,
                    "connections": found.connections,
                    "event_logs": found.event_logs.len(),
                    "swept": swept,
                }),
            ))
        })
    }
}
