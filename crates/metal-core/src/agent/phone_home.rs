//! Passing on that machines run their installed system: at once if it is news, together with others if it repeats, and
//! after an outage if there was one.

use std::collections::BTreeSet;
use std::time::Duration;

use metal_proto::v1::PhoneHomeRequest;
use metal_runtime::{TaskTree, chain};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::access::{Endpoint, patiently};
use super::queue::{Queue, Urgency};
use crate::neighbor::PhoneHome;

/// Repeated calls wait this long for company.
const COMPANY: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Machines on wrong ports are logged once each, up to so many.
const MOST_LOGGED: usize = 256;

/// Passes calls on until cancelled.
pub(super) async fn run(
    shared: Shared,
    endpoint: Endpoint,
    calls: mpsc::Receiver<PhoneHome>,
    tree: TaskTree,
) {
    tokio::select! {
        () = tree.cancelled() => {}
        () = keep(&shared, endpoint, calls) => {}
    }
}

async fn keep(shared: &Shared, mut endpoint: Endpoint, mut calls: mpsc::Receiver<PhoneHome>) {
    let mut desired = shared.desired.subscribe();
    let (mut queue, mut logged) = (Queue::default(), BTreeSet::new());
    let mut pause = FIRST_PAUSE;
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            call = calls.recv() => match call {
                Some(call) => {
                    let machine = call.machine.clone();
                    let pause = match queue.hear(call) {
                        Urgency::New => Duration::ZERO,
                        Urgency::Repeated => COMPANY,
                    };
                    let at = Instant::now() + pause;
                    due = Some(due.map_or(at, |due| due.min(at)));
                    note_misplaced(shared, &queue, &machine, &mut logged);
                    continue;
                }
                None => return std::future::pending().await,
            },
            Ok(()) = desired.changed() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        due = None;
        let machines = desired.borrow().as_ref().map(|desired| queue.expected(desired)).unwrap_or_default();
        if machines.is_empty() {
            continue;
        }
        match send(shared, &mut endpoint, machines.clone()).await {
            Ok(()) => {
                queue.passed(&machines);
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                shared.metrics.failed("send-provisioning");
                tracing::debug!(error, machines = machines.len(), "phone-homes wait");
                due = Some(Instant::now() + pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn note_misplaced(shared: &Shared, queue: &Queue, machine: &str, logged: &mut BTreeSet<String>) {
    let is_misplaced =
        shared.desired.borrow().as_ref().is_some_and(|desired| queue.is_misplaced(machine, desired));
    if is_misplaced {
        shared.metrics.phone_home_misplaced();
        if logged.len() < MOST_LOGGED && logged.insert(machine.to_owned()) {
            tracing::warn!(machine = ?machine, "a machine phones home where it is not expected");
        }
    }
}

async fn send(shared: &Shared, endpoint: &mut Endpoint, machines: Vec<String>) -> Result<(), String> {
    let count = u64::try_from(machines.len()).unwrap_or(u64::MAX);
    let request = PhoneHomeRequest { id: shared.config.hostname.to_string(), machines };
    let mut client = endpoint.switch().await;
    let answer = patiently(client.phone_home(request)).await.map_err(|status| chain(&status))?.into_inner();
    shared.metrics.phone_homes_sent(count);
    if !answer.refused.is_empty() {
        tracing::debug!(refused = ?answer.refused, "phone-homes refused");
    }
    Ok(())
}
