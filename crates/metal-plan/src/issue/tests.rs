//! Each kind of issue alone, the selection, and uniqueness within the evaluated set.

use std::sync::Arc;

use jiff::SignedDuration;
use metal_model::event_log::{Event, EventLog, Liveliness, ProvisioningEvent};
use metal_model::machine::{Allocation, Bmc, Machine, Role};
use metal_model::switch::{Switch, SwitchPort, SwitchStatus};
use metal_model::v1::{self, MachineIssuesRequest};
use proptest::prelude::*;

use super::*;
use crate::testbed::{START, allocation, any_request, env, partition};
use crate::{Class, Tx};

struct World {
    machine: Machine,
    bmc: Bmc,
    log: Option<EventLog>,
    is_unconfirmed: bool,
}

type Change = fn(&mut World);

/// A machine without issues.
fn healthy(id: &str) -> World {
    let waiting = Event { time: START, event: ProvisioningEvent::Waiting, message: String::new() };
    World {
        machine: Machine { id: id.into(), partition: "p1".into(), ..Machine::default() },
        bmc: Bmc {
            machine: id.into(),
            address: format!("{id}:623"),
            mac: "bmc".into(),
            last_updated: Some(START),
            ..Bmc::default()
        },
        log: Some(EventLog {
            machine: id.into(),
            last_event_time: Some(START),
            events: vec![Arc::new(waiting)],
            ..EventLog::default()
        }),
        is_unconfirmed: false,
    }
}

fn add(tx: &mut Tx, world: World) {
    if world.is_unconfirmed {
        let port = SwitchPort { name: "swp1".into(), vrf_since: 7, ..SwitchPort::default() };
        let connections = [(world.machine.id.clone(), vec![port.name.clone()])].into();
        tx.put(Switch { id: "leaf01".into(), ports: vec![port], connections, ..Switch::default() });
        let (applied, tells_applied) = (6, true);
        tx.put(SwitchStatus { id: "leaf01".into(), applied, tells_applied, ..SwitchStatus::default() });
    }
    tx.put(world.machine);
    tx.put(world.bmc);
    if let Some(log) = world.log {
        tx.put(log);
    }
}

fn event(name: ProvisioningEvent) -> Arc<Event> {
    Arc::new(Event { time: START, event: name, message: String::new() })
}

fn found(tx: &Tx, req: &MachineIssuesRequest) -> Vec<(String, Vec<String>)> {
    let answers = evaluate(tx.state(), env(60).now, req).unwrap();
    answers.into_iter().map(|answer| (answer.machineid, answer.issues)).collect()
}

fn log(world: &mut World) -> &mut EventLog {
    world.log.as_mut().unwrap()
}

fn firewall(world: &mut World) {
    world.machine.allocation = Some(Arc::new(allocation(Role::Firewall)));
}

/// Every kind and how it comes about; the last two need a second machine, which they also affect.
const CASES: [(&str, Change); 16] = [
    ("no-partition", |it| it.machine.partition = "".into()),
    ("liveliness-dead", |it| log(it).liveliness = Liveliness::Dead),
    ("liveliness-unknown", |it| log(it).liveliness = Liveliness::Unknown),
    ("liveliness-not-available", |it| log(it).last_event_time = None),
    ("failed-machine-reclaim", |it| log(it).failed_machine_reclaim = true),
    ("failed-machine-reclaim", |it| log(it).events = vec![event(ProvisioningEvent::PhonedHome)]),
    ("crashloop", |it| {
        log(it).crash_loop = true;
        log(it).events = vec![event(ProvisioningEvent::Preparing)];
    }),
    ("last-event-error", |it| log(it).last_error_event = Some(event(ProvisioningEvent::Crashed))),
    ("bmc-without-mac", |it| it.bmc.mac.clear()),
    ("bmc-without-ip", |it| it.bmc.address.clear()),
    ("bmc-info-outdated", |it| it.bmc.last_updated = None),
    ("bmc-info-outdated", |it| it.bmc.last_updated = Some(START - SignedDuration::from_mins(20))),
    ("asn-not-unique", firewall),
    ("bmc-no-distinct-ip", |it| it.bmc.address = "same:623".into()),
    ("no-event-container", |it| it.log = None),
    ("isolation-unconfirmed", |it| {
        it.machine.waiting = true;
        it.is_unconfirmed = true;
    }),
];

