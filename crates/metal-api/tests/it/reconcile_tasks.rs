//! Background tasks, on a clock that moves when told.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use metal_api::{App, reconcile};
use metal_model::event_log::Liveliness;
use metal_model::event_log::ProvisioningEvent;
use metal_model::machine::Bmc;
use metal_plan::event;
use metal_runtime::{Clock, clock};

use crate::agent_world::{World, within};

async fn run(world: &World, task: &str) -> reconcile::Summary {
    reconcile::activate(&world.app, task).await.expect("the task exists").unwrap()
}

async fn say(world: &World, machine: &str, said: ProvisioningEvent) {
    let machine = machine.to_owned();
    let decide = move |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
        event::receive(tx, env, &machine, "fra1", said.wire(), "").map(drop)
    };
    world.change(decide).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_machines_die_and_are_booted_again_after_an_hour() {
    let world = World::start().await;
    say(&world, "m", ProvisioningEvent::PxeBooting).await;
    assert_eq!(run(&world, "liveliness").await.text, "1 alive, 0 dead, 0 unknown");
    world.app.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(run(&world, "liveliness").await.text, "0 alive, 1 dead, 0 unknown");
    assert_eq!(run(&world, "resurrection").await.text, "0 booted again, 0 cannot be");
    world.app.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(run(&world, "resurrection").await.text, "1 booted again, 0 cannot be");
    let snapshot = world.snapshot();
    assert_eq!(snapshot.state.event_logs.get("m").unwrap().liveliness, Liveliness::Alive);
    assert!(snapshot.state.bmc_commands.iter().any(|command| command.command.wire() == "FREE"));
    assert_eq!(run(&world, "resurrection").await.text, "0 booted again, 0 cannot be", "once");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_machines_are_judged_in_bites() {
    let world = World::start().await;
    for hundred in 0..10 {
        let decide = move |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
            for n in 0..100 {
                event::receive(tx, env, &format!("m{hundred}-{n}"), "fra1", "PXE Booting", "")?;
            }
            Ok(())
        };
        world.change(decide).await;
    }
    world.app.clock.advance(SignedDuration::from_mins(6));
    let summary = run(&world, "liveliness").await;
    assert_eq!(summary.status["changed"], 1000);
    assert_eq!(summary.status["dead"], 1000);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_images_go_and_the_newest_stays() {
    let world = World::start().await;
    let decide = |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
        let image = metal_model::v1::ImageCreateRequest {
            id: "debian-13.0.20260201".to_owned(),
            url: "http://images/debian".to_owned(),
            features: vec!["machine".to_owned()],
            ..Default::default()
        };
        metal_plan::image::create(tx, env, &image).map(drop)
    };
    world.change(decide).await;
    assert_eq!(run(&world, "image-expiry").await.text, "0 removed");
    world.app.clock.advance(SignedDuration::from_hours(24 * 365));
    assert_eq!(run(&world, "image-expiry").await.status["removed"][0], "debian-13.0.20260101");
    assert_eq!(world.snapshot().state.images.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_swept_and_faults_are_told() {
    let world = World::start().await;
    let decide = |tx: &mut metal_plan::Tx, _: &mut metal_plan::Env| {
        tx.create(Bmc { machine: "gone".into(), ..Bmc::default() })?;
        tx.create(metal_model::network::AsnClaim { asn: 4_210_000_007, machine: "gone".into() })?;
        Ok(())
    };
    world.change(decide).await;
    let summary = run(&world, "orphans").await;
    assert_eq!(summary.text, "1 held by nobody, 1 leftovers removed");
    assert_eq!(summary.status["asns"][0], 4_210_000_007_u64);
    assert!(world.snapshot().state.bmcs.is_empty());
    assert_eq!(world.snapshot().state.asns.len(), 1, "left for a person to look at");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_tokens_are_forgotten_a_day_later() {
    let world = World::start().await;
    world.join("metal://partition/fra1").await;
    world.token("metal://partition/fra1").await.unwrap();
    assert_eq!(run(&world, "certificates").await.text, "0 tokens and 0 boots forgotten");
    world.app.clock.advance(SignedDuration::from_hours(26));
    assert_eq!(run(&world, "certificates").await.text, "2 tokens and 0 boots forgotten");
    assert!(world.snapshot().state.join_tokens.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_stream_stops_waiting_when_it_was_found_twice() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let (_agent, _stream) = world.park(&mut partition, 0).await;
    let lost = world.plan(1).id.to_string();
    within(partition.machine.register(world.registration(1))).await.unwrap();
    let named = lost.clone();
    world.change(move |tx, _| metal_plan::registration::set_waiting(tx, &named, true)).await;
    // The task remembers between its runs, so it is the one the server has.
    let all = reconcile::all();
    let task = all.iter().find(|task| task.name() == "waiting").unwrap();
    assert_eq!(task.activate(&world.app).await.unwrap().text, "0 no longer wait");
    assert!(world.machine(&lost).waiting);
    assert_eq!(task.activate(&world.app).await.unwrap().text, "1 no longer wait");
    assert!(!world.machine(&lost).waiting);
    assert!(world.machine(&world.plan(0).id.to_string()).waiting, "this one has a stream");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_at_the_start_and_when_poked_and_tell_about_it() {
    let world = World::start().await;
    reconcile::start(&world.app, &world.app.background);
    let board = &world.app.reconcilers;
    let ran = async |name: &str, times: u64| {
        let look = async {
            while board.runs(name) < times {
                tokio::task::yield_now().await;
            }
        };
        within(look).await;
    };
    for task in reconcile::all() {
        ran(task.name(), 1).await;
    }
    assert!(board.leads(), "alone, it leads");
    assert!(board.poke("orphans"));
    ran("orphans", 2).await;
    assert!(!board.poke("no-such-task"));
    let told = reconcile::list(&world.app, &world.snapshot().state);
    assert_eq!(told.len(), reconcile::all().len());
    let orphans = told.iter().find(|task| task.name == "orphans").unwrap();
    assert_eq!((orphans.runs >= 2, orphans.failures, orphans.period), (true, 0, 600_000_000_000));
    assert!(orphans.status["summary"].is_string() && orphans.last_error.is_none());
    world.until(|snapshot| snapshot.task_statuses.contains("orphans")).await;
    assert!(world.app.registry.encode().contains("metal_api_task_runs_total{task=\"orphans\"}"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_pending_is_written_when_the_server_ends() {
    let world = World::start().await;
    say(&world, "m", ProvisioningEvent::PxeBooting).await;
    let background = world.app.tasks.child("background-under-test");
    reconcile::start(&world.app, &background);
    world.app.clock.advance(SignedDuration::from_secs(1));
    let alive = metal_api::coalesce::Incoming {
        machine: "m".into(),
        event: "Alive".to_owned(),
        message: String::new(),
    };
    let caller = world.app.system_caller();
    metal_api::coalesce::receive(&world.app, &caller, "fra1", vec![alive]).await.unwrap();
    assert!(background.shutdown(Duration::from_secs(20)).await.is_clean());
    assert!(world.app.agents.touches.is_empty());
    let log = world.snapshot().state.event_logs.get("m").unwrap().clone();
    assert_eq!(log.last_event_time.unwrap().as_millisecond(), world.app.clock.now().as_millisecond());
    world.stop().await;
}

#[test]
fn settings_are_read_and_mistakes_are_told() {
    let mut settings = reconcile::Settings::default();
    settings.set("liveliness=30s").unwrap();
    settings.set("orphans=off").unwrap();
    assert_eq!(settings.periods["liveliness"], Some(Duration::from_secs(30)));
    assert_eq!(settings.periods["orphans"], None);
    for wrong in ["liveliness", "tea=1h", "orphans=soon", "orphans=0s", "orphans=-5s"] {
        assert!(settings.set(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_leads_when_the_leader_is_gone() {
    let clock = Clock::manual(clock::now());
    let app: Arc<App> = App::builder().in_memory().clock(clock.clone()).build().await.unwrap();
    let mut first = reconcile::election::Election::new(&app, "first");
    let mut second = reconcile::election::Election::new(&app, "second");
    assert!(first.round().await);
    assert!(!second.round().await);
    // As long as the first one renews, it leads.
    for _ in 0..5 {
        clock.advance(SignedDuration::from_secs(9));
        assert!(first.round().await && !second.round().await);
    }
    // It falls silent and stops believing in itself before the other one takes over.
    clock.advance(SignedDuration::from_secs(9));
    assert!(first.leads() && !second.round().await);
    clock.advance(SignedDuration::from_secs(1));
    assert!(!first.leads());
    assert!(second.round().await);
    assert!(!first.round().await, "it comes back and follows");
    // One that resigns is followed at once.
    second.resign().await;
    assert!(!second.leads());
    assert!(first.round().await);
    app.close().await;
}
