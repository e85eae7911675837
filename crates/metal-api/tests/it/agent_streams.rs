//! Streams that break: nothing is lost, nothing waits for ever, and the newest stream counts.

use metal_model::agent::PowerCommand;
use metal_plan::command;
use metal_proto::v1 as proto;
use metal_proto::v1::wait_response::Outcome;
use tonic::Code;

use crate::agent_world::{PARTITION, World, within};

async fn give(world: &World, machine: &str, commands: &'static [PowerCommand]) {
    let machine = machine.to_owned();
    let decide = move |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
        for given in commands {
            command::give(tx, env, &PARTITION.into(), &machine.as_str().into(), *given)?;
        }
        Ok(())
    };
    world.change(decide).await;
}

async fn next(stream: &mut tonic::Streaming<proto::CommandsResponse>) -> (u64, proto::BmcCommand) {
    let command = within(stream.message()).await.unwrap().unwrap();
    (command.sequence, command.command())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_come_again_until_they_are_acknowledged() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let id = world.plan(0).id.to_string();
    give(&world, &id, &[PowerCommand::On, PowerCommand::LedOn]).await;
    let mut stream = partition.commands(0).await;
    assert_eq!(next(&mut stream).await, (1, proto::BmcCommand::On));
    assert_eq!(next(&mut stream).await, (2, proto::BmcCommand::LedOn));
    give(&world, &id, &[PowerCommand::Reset]).await;
    assert_eq!(next(&mut stream).await, (3, proto::BmcCommand::Reset));

    let done =
        proto::AcknowledgeRequest { sequence: 2, error: Some("no LED".to_owned()), ..Default::default() };
    within(partition.bmc.acknowledge(done.clone())).await.unwrap();
    within(partition.bmc.acknowledge(done)).await.expect("twice is once");
    drop(stream);

    let mut everything = partition.commands(0).await;
    assert_eq!(next(&mut everything).await.0, 1);
    assert_eq!(next(&mut everything).await.0, 3);
    let mut rest = partition.commands(1).await;
    assert_eq!(next(&mut rest).await.0, 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_too_old_are_not_sent_any_more() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let id = world.plan(0).id.to_string();
    give(&world, &id, &[PowerCommand::Reset]).await;
    world.app.clock.advance(command::DEADLINE + jiff::SignedDuration::from_secs(1));
    give(&world, &id, &[PowerCommand::On]).await;
    let mut stream = partition.commands(0).await;
    assert_eq!(next(&mut stream).await, (2, proto::BmcCommand::On));
    let dropped = metal_api::reconcile::activate(&world.app, "commands").await.unwrap().unwrap();
    assert_eq!(dropped.text, "1 dropped, 1 waiting");
    assert!(dropped.status["dropped"][0]["reason"].is_string(), "{}", dropped.status);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_hangs_up_does_not_wait_any_more() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (agent, stream) = world.park(&mut partition, 0).await;
    drop(stream);
    drop(agent);
    world.until(|snapshot| !snapshot.machines.get(&id).unwrap().waiting).await;
    let given_back = async {
        while world.app.agents.waits.holds(&id) {
            tokio::task::yield_now().await;
        }
    };
    within(given_back).await;

    // It comes back after somebody got it all the same, and learns so at once.
    let (_agent, stream) = world.park(&mut partition, 0).await;
    world.allocate(None).await;
    drop(stream);
    let mut again = partition.wait(&id).await.unwrap();
    let first = within(again.message()).await.unwrap().unwrap();
    assert!(matches!(first.outcome, Some(Outcome::Allocated(_))));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_stream_takes_the_place_of_the_older() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (mut agent, mut older) = world.park(&mut partition, 0).await;
    let mut newer = agent.wait(&id).await.unwrap();
    within(newer.message()).await.unwrap().unwrap();
    assert_eq!(within(older.message()).await.unwrap_err().code(), Code::Aborted);
    assert!(world.machine(&id).waiting, "the older one does not end the newer one's waiting");
    world.allocate(None).await;
    let last = within(newer.message()).await.unwrap().unwrap();
    assert!(matches!(last.outcome, Some(Outcome::Allocated(_))));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_machine_whose_record_was_changed_parks_again() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (_agent, _stream) = world.park(&mut partition, 0).await;
    let named = id.clone();
    world.change(move |tx, _| metal_plan::registration::set_waiting(tx, &named, false)).await;
    world.until(|snapshot| snapshot.machines.get(&id).unwrap().waiting).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_nobody_knows_cannot_wait() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let unknown = world.plan(3).id.to_string();
    assert_eq!(partition.wait(&unknown).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(partition.wait("not-a-uuid").await.unwrap_err().code(), Code::InvalidArgument);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_comes_back_with_the_newest_configuration_is_not_sent_it_again() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let mut leaf = world.switch(0).await;
    world.switch(1).await;
    let switch = world.floor.switches[0].id.clone();
    let mut stream = leaf.desired(&switch, 0).await;
    let first = within(stream.message()).await.unwrap().unwrap();
    drop(stream);
    let mut stream = leaf.desired(&switch, first.generation).await;
    // The next message is the change, not what the switch has.
    let (_machine, _waiting) = world.park(&mut partition, 0).await;
    let second = within(stream.message()).await.unwrap().unwrap();
    assert!(second.generation > first.generation);
    let id = world.plan(0).id.to_string();
    assert!(second.nics.iter().any(|nic| nic.machine == id));
    // One that lost its state is sent everything at once.
    let mut stream = leaf.desired(&switch, 0).await;
    let again = within(stream.message()).await.unwrap().unwrap();
    assert_eq!(again.nics, second.nics);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_server_ends_streams_in_order() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let mut leaf = world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (_machine, mut waiting) = world.park(&mut partition, 0).await;
    let mut commands = partition.commands(0).await;
    let mut desired = leaf.desired(&world.floor.switches[0].id, 0).await;
    within(desired.message()).await.unwrap().unwrap();
    world.edges.cancel();
    assert_eq!(within(waiting.message()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(within(commands.message()).await.unwrap_err().code(), Code::Unavailable);
    loop {
        match within(desired.message()).await {
            Ok(configuration) => assert!(configuration.is_some(), "the stream ends with a reason"),
            Err(status) => break assert_eq!(status.code(), Code::Unavailable),
        }
    }
    assert!(world.machine(&id).waiting, "it will be back before anybody notices");
    world.stop().await;
}