#[test]
fn each_kind_alone() {
    for (kind, spoil) in CASES {
        let mut tx = partition();
        let mut sick = healthy("m1");
        spoil(&mut sick);
        add(&mut tx, sick);
        let mut expected = vec![("m1".to_owned(), vec![kind.to_owned()])];
        if matches!(kind, "asn-not-unique" | "bmc-no-distinct-ip") {
            assert_eq!(found(&tx, &MachineIssuesRequest::default()), [], "{kind}: it is unique");
            let mut other = healthy("m2");
            spoil(&mut other);
            add(&mut tx, other);
            expected.push(("m2".to_owned(), vec![kind.to_owned()]));
        }
        add(&mut tx, healthy("m3"));
        assert_eq!(found(&tx, &MachineIssuesRequest::default()), expected);
        let only = MachineIssuesRequest { only: vec![kind.into()], ..Default::default() };
        assert_eq!(found(&tx, &only), expected);
        let omit =
            MachineIssuesRequest { omit: vec![kind.into()], only: vec![kind.into()], ..Default::default() };
        assert_eq!(found(&tx, &omit), [], "omit beats only");
        let severity = Kind::parse(kind).unwrap().severity();
        for asked in [Severity::Minor, Severity::Major, Severity::Critical] {
            let req = MachineIssuesRequest { severity: asked.wire().into(), ..Default::default() };
            assert_eq!(found(&tx, &req).is_empty(), asked > severity, "{kind} {asked:?}");
        }
    }
    let covered: std::collections::BTreeSet<&str> = CASES.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(covered.len(), Kind::ALL.len());
}

#[test]
fn what_is_no_issue() {
    let harmless: [(&str, Change); 5] = [
        ("waiting after crashes", |it| log(it).crash_loop = true),
        ("phoned home while allocated", |it| {
            log(it).events = vec![event(ProvisioningEvent::PhonedHome)];
            it.machine.allocation = Some(Arc::new(Allocation::default()));
        }),
        ("old error", |it| {
            let time = START - SignedDuration::from_hours(7 * 24);
            log(it).last_error_event =
                Some(Arc::new(Event { time, event: ProvisioningEvent::Crashed, message: String::new() }));
        }),
        ("report 20 minutes old", |it| {
            it.bmc.last_updated = Some(env(60).now - SignedDuration::from_mins(20));
        }),
        ("machine with the ASN of a firewall", |it| {
            it.machine.allocation = Some(Arc::new(allocation(Role::Machine)));
        }),
    ];
    for (name, change) in harmless {
        let mut tx = partition();
        let mut world = healthy("m1");
        change(&mut world);
        add(&mut tx, world);
        let mut other = healthy("m2");
        firewall(&mut other);
        add(&mut tx, other);
        assert_eq!(found(&tx, &MachineIssuesRequest::default()), [], "{name}");
    }
}

#[test]
fn uniqueness_counts_within_the_evaluated_set() {
    let mut tx = partition();
    for (id, partition) in [("m1", "p1"), ("m2", "p2"), ("m3", "p1")] {
        let mut world = healthy(id);
        world.machine.partition = partition.into();
        if id != "m3" {
            world.bmc.address = "same:623".into();
            firewall(&mut world);
        }
        add(&mut tx, world);
    }
    let both = vec!["asn-not-unique".to_owned(), "bmc-no-distinct-ip".to_owned()];
    assert_eq!(
        found(&tx, &MachineIssuesRequest::default()),
        [("m1".to_owned(), both.clone()), ("m2".to_owned(), both)]
    );
    let first = MachineIssuesRequest { partition_id: Some("p1".into()), ..Default::default() };
    assert_eq!(found(&tx, &first), []);
}

#[test]
fn the_threshold_of_errors_is_chosen() {
    let mut tx = partition();
    let mut world = healthy("m1");
    log(&mut world).last_error_event = Some(event(ProvisioningEvent::Crashed));
    add(&mut tx, world);
    let within = |seconds: i64| {
        let last_error_threshold = seconds * 1_000_000_000;
        !found(&tx, &MachineIssuesRequest { last_error_threshold, ..Default::default() }).is_empty()
    };
    assert_eq!([within(60), within(61), within(0)], [false, true, true]);
}

#[test]
fn unknown_words_are_refused() {
    let list = || vec!["no-such-issue".to_owned()];
    for (field, req) in [
        ("severity", MachineIssuesRequest { severity: "huge".into(), ..Default::default() }),
        ("only", MachineIssuesRequest { only: list(), ..Default::default() }),
        ("omit", MachineIssuesRequest { omit: list(), ..Default::default() }),
    ] {
        let refusal = evaluate(partition().state(), env(0).now, &req).unwrap_err();
        assert_eq!((refusal.class, refusal.field), (Class::Invalid, Some(field)));
    }
}

#[test]
fn the_catalogue() {
    let lines: Vec<String> = catalogue()
        .into_iter()
        .map(|issue: v1::MachineIssue| {
            format!("{} | {} | {} | {}", issue.id, issue.severity, issue.description, issue.ref_url)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    #[test]
    fn requests_never_panic(
        req in any_request::<MachineIssuesRequest>(
            &["id", "partition_id", "only", "omit", "severity", "last_error_threshold", "network_prefixes", "tags"],
        ),
    ) {
        let mut tx = partition();
        add(&mut tx, healthy("m1"));
        let _ = evaluate(tx.state(), env(60).now, &req);
    }
}
