//! Certificates: tokens that work once, renewal, and boots of machines that replace each other.

use jiff::SignedDuration;
use metal_proto::v1 as proto;
use metal_runtime::pki;
use tonic::Code;

use crate::agent_world::{Agent, World, within};

const SWITCH: &str = "metal://switch/fra1/leaf01";

async fn join(
    world: &World,
    token: &str,
    identity: &str,
) -> Result<proto::CertificateResponse, tonic::Status> {
    let request = proto::JoinRequest {
        token: token.to_owned(),
        csr_pem: pki::request().unwrap().csr_pem,
        identity: identity.to_owned(),
    };
    within(Agent::new(world.channel(None)).join.join(request)).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_works_once_and_not_for_long() {
    let world = World::start().await;
    let token = world.token(SWITCH).await.unwrap().token;
    let denied = join(&world, &token, "metal://switch/fra1/leaf02").await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut agent = Agent::new(world.channel(None));
    let broken =
        proto::JoinRequest { token: token.clone(), csr_pem: "no".to_owned(), identity: String::new() };
    assert_eq!(within(agent.join.join(broken)).await.unwrap_err().code(), Code::InvalidArgument);
    // Neither of them has spent the token.
    let joined = join(&world, &token, "").await.unwrap();
    assert_eq!(joined.identity, SWITCH);
    assert_eq!(join(&world, &token, SWITCH).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(join(&world, "guessed", SWITCH).await.unwrap_err().code(), Code::Unauthenticated);

    let late = world.token(SWITCH).await.unwrap().token;
    world.app.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(join(&world, &late, SWITCH).await.unwrap_err().code(), Code::Unauthenticated);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_agents_with_a_token_one_joins() {
    let world = World::start().await;
    let token = world.token(SWITCH).await.unwrap().token;
    let (one, other) = tokio::join!(join(&world, &token, SWITCH), join(&world, &token, SWITCH));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_for_partitions_and_switches_of_partitions_that_exist() {
    let world = World::start().await;
    for refused in [
        "metal://switch/nowhere/leaf01",
        "metal://partition/nowhere",
        "metal://server/api",
        "metal://machine/fra1/00000000-0000-0000-0000-000000000001/boot",
        "metal://switch/leaf01",
        "leaf01",
        "",
    ] {
        assert!(world.token(refused).await.is_err(), "{refused}");
    }
    let request = metal_model::v1::PkiTokenRequest { identity: SWITCH.to_owned(), ttl_seconds: Some(0) };
    let caller = world.app.system_caller();
    assert!(metal_api::pki::give_token(&world.app, &caller, &request).await.is_err());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_with_itself_only() {
    let world = World::start().await;
    let own = world.join(SWITCH).await;
    let renew = || proto::RenewRequest { csr_pem: pki::request().unwrap().csr_pem };
    let renewed =
        within(Agent::new(world.channel(Some(&own))).join.renew(renew())).await.unwrap().into_inner();
    assert_eq!(renewed.identity, SWITCH);
    let nobody = within(Agent::new(world.channel(None)).join.renew(renew())).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_boot_ends_the_older_one() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (mut old, mut parked) = world.park(&mut partition, 0).await;
    let mut new = world.machine_agent(&mut partition, &id).await;

    // The stream of the old boot ends, and with it the waiting.
    let ended = within(parked.message()).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    world.until(|snapshot| !snapshot.machines.get(&id).unwrap().waiting).await;
    assert_eq!(old.event(&id, "Alive").await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(old.wait(&id).await.unwrap_err().code(), Code::Unauthenticated);
    let renew = proto::RenewRequest { csr_pem: pki::request().unwrap().csr_pem };
    assert_eq!(within(old.join.renew(renew.clone())).await.unwrap_err().code(), Code::Unauthenticated);

    new.event(&id, "Preparing").await.unwrap();
    within(new.join.renew(renew)).await.unwrap();
    world.stop().await;
}
