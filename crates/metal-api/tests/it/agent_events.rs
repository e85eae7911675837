//! Signs of life: kept off the disk, visible at once, never in the way of what must be durable.

use jiff::SignedDuration;
use metal_api::coalesce::{self, Incoming};
use metal_model::event_log::{Liveliness, ProvisioningEvent};
use metal_model::id::MachineId;
use metal_proto::v1 as proto;

use crate::agent_world::{PARTITION, World, within};

fn incoming(machine: &str, event: &str) -> Incoming {
    Incoming { machine: MachineId::from(machine), event: event.to_owned(), message: String::new() }
}

async fn send(world: &World, events: Vec<Incoming>) -> coalesce::Received {
    coalesce::receive(&world.app, &world.app.system_caller(), PARTITION, events).await.unwrap()
}

fn stored(world: &World, machine: &str) -> metal_model::event_log::EventLog {
    (**world.snapshot().state.event_logs.get(machine).unwrap()).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_are_seen_at_once_and_written_later() {
    let world = World::start().await;
    send(&world, vec![incoming("m", "PXE Booting"), incoming("m", "Preparing")]).await;
    let before = stored(&world, "m");
    let revision = world.snapshot().revision;
    world.app.clock.advance(SignedDuration::from_secs(40));
    assert_eq!(send(&world, vec![incoming("m", "Alive"); 3]).await.accepted, 3);
    assert_eq!(world.snapshot().revision, revision, "nothing is written");
    let touches = &world.app.agents.touches;
    let machine = MachineId::from("m");
    let seen = touches.last_event_time(&world.snapshot().state, &machine).unwrap();
    assert_eq!(seen.as_millisecond(), world.app.clock.now().as_millisecond());
    assert_eq!((touches.len(), touches.absorbed()), (1, 3));

    let mut told = metal_plan::machine::list_response(&world.snapshot().state, &world.machine("m"));
    assert!(told.events.last_event_time < Some(seen.into()));
    touches.refresh("m", &mut told.events);
    assert_eq!(told.events.last_event_time, Some(seen.into()), "readers are told at once");

    assert_eq!(coalesce::flush(&world.app, false).await.unwrap(), 1);
    let after = stored(&world, "m");
    assert_eq!(after.last_event_time, Some(seen));
    assert_eq!(after.events, before.events);
    assert!(touches.is_empty());
    assert_eq!(coalesce::flush(&world.app, false).await.unwrap(), 0);

    // One that follows soon waits until it is worth a write.
    world.app.clock.advance(SignedDuration::from_secs(5));
    send(&world, vec![incoming("m", "Alive")]).await;
    assert_eq!(coalesce::flush(&world.app, false).await.unwrap(), 0);
    assert_eq!(coalesce::flush(&world.app, true).await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_a_state_is_durable_and_knows_what_was_pending() {
    let world = World::start().await;
    for event in ["PXE Booting", "Machine Reclaim"] {
        send(&world, vec![incoming("m", event)]).await;
    }
    // Freed, and phoning home: after five minutes of silence that is a failed reclaim, and a flag changes.
    world.app.clock.advance(SignedDuration::from_mins(4));
    let received = send(&world, vec![incoming("m", "Phoned Home")]).await;
    assert_eq!(
        (received.accepted, world.app.agents.touches.len()),
        (1, 0),
        "ignored, and not a sign of life"
    );
    world.app.clock.advance(SignedDuration::from_mins(2));
    send(&world, vec![incoming("m", "Phoned Home")]).await;
    assert!(stored(&world, "m").failed_machine_reclaim);

    // A pending sign of life counts for the next decision: the machine was heard of a minute ago.
    send(&world, vec![incoming("n", "PXE Booting")]).await;
    world.app.clock.advance(SignedDuration::from_mins(4));
    send(&world, vec![incoming("n", "Alive")]).await;
    world.app.clock.advance(SignedDuration::from_mins(2));
    let revision = world.snapshot().revision;
    send(&world, vec![incoming("n", "Phoned Home")]).await;
    assert_eq!(world.snapshot().revision, revision, "too soon after the last sign of life, so ignored");
    send(&world, vec![incoming("n", "Preparing")]).await;
    let log = stored(&world, "n");
    assert_eq!(log.events[0].event, ProvisioningEvent::Preparing);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_machine_stay_in_order() {
    let world = World::start().await;
    let steps = ["PXE Booting", "Alive", "Preparing", "Alive", "Registering", "Alive", "Waiting", "Alive"];
    let events = steps.iter().flat_map(|event| [incoming("a", event), incoming("b", event)]).collect();
    let received = send(&world, events).await;
    assert_eq!((received.accepted, received.failed.len()), (16, 0));
    for machine in ["a", "b"] {
        let log = stored(&world, machine);
        let events: Vec<_> = log.events.iter().rev().map(|event| event.event.wire()).collect();
        assert_eq!(events, ["PXE Booting", "Preparing", "Registering", "Waiting"]);
        assert!(log.last_error_event.is_none() && !log.crash_loop);
        assert_eq!(world.machine(machine).partition, PARTITION);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_machine_that_says_something_is_alive_before_it_is_answered() {
    let world = World::start().await;
    send(&world, vec![incoming("m", "PXE Booting")]).await;
    world.app.clock.advance(SignedDuration::from_mins(6));
    metal_api::reconcile::activate(&world.app, "liveliness").await.unwrap().unwrap();
    assert_eq!(stored(&world, "m").liveliness, Liveliness::Dead);
    send(&world, vec![incoming("m", "Alive")]).await;
    assert_eq!(stored(&world, "m").liveliness, Liveliness::Alive);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_sign_of_life_keeps_a_machine_alive() {
    let world = World::start().await;
    send(&world, vec![incoming("m", "PXE Booting")]).await;
    world.app.clock.advance(SignedDuration::from_mins(4));
    send(&world, vec![incoming("m", "Alive")]).await;
    world.app.clock.advance(SignedDuration::from_mins(4));
    let judged = metal_api::reconcile::activate(&world.app, "liveliness").await.unwrap().unwrap();
    assert_eq!(judged.text, "1 alive, 0 dead, 0 unknown");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_tell_what_they_did_not_take() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let ids: Vec<String> = world.floor.machines.iter().map(|plan| plan.id.to_string()).collect();
    let event = |machine: &str, event: &str| proto::MachineEvent {
        machine: machine.to_owned(),
        event: event.to_owned(),
        ..proto::MachineEvent::default()
    };
    let events = vec![
        event(&ids[0], "PXE Booting"),
        event(&ids[1], "Coffee Break"),
        event("not-a-uuid", "Alive"),
        event(&ids[2].to_uppercase(), "PXE Booting"),
    ];
    let answer = within(partition.machine.send_events(proto::SendEventsRequest { events })).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.accepted, 2);
    let failed: Vec<&str> = answer.failed.iter().map(|failed| failed.machine.as_str()).collect();
    assert_eq!(failed, ["not-a-uuid", &ids[1]]);
    assert!(world.snapshot().state.machines.contains(&ids[2]), "every spelling is the same machine");
    assert!(!world.snapshot().state.machines.contains(&ids[1]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_in_order_is_not_written_each_time() {
    let world = World::start().await;
    let mut leaf = world.switch(0).await;
    let id = world.floor.switches[0].id.clone();
    let mut notify = async |error: Option<&str>, generation| {
        let request = proto::NotifyRequest {
            id: id.clone(),
            duration_ns: 5,
            error: error.map(str::to_owned),
            generation,
            ..proto::NotifyRequest::default()
        };
        within(leaf.switch.notify(request)).await.unwrap();
    };
    notify(None, 7).await;
    let revision = world.snapshot().revision;
    world.app.clock.advance(SignedDuration::from_secs(10));
    notify(None, 7).await;
    assert_eq!(world.snapshot().revision, revision);
    let touches = &world.app.agents.touches;
    let seen = touches.switch_status(&world.snapshot().state, &id).unwrap().last_sync.clone().unwrap().time;
    assert_eq!(seen.as_millisecond(), world.app.clock.now().as_millisecond());
    // Another configuration or an error is news.
    notify(None, 8).await;
    assert!(world.snapshot().revision > revision);
    world.app.clock.advance(SignedDuration::from_secs(10));
    notify(Some("no route"), 8).await;
    let status = touches.switch_status(&world.snapshot().state, &id).unwrap();
    assert_eq!(status.last_sync_error.as_ref().unwrap().error.as_deref(), Some("no route"));
    coalesce::flush(&world.app, true).await.unwrap();
    let kept = world.snapshot().state.switch_statuses.get(&id).unwrap().clone();
    assert_eq!(
        (kept.applied, kept.last_sync_error.is_some()),
        (8, true),
        "an older pending one does not win"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_switch_sees_is_read_at_once_and_written_now_and_then() {
    let world = World::start().await;
    let mut leaf = world.switch(0).await;
    let plan = world.floor.switches[0].clone();
    let port = plan.ports[0].name.clone();
    let mut notify = async |error: Option<&str>, accepted| {
        let seen = proto::LldpNeighbor { system_name: "somebody".to_owned(), ..Default::default() };
        let session = proto::BgpSession {
            vrf: "default".to_owned(),
            port: port.clone(),
            state: "Established".to_owned(),
            accepted,
            ..Default::default()
        };
        let request = proto::NotifyRequest {
            id: plan.id.clone(),
            error: error.map(str::to_owned),
            lldp_neighbors: [(port.clone(), seen)].into(),
            bgp_sessions: vec![session],
            port_faults: [(port.clone(), "why not".to_owned())].into(),
            ..proto::NotifyRequest::default()
        };
        within(leaf.switch.notify(request)).await.unwrap();
    };
    let view = |world: &World| {
        let snapshot = world.snapshot();
        let known = snapshot.state.switches.get(&plan.id).unwrap().clone();
        let mut view = metal_plan::switch::response(&snapshot.state, &known).unwrap();
        world.app.agents.touches.refresh_switch(&mut view);
        view
    };
    notify(None, 1).await;
    let nic = view(&world).nics.into_iter().find(|nic| nic.name == port).unwrap();
    assert_eq!(
        (nic.fault.as_str(), nic.lldp_neighbor.unwrap().system_name.as_str()),
        ("why not", "somebody")
    );
    assert_eq!(nic.bgp_port_state.unwrap().accepted_prefix_counter, 1);
    let revision = world.snapshot().revision;
    // Counters move all the time.
    world.app.clock.advance(SignedDuration::from_secs(10));
    notify(None, 2).await;
    coalesce::flush(&world.app, false).await.unwrap();
    assert_eq!((world.snapshot().revision, view(&world).bgp_sessions[0].accepted), (revision, 2));
    world.app.clock.advance(SignedDuration::from_secs(30));
    notify(None, 3).await;
    coalesce::flush(&world.app, false).await.unwrap();
    assert_eq!(world.snapshot().revision, revision + 1, "once in half a minute");
    let kept = world.snapshot().state.switch_observations.get(&plan.id).unwrap().clone();
    assert_eq!(kept.sessions[0].accepted, 3);
    // The first error is news, the same one again is not.
    world.app.clock.advance(SignedDuration::from_secs(10));
    notify(Some("no route"), 3).await;
    let revision = world.snapshot().revision;
    world.app.clock.advance(SignedDuration::from_secs(10));
    notify(Some("no route"), 3).await;
    assert_eq!(world.snapshot().revision, revision);
    let failed = view(&world).last_sync_error.unwrap().time.get().unwrap();
    assert_eq!(failed.as_millisecond(), world.app.clock.now().as_millisecond());
    notify(Some("another"), 3).await;
    notify(None, 3).await;
    assert_eq!(world.snapshot().revision, revision + 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_events_lose_no_state() {
    let world = World::start().await;
    let machines: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let steps = ["PXE Booting", "Preparing", "Registering", "Waiting"];
    let each = machines.iter().map(|machine| {
        let world = &world;
        async move {
            for step in steps {
                send(world, vec![incoming(machine, step), incoming(machine, "Alive")]).await;
                let newest = stored(world, machine).events[0].event.wire();
                assert_eq!(newest, step, "durable before it is acknowledged");
            }
        }
    });
    let flusher = async {
        for _ in 0..20 {
            coalesce::flush(&world.app, true).await.unwrap();
        }
    };
    tokio::join!(futures::future::join_all(each), flusher);
    for machine in &machines {
        assert_eq!(stored(&world, machine).events.len(), 4);
    }
    world.stop().await;
}
