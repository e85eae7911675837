//! Servers that end and come back, and replicas that share an etcd: agents notice nothing but a broken stream.

use std::time::Duration;

use metal_api::reconcile;
use metal_model::agent::PowerCommand;
use metal_plan::command;
use metal_proto::v1 as proto;
use metal_proto::v1::wait_response::Outcome;
use metal_store::{EngineConfig, EtcdConfig};

use crate::agent_world::{Agent, PARTITION, World, within};

#[path = "../../../metal-store/tests/it/server.rs"]
mod etcd;

async fn allocated(stream: &mut tonic::Streaming<proto::WaitResponse>) -> proto::Allocation {
    loop {
        let message = within(stream.message()).await.unwrap().expect("an allocation before the end");
        if let Some(Outcome::Allocated(allocation)) = message.outcome {
            return *allocation;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = || EngineConfig::Embedded { dir: dir.path().join("store") };
    let world = World::start_on(engine()).await;
    let own = world.join(&format!("metal://partition/{PARTITION}")).await;
    let mut partition = Agent::new(world.channel(Some(&own)));
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let boot = world.boot(&mut partition, &id).await;
    let mut machine = Agent::new(world.channel(Some(&boot)));
    within(machine.machine.register(world.registration(0))).await.unwrap();
    let mut waiting = machine.wait(&id).await.unwrap();
    within(waiting.message()).await.unwrap().unwrap();
    let named = id.clone();
    let give = move |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
        command::give(tx, env, &PARTITION.into(), &named.as_str().into(), PowerCommand::LedOn)
    };
    world.change(give).await;
    world.stop().await;
    assert!(within(waiting.message()).await.is_err());

    // Another process, another port; the authority, the boot and the command are the same.
    let world = World::serve(engine()).await;
    let mut partition = Agent::new(world.channel(Some(&own)));
    let mut machine = Agent::new(world.channel(Some(&boot)));
    let mut commands = partition.commands(0).await;
    assert_eq!(within(commands.message()).await.unwrap().unwrap().command(), proto::BmcCommand::LedOn);
    let mut waiting = machine.wait(&id).await.unwrap();
    within(waiting.message()).await.unwrap().unwrap();
    assert_eq!(world.allocate(None).await, id);
    assert_eq!(allocated(&mut waiting).await.hostname, "box");
    world.stop().await;
}

/// The replica that leads, once one does.
async fn leader(replicas: [&World; 2]) -> &World {
    let look = async {
        loop {
            if let Some(leader) = replicas.iter().find(|world| world.app.reconcilers.leads()) {
                return *leader;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_serve_each_others_agents_and_one_of_them_leads() {
    let engine = || {
        let endpoints = vec![etcd::shared().to_owned()];
        EngineConfig::Etcd(EtcdConfig { endpoints, prefix: "agents".to_owned(), ..EtcdConfig::default() })
    };
    let first = World::start_on(engine()).await;
    let second = World::serve(engine()).await;
    assert_eq!(first.endpoint.ca_pem, second.endpoint.ca_pem, "there is one authority");
    for world in [&first, &second] {
        reconcile::start(&world.app, &world.app.background);
    }

    // A token from one replica is good at the other, and a boot that one has just made known is known to the other.
    let own = first.join(&format!("metal://partition/{PARTITION}")).await;
    let mut partition = Agent::new(second.channel(Some(&own)));
    let mut leaf = first.switch(0).await;
    second.switch(1).await;
    let id = first.plan(0).id.to_string();
    let boot = second.boot(&mut partition, &id).await;
    let mut machine = Agent::new(first.channel(Some(&boot)));
    within(machine.machine.register(first.registration(0))).await.unwrap();
    let mut waiting = machine.wait(&id).await.unwrap();
    within(waiting.message()).await.unwrap().unwrap();
    let mut desired = leaf.desired(&first.floor.switches[0].id, 0).await;

    // What is decided on one replica reaches the streams on the other.
    second.app.fresh().await.unwrap();
    assert_eq!(second.allocate(None).await, id);
    let allocation = allocated(&mut waiting).await;
    let report = proto::ReportRequest {
        machine: id.clone(),
        boot_info: Some(proto::BootInfo::default()),
        success: true,
        ..proto::ReportRequest::default()
    };
    let mut elsewhere = Agent::new(second.channel(Some(&boot)));
    within(elsewhere.machine.report(report)).await.unwrap();
    let vrf = format!("vrf{}", allocation.networks[0].vrf);
    let is_open = |nic: &proto::DesiredPort| nic.machine == id && nic.vrf == vrf;
    while !within(desired.message()).await.unwrap().unwrap().nics.iter().any(is_open) {}

    // One leads; when it ends, the other one does.
    let (gone, left) = match leader([&first, &second]).await.app.replica == first.app.replica {
        true => (first, second),
        false => (second, first),
    };
    assert!(!left.app.reconcilers.leads());
    let told = reconcile::list(&left.app, &left.snapshot().state);
    assert!(told.iter().any(|task| task.state == "standby") && told.iter().any(|task| task.state == "idle"));
    gone.stop().await;
    leader([&left, &left]).await;
    left.stop().await;
}
