//! Random histories: wishes, failures at random calls, and deaths at random steps always end in exactly what is wanted.

use std::time::Duration;

use metal_netconf::intent::{PortClass, Switch};
use proptest::prelude::*;

use crate::device::port;
use crate::engine::Bench;

const PORTS: [&str; 5] = ["swp1", "swp2", "swp3", "swp4", "swp31"];

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// Ports shall be there: 0 cut off, 1 unprovisioned, others a tenant.
    Want([u32; 4]),
    /// After so many calls, so many fail.
    Fail(usize, usize),
    /// The agent dies after so many steps, wherever it is then.
    Die(usize),
    /// Time passes.
    Wait(u64),
}

fn place() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 3 => Just(1), 3 => Just(7), 3 => Just(8)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => [place(), place(), place(), place()].prop_map(Event::Want),
        3 => (0usize..8, 1usize..6).prop_map(|(after, times)| Event::Fail(after, times)),
        2 => (0usize..5).prop_map(Event::Die),
        3 => (0u64..40_000).prop_map(Event::Wait),
    ]
}

fn intent(bench: &Bench, places: [u32; 4]) -> Switch {
    let ports: Vec<(&str, u32)> = PORTS.into_iter().zip(places).collect();
    bench.intent(&ports)
}

/// Ports that are in a tenant's table in which they are not wanted.
fn strays(bench: &Bench, intent: &Switch) -> Vec<String> {
    let wanted = crate::device::slots(intent);
    let state = bench.device.lock();
    let slots = state.slots.iter();
    let is_stray = |name: &metal_netconf::name::PortName, class: PortClass| {
        matches!(class, PortClass::Tenant(_)) && wanted.get(name).is_none_or(|slot| slot.class != class)
    };
    slots.filter(|(name, slot)| is_stray(name, slot.class)).map(|(name, _)| name.to_string()).collect()
}

async fn history(events: Vec<Event>) {
    let mut bench = Bench::new(&PORTS);
    let mut last = intent(&bench, [1; 4]);
    let mut generation = bench.want(last.clone());
    bench.until_applied(generation).await;
    for event in events {
        match event {
            Event::Want(places) => {
                last = intent(&bench, places);
                generation = bench.want(last.clone());
            }
            Event::Fail(after, times) => bench.device.lock().failing = Some((after, times)),
            Event::Die(steps) => {
                bench.device.lock().dies_after = Some(steps);
                tokio::time::sleep(Duration::from_millis(50)).await;
                bench.restart().await;
            }
            Event::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }
    bench.device.lock().failing = None;
    bench.until_applied(generation).await;
    assert!(bench.device.is_as(&last));
    assert_eq!(bench.device.lock().persisted.as_ref(), Some(&last));
    let faults = bench.tree.faults();
    assert!(faults.is_empty(), "{faults:?}");
    bench.tree.cancel();
    bench.tree.idle().await;
}

/// One attempt fails at `step`; when its run is over nobody is where he is not wanted.
async fn one_failure(before: [u32; 4], after: [u32; 4], step: usize) {
    let mut bench = Bench::new(&PORTS);
    let first = intent(&bench, before);
    let generation = bench.want(first);
    bench.until_applied(generation).await;
    let wanted = intent(&bench, after);
    bench.device.lock().failing = Some((step, 1));
    let runs = bench.outcome.borrow().runs;
    bench.want(wanted.clone());
    bench.until(|outcome| outcome.runs > runs).await;
    assert_eq!(strays(&bench, &wanted), Vec::<String>::new());
    bench.tree.cancel();
    bench.tree.idle().await;
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_history_ends_in_what_is_wanted(events in proptest::collection::vec(event(), 1..12)) {
        paused().block_on(history(events));
    }

    #[test]
    fn nobody_stays_longer_than_one_failed_attempt(
        before in [place(), place(), place(), place()],
        after in [place(), place(), place(), place()],
        step in 0usize..8,
    ) {
        paused().block_on(one_failure(before, after, step));
    }
}

#[test]
fn the_ports_of_this_file_are_names() {
    assert_eq!(PORTS.map(port).len(), 5);
}
