//! Waits for an allocated machine until its operating system has phoned home, and shows how far it is.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use metal_client::{Client, Watch};
use metal_model::v1::MachineResponse;
use metal_runtime::clock;

use crate::arg::WaitArgs;
use crate::print::{go_duration, parse_duration};

/// The event that ends the waiting.
const DONE: &str = "Phoned Home";
/// Longest time between two looks, also where changes are streamed.
const LOOK: Duration = Duration::from_secs(2);

/// Waits for a machine.
pub async fn phoned_home(
    client: &Client,
    machine: MachineResponse,
    args: &WaitArgs,
) -> Result<MachineResponse> {
    let limit: Duration =
        parse_duration(&args.wait_timeout)?.try_into().context("--wait-timeout is negative")?;
    let start = clock::monotonic();
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {elapsed} {prefix} {msg}").expect("the style is constant"),
    );
    bar.set_prefix(machine.id.clone());
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut stream = client.machine().watch(None).await.ok();
    let mut machine = machine;
    let mut shown = String::new();
    loop {
        let stage = stage(&machine)?;
        if stage != shown {
            if bar.is_hidden() {
                eprintln!("{} {stage}", machine.id);
            }
            bar.set_message(stage.clone());
            shown = stage;
        }
        if is_done(&machine) {
            bar.finish_and_clear();
            let took = jiff::SignedDuration::try_from(start.elapsed()).unwrap_or_default();
            eprintln!("{} has phoned home after {}", machine.id, go_duration(took));
            return Ok(machine);
        }
        let Some(left) = limit.checked_sub(start.elapsed()) else {
            bar.finish_and_clear();
            bail!(
                "machine {id} has not phoned home within {}; it is at {shown:?}; see: metalctl machine logs {id}",
                args.wait_timeout,
                id = machine.id
            );
        };
        changed(&mut stream, &machine.id, LOOK.min(left)).await;
        // A look that fails is repeated: servers restart, and the machine does not care.
        match client.machine().get(&machine.id).await {
            Ok(now) => machine = now,
            Err(error) if error.is_not_found() => return Err(error.into()),
            Err(error) => bar.set_message(format!("{shown} ({error})")),
        }
    }
}

/// Waits for a change of the machine, or for some time.
async fn changed(stream: &mut Option<Watch<MachineResponse>>, id: &str, at_most: Duration) {
    let follow = async {
        let Some(watch) = stream else { return std::future::pending::<()>().await };
        while let Some(Ok(event)) = watch.next().await {
            if event.id == id {
                return;
            }
        }
        *stream = None;
        std::future::pending::<()>().await;
    };
    let _ = tokio::time::timeout(at_most, follow).await;
}

/// Whether the newest event is the one that is waited for, and belongs to this allocation.
fn is_done(machine: &MachineResponse) -> bool {
    let Some(allocation) = &machine.allocation else { return false };
    machine
        .events
        .log
        .first()
        .is_some_and(|event| event.event == DONE && event.time.is_none_or(|at| at >= allocation.created))
}

fn stage(machine: &MachineResponse) -> Result<String> {
    if machine.allocation.is_none() {
        bail!("machine {} is not allocated any more", machine.id);
    }
    let event = machine.events.log.first();
    let name = event.map_or("waiting for the machine", |e| e.event.as_str());
    let message = event.map(|e| e.message.as_str()).filter(|m| !m.is_empty());
    let trouble = if machine.events.crash_loop { " (it keeps starting over)" } else { "" };
    Ok(match message {
        Some(message) => format!("{name}: {message}{trouble}"),
        None => format!("{name}{trouble}"),
    })
}
