//! Three members, the leader killed while two replicas write: writing resumes and nothing acknowledged is lost.

use std::time::Instant;

use etcd_client::Client;
use metal_store::{Changes, Store, TransactError, Write};
use tokio::sync::watch;

use crate::registers::Registers;
use crate::server::{Extra, Server};
use crate::target::Target;

/// Writes one document after the other until told to stop; gives the keys acknowledged.
async fn write_on(store: Store<Registers>, name: String, progress: watch::Sender<Vec<(Instant, String)>>) {
    for number in 0.. {
        let key = format!("{name}/{number}");
        let changes = Changes { writes: [(key.clone(), Write::Create(number.to_string().into()))].into() };
        let submitted = Instant::now();
        let done = store.transact("write", move |_: &Registers, _| Ok::<_, ()>((changes.clone(), ()))).await;
        match done {
            Ok(_) => progress.send_modify(|acknowledged| acknowledged.push((submitted, key))),
            Err(TransactError::Closed) => return,
            Err(error) => panic!("a cluster with a quorum loses no answer for good: {error:?}"),
        }
    }
}

async fn leader(members: &[Server]) -> usize {
    let mut client = Client::connect([members[0].endpoint.as_str()], None).await.unwrap();
    let leader = client.status().await.unwrap().leader();
    for (index, member) in members.iter().enumerate() {
        let mut client = Client::connect([member.endpoint.as_str()], None).await.unwrap();
        if client.status().await.unwrap().header().unwrap().member_id() == leader {
            return index;
        }
    }
    panic!("no member is the leader");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_resume_when_the_leader_is_killed() {
    let mut members = Server::cluster(3, &Extra::default());
    let first = leader(&members).await;
    // The leader first, so that the replicas have to find another member too.
    members.swap(0, first);
    let target = Target::etcd_at(members.iter().map(|member| member.endpoint.clone()).collect());
    let replicas = target.replicas(2).await;
    let mut writers = tokio::task::JoinSet::new();
    let mut progress = Vec::new();
    for (index, store) in replicas.iter().enumerate() {
        for writer in 0..2 {
            let (tx, rx) = watch::channel(Vec::new());
            progress.push(rx);
            writers.spawn(write_on(store.clone(), format!("{index}-{writer}"), tx));
        }
    }
    for writer in &mut progress {
        writer.wait_for(|acknowledged| acknowledged.len() >= 20).await.unwrap();
    }
    let killed = Instant::now();
    members[0].kill();
    let mut slowest = killed;
    for writer in &mut progress {
        let resumed = |acknowledged: &Vec<(Instant, String)>| {
            acknowledged.iter().filter(|(submitted, _)| *submitted > killed).count() >= 5
        };
        writer.wait_for(resumed).await.unwrap();
        slowest = slowest.max(Instant::now());
    }
    println!("all writers resumed {} ms after the leader was killed", (slowest - killed).as_millis());
    let fresh = replicas[0].fresh().await.unwrap();
    for store in replicas {
        store.close().await;
    }
    writers.join_all().await;
    let late = target.open().await;
    for (_, key) in progress.iter().flat_map(|writer| writer.borrow().clone()) {
        assert!(late.snapshot().state.text(&key).is_some(), "{key} was acknowledged");
    }
    assert!(late.snapshot().revision >= fresh.revision);
    late.snapshot().state.check_index();
    late.close().await;
}
