//! The provisioning state machine as a table, and what must hold for every log whatever machines say.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::event_log::{Event, EventLog, Liveliness, ProvisioningEvent};
use metal_model::machine::{Allocation, Machine};
use proptest::prelude::*;

use super::*;
use crate::{Caller, Env, Snapshot, Tx};

const START: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn env(now: Timestamp) -> Env {
    Env::new(now, 7, Caller::default())
}

fn event_of(state: State) -> Option<ProvisioningEvent> {
    ProvisioningEvent::ALL
        .into_iter()
        .find(|event| *event != ProvisioningEvent::Alive && State::after(*event) == state)
}

fn log_in(state: State) -> EventLog {
    let newest = event_of(state).map(|event| Arc::new(Event { time: START, event, message: String::new() }));
    EventLog {
        machine: "m1".into(),
        last_event_time: newest.is_some().then_some(START),
        events: newest.into_iter().collect(),
        ..EventLog::default()
    }
}

fn flag(name: &str, value: Option<bool>) -> String {
    match value {
        Some(true) => format!("set {name}; "),
        Some(false) => format!("clear {name}; "),
        None => String::new(),
    }
}

fn row(state: State, event: ProvisioningEvent, silence: SignedDuration, message: &str) -> String {
    let mut log = log_in(state);
    let step = step(&log, event, message, START + silence);
    let outcome = format!("{:?}", step.outcome).to_lowercase();
    let flags =
        flag("crash_loop", step.crash_loop) + &flag("failed_machine_reclaim", step.failed_machine_reclaim);
    let error = if step.error.is_some() { "last error; " } else { "" };
    let text = step.store.as_ref().or(step.error.as_ref()).map_or("", |event| &event.message).to_owned();
    step.apply(&mut log);
    let effects = format!("{flags}{error}{text}");
    let line = format!(
        "{:<18} + {:<18} -> {:<18} | {outcome:<7} | {effects}",
        state.word(),
        event.wire(),
        State::of(&log).word()
    );
    line.trim_end().to_owned()
}

#[test]
fn every_event_in_every_state() {
    let mut table = String::new();
    for state in State::ALL {
        for event in ProvisioningEvent::ALL {
            let _ = writeln!(table, "{}", row(state, event, SignedDuration::from_secs(60), ""));
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn phoning_home_depends_on_the_silence_before() {
    let mut table = String::new();
    for seconds in [299, 300, 301] {
        let _ = writeln!(table, "{seconds} s of silence");
        for state in State::ALL {
            let silence = SignedDuration::from_secs(seconds);
            let _ = writeln!(table, "{}", row(state, ProvisioningEvent::PhonedHome, silence, "hello"));
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn unexpected_events_keep_their_message() {
    let step = step(&log_in(State::PhonedHome), ProvisioningEvent::Installing, "writing", START);
    assert_eq!(step.store.unwrap().message, "[unexpectedly received in state phoned home]: writing");
}

#[test]
fn only_what_changes_nothing_else_is_a_mere_touch() {
    let waiting = log_in(State::Waiting);
    let alive = |log: &EventLog| step(log, ProvisioningEvent::Alive, "", START).is_mere_touch(log);
    assert!(alive(&waiting));
    assert!(!alive(&EventLog { liveliness: Liveliness::Dead, ..waiting.clone() }));
    assert!(!alive(&log_in(State::PhonedHome)), "it sets the last error");
    let home = log_in(State::PhonedHome);
    assert!(step(&home, ProvisioningEvent::PhonedHome, "", START).is_mere_touch(&home));
    let again = EventLog { failed_machine_reclaim: true, ..log_in(State::PxeBooting) };
    assert!(!step(&again, ProvisioningEvent::PxeBooting, "", START).is_mere_touch(&again));
}

#[test]
fn receives_events_of_unknown_machines() {
    let mut tx = Tx::new(&Snapshot::default());
    let outcome = receive(&mut tx, &mut env(START), "m1", "p1", "PXE Booting", "").unwrap();
    assert_eq!(outcome, Outcome::Stored);
    assert_eq!(tx.state().machines.get("m1").unwrap().partition, *"p1");
    for (machine, event) in [("m2", "Sleeping"), ("", "Alive"), ("m2", "")] {
        let refusal = receive(&mut tx, &mut env(START), machine, "p1", event, "").unwrap_err();
        assert_eq!(refusal.class, crate::Class::Invalid);
    }
    assert_eq!(tx.state().machines.len(), 1);
}

#[test]
fn silence_makes_dead_or_unknown() {
    let mut tx = Tx::new(&Snapshot::default());
    for (id, allocation) in [("free", None), ("used", Some(Arc::new(Allocation::default())))] {
        tx.put(Machine { id: id.into(), allocation, ..Machine::default() });
        process(&mut tx, &mut env(START), id, ProvisioningEvent::PhonedHome, "");
    }
    tx.put(Machine { id: "mute".into(), ..Machine::default() });
    tx.put(EventLog { machine: "mute".into(), ..EventLog::default() });
    let at = |seconds| env(START + SignedDuration::from_secs(seconds));
    let judge = |tx: &mut Tx, seconds, limit| liveliness(tx, &at(seconds), limit);
    assert_eq!(judge(&mut tx, 300, 9), Judged { alive: 2, ..Judged::default() });
    let partial = judge(&mut tx, 301, 1);
    assert_eq!(partial, Judged { dead: 1, unknown: 1, changed: 1, is_partial: true, ..Judged::default() });
    assert_eq!(judge(&mut tx, 301, 1).changed, 1);
    assert_eq!(judge(&mut tx, 301, 1).changed, 0);
    let lives = |id: &str| tx.state().event_logs.get(id).unwrap().liveliness;
    assert_eq!(
        [lives("free"), lives("used"), lives("mute")],
        [Liveliness::Dead, Liveliness::Unknown, Liveliness::Alive]
    );
}

fn any_event() -> impl Strategy<Value = ProvisioningEvent> {
    prop::sample::select(ProvisioningEvent::ALL.to_vec())
}

proptest! {
    #[test]
    fn logs_are_chronological_and_bounded(
        said in prop::collection::vec((any_event(), -600i64..900, ".{0,8}"), 0..250),
    ) {
        let mut tx = Tx::new(&Snapshot::default());
        let mut now = START;
        for (event, seconds, message) in said {
            now += SignedDuration::from_secs(seconds);
            let before = tx.state().event_logs.get("m1").cloned();
            let outcome = process(&mut tx, &mut env(now), "m1", event, &message);
            let after = tx.state().event_logs.get("m1").cloned();
            if outcome == Outcome::Ignored {
                prop_assert_eq!(&before, &after);
            }
            prop_assert!(event != ProvisioningEvent::Alive || outcome != Outcome::Stored);
            let Some(log) = after else { continue };
            prop_assert!(log.events.len() <= KEPT);
            prop_assert!(log.events.windows(2).all(|pair| pair[0].time >= pair[1].time));
            prop_assert!(log.last_event_time >= log.events.first().map(|newest| newest.time));
            prop_assert!(log.last_event_time >= before.and_then(|log| log.last_event_time));
            if outcome != Outcome::Ignored {
                prop_assert_eq!(log.liveliness, Liveliness::Alive);
            }
        }
    }
}
