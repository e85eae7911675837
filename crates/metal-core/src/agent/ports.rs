//! Looking at the device: whether it is ready, its ports, and whether FRR was restarted.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use metal_netconf::name::PortName;
use metal_runtime::{TaskTree, chain};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Shared;
use crate::driver::Port;
use crate::neighbor;

/// Ports by name.
pub type PortMap = BTreeMap<PortName, Port>;

/// Between looks at a device that has not finished starting.
const STARTING: Duration = Duration::from_secs(1);

/// Sockets FRR's daemons make anew when they start.
const FRR_SOCKETS: [&str; 2] = ["/run/frr/zebra.vty", "/run/frr/bgpd.vty"];

/// Keeps the ports current until cancelled.
pub(super) async fn run(shared: Shared, tree: TaskTree) {
    tokio::select! {
        () = tree.cancelled() => {}
        () = watch(&shared) => {}
    }
}

async fn watch(shared: &Shared) {
    wait_until_ready(shared).await;
    let mut tick = interval(shared.config.intervals.ports);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut frr, mut has_failed) = (frr_started(), false);
    loop {
        tick.tick().await;
        match shared.device.ports().await {
            Ok(ports) => {
                has_failed = false;
                let ports = Some(Arc::new(ports));
                let changed = shared.ports.send_if_modified(|known| {
                    let is_new = *known != ports;
                    if is_new {
                        known.clone_from(&ports);
                    }
                    is_new
                });
                if changed {
                    shared.wake.notify_one();
                }
            }
            Err(error) if !has_failed => {
                has_failed = true;
                shared.metrics.failed("read-ports");
                tracing::warn!(error = chain(&error), "ports not read");
            }
            Err(_) => shared.metrics.failed("read-ports"),
        }
        let now = frr_started();
        if now != frr {
            frr = now;
            tracing::info!("FRR was restarted");
            shared.wake.notify_one();
        }
    }
}

async fn wait_until_ready(shared: &Shared) {
    let mut was_told = false;
    loop {
        let error = match shared.device.is_ready().await {
            Ok(true) => return,
            Ok(false) => None,
            Err(error) => Some(chain(&error)),
        };
        if !was_told {
            was_told = true;
            tracing::info!(error, "waiting for the device to be ready");
        }
        sleep(STARTING).await;
    }
}

/// Changes when a daemon of FRR is started.
fn frr_started() -> [Option<(u64, i64)>; 2] {
    FRR_SOCKETS.map(|path| std::fs::metadata(path).ok().map(|found| (found.ino(), found.ctime_nsec())))
}

/// Tells who announces us which ports there are.
pub(super) async fn follow(
    shared: Shared,
    told: watch::Sender<neighbor::Ports>,
    // Kept so that the other side knows that it is still served.
    _identity: watch::Sender<neighbor::Identity>,
    tree: TaskTree,
) {
    let mut ports = shared.ports.subscribe();
    loop {
        if let Some(ports) = ports.borrow_and_update().as_ref() {
            let named = ports.iter().map(|(name, port)| (name.to_string(), port.identifier.clone()));
            let named: neighbor::Ports = named.collect();
            told.send_if_modified(|known| {
                let is_new = *known != named;
                if is_new {
                    *known = named;
                }
                is_new
            });
        }
        tokio::select! {
            () = tree.cancelled() => return,
            changed = ports.changed() => if changed.is_err() { return tree.cancelled().await },
        }
    }
}
