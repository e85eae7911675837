//! From what is wished, what the file says and which ports there are, to what the engine shall do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metal_netconf::name::PortName;
use metal_runtime::TaskTree;

use super::Shared;
use super::ports::PortMap;
use crate::classify::classify;
use crate::config::{Config, Role};
use crate::desired::Desired;
use crate::reconcile::Wanted;

/// Keeps what is wanted current until cancelled.
pub(super) async fn run(shared: Shared, tree: TaskTree) {
    let (mut ports, mut desired) = (shared.ports.subscribe(), shared.desired.subscribe());
    loop {
        let now = wanted(
            &shared.config,
            ports.borrow_and_update().as_deref(),
            desired.borrow_and_update().as_deref(),
        );
        let now = now.map(Arc::new);
        shared.wanted.send_if_modified(|known| {
            let is_new = *known != now;
            if is_new {
                *known = now;
            }
            is_new
        });
        let changed = tokio::select! {
            () = tree.cancelled() => return,
            changed = ports.changed() => changed,
            changed = desired.changed() => changed,
        };
        if changed.is_err() {
            return tree.cancelled().await;
        }
    }
}

/// What shall be; nothing as long as too little is known to touch anything.
#[must_use]
pub(crate) fn wanted(config: &Config, ports: Option<&PortMap>, desired: Option<&Desired>) -> Option<Wanted> {
    let ports = ports?;
    if config.role != Role::Leaf {
        let intent = Arc::new(config.base.clone());
        return Some(Wanted { generation: 0, stream: 0, intent, faults: BTreeMap::new() });
    }
    let desired = desired?;
    let known: BTreeSet<PortName> = ports.keys().cloned().collect();
    let classified = classify(&config.base, &known, desired);
    Some(Wanted {
        generation: desired.generation,
        stream: desired.stream,
        intent: Arc::new(classified.intent),
        faults: classified.faults,
    })
}
