//! Following what the control plane wishes, and keeping the last wish for times without it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metal_proto::v1::DesiredRequest;
use metal_runtime::{TaskTree, chain};
use tokio::time::sleep;
use tonic::{Code, Status};

use super::Shared;
use super::access::{Endpoint, patiently};
use crate::config::Config;
use crate::desired::{self, Desired};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where the last wish is kept.
pub(super) fn file(config: &Config) -> PathBuf {
    config.state_dir.join("desired.json")
}

/// Follows the stream, again and again, until cancelled.
pub(super) async fn run(shared: Shared, mut endpoint: Endpoint, tree: TaskTree) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut has_heard = false;
        let ended = tokio::select! {
            () = tree.cancelled() => return,
            ended = follow(&shared, &mut endpoint, &mut has_heard) => ended,
        };
        if has_heard {
            pause = FIRST_PAUSE;
        }
        if let Some(status) = ended {
            tracing::debug!(error = chain(&status), "stream of wishes ended");
            shared.metrics.failed("desired-stream");
            if status.code() == Code::NotFound {
                shared.is_registered.send_replace(false);
            }
        }
        tokio::select! {
            () = tree.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Lives on one stream; answers why it ended.
async fn follow(shared: &Shared, endpoint: &mut Endpoint, has_heard: &mut bool) -> Option<Status> {
    // A switch that is not known has no wishes to be told.
    if shared.is_registered.subscribe().wait_for(|is_registered| *is_registered).await.is_err() {
        return std::future::pending().await;
    }
    let mut client = endpoint.switch().await;
    // The control plane may have been restored since: its generations say nothing, the configuration is small.
    let request = DesiredRequest { id: shared.config.hostname.to_string(), after: 0 };
    let mut stream = match patiently(client.desired(request)).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Some(status),
    };
    let number = shared.stream.fetch_add(1, Ordering::SeqCst) + 1;
    tracing::info!("following the control plane's wishes");
    loop {
        let message = tokio::select! {
            message = stream.message() => message,
            () = endpoint.changed() => return None,
        };
        match message {
            Ok(Some(heard)) => {
                *has_heard = true;
                take(shared, Desired::heard(number, heard));
            }
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}

fn take(shared: &Shared, heard: Desired) {
    tracing::info!(generation = heard.generation, ports = heard.ports.len(), "wishes heard");
    let is_known = shared.desired.borrow().as_ref().is_some_and(|known| known.ports == heard.ports);
    if !is_known && let Err(error) = desired::write(&file(&shared.config), &heard) {
        // It is in effect all the same; only a restart without the control plane would not know it.
        shared.metrics.failed("keep-desired");
        tracing::warn!(error = chain(&error), "wishes not kept");
    }
    shared.desired.send_replace(Some(Arc::new(heard)));
}
