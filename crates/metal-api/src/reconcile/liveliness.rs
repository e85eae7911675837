//! Judges machines by their silence.

use std::time::Duration;

use metal_plan::event::{self, Judged};
use metal_plan::{Env, Tx};
use serde_json::json;

use super::{Activation, ReconcileError, Reconciler, Summary, failed};
use crate::app::App;
use crate::coalesce;

/// Documents of one transaction: what etcd takes at once, with room.
const LIMIT: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct LivelinessTask;

impl Reconciler for LivelinessTask {
    fn name(&self) -> &'static str {
        "liveliness"
    }

    fn description(&self) -> &'static str {
        "finds machines that have fallen silent"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let mut changed = 0;
            let judged = loop {
                let judged = judge(app).await?;
                changed += judged.changed;
                if !judged.is_partial {
                    break judged;
                }
            };
            let Judged { alive, dead, unknown, .. } = judged;
            Ok(Summary::new(
                format!("{alive} alive, {dead} dead, {unknown} unknown"),
                json!({"alive": alive, "dead": dead, "unknown": unknown, "changed": changed}),
            ))
        })
    }
}

/// A machine whose sign of life is still pending is not silent. The scan runs on a snapshot first, because hardly ever
/// anything changes.
async fn judge(app: &App) -> Result<Judged, ReconcileError> {
    coalesce::flush(app, true).await.map_err(failed("write signs of life"))?;
    let caller = app.system_caller();
    let snapshot = app.store.snapshot();
    let preview = event::liveliness(&mut Tx::new(&snapshot.state), &app.env(&caller), LIMIT);
    drop(snapshot);
    if preview.changed == 0 {
        return Ok(preview);
    }
    let decide = |tx: &mut Tx, env: &mut Env| Ok(event::liveliness(tx, env, LIMIT));
    Ok(app.transact("liveliness", &caller, decide).await.map_err(failed("judge machines"))?.value)
}
