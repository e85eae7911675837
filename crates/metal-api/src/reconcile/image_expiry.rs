//! Removes images that have expired and that no machine uses.

use std::time::Duration;

use metal_plan::{Env, Tx, image};
use serde_json::json;

use super::{Activation, Reconciler, Summary, failed};
use crate::app::App;

/// See the module.
#[derive(Debug)]
pub struct ImageExpiry;

impl Reconciler for ImageExpiry {
    fn name(&self) -> &'static str {
        "image-expiry"
    }

    fn description(&self) -> &'static str {
        "removes images that have expired and are not used"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60 * 60)
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["image"]
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let caller = app.system_caller();
            let decide = |tx: &mut Tx, env: &mut Env| Ok(image::expire(tx, env));
            let removed =
                app.transact("expire images", &caller, decide).await.map_err(failed("expire images"))?;
            let removed = removed.value;
            if !removed.is_empty() {
                tracing::info!(images = ?removed, "expired images removed");
            }
            Ok(Summary::new(format!("{} removed", removed.len()), json!({"removed": removed})))
        })
    }
}
