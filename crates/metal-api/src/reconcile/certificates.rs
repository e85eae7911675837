//! Forgets join tokens and boots that cannot be used any more.

use std::time::Duration;

use metal_plan::{Env, Tx};
use serde_json::json;

use super::{Activation, Reconciler, Summary, failed};
use crate::app::App;
use crate::pki;

/// See the module.
#[derive(Debug)]
pub struct Certificates;

impl Reconciler for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn description(&self) -> &'static str {
        "forgets used and expired join tokens, and boots whose certificate has ended"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10 * 60)
    }

    fn activate<'a>(&'a self, app: &'a App) -> Activation<'a> {
        Box::pin(async move {
            let caller = app.system_caller();
            let mut forgotten = pki::Forgotten::default();
            loop {
                let snapshot = app.store.snapshot();
                let preview = pki::forget(&mut Tx::new(&snapshot.state), &app.env(&caller));
                drop(snapshot);
                if preview == pki::Forgotten::default() {
                    break;
                }
                let decide = |tx: &mut Tx, env: &mut Env| Ok(pki::forget(tx, env));
                let now =
                    app.transact("forget tokens", &caller, decide).await.map_err(failed("forget tokens"))?;
                forgotten.tokens += now.value.tokens;
                forgotten.boots += now.value.boots;
            }
            let pki::Forgotten { tokens, boots } = forgotten;
            Ok(Summary::new(
                format!("{tokens} tokens and {boots} boots forgotten"),
                json!({"tokens": tokens, "boots": boots}),
            ))
        })
    }
}
