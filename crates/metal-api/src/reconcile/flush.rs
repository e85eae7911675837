//! Writes pending signs of life at a bounded rate.

use std::time::Duration;

use serde_json::json;

use super::{Activation, Reconciler, Scope, Summary, failed};
use crate::app::App;
use crate::coalesce;

/// See the module.
#[derive(Debug)]
pub struct Flush;

impl Reconciler for Flush {
    fn name(&self) -> &'static str {
        "flush"
    }

    fn description(&self) -> &'static str {
        "writes the signs of life that machines and switches gave"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn scope(&self) -> Scope {
        Scope::Replica
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let written = coalesce::flush(app, false).await.map_err(failed("write signs of life"))?;
            let pending = app.agents.touches.len();
            Ok(Summary::new(
                format!("{written} written, {pending} pending"),
                json!({"written": written, "pending": pending, "absorbed": app.agents.touches.absorbed()}),
            ))
        })
    }
}
