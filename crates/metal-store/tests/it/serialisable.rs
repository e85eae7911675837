//! Concurrent random transactions on several replicas, and the proof that they might as well have run one after
//! the other.

use std::sync::Arc;
use std::time::Instant;

use metal_store::{Changes, Revision, Store, TransactError, Write};

use crate::history::{self, Done, Value};
use crate::registers::Registers;
use crate::target::{Random, Target, soak};

crate::on_both_engines!(histories_are_strictly_serialisable);

const CLIENTS: u64 = 12;
const KEYS: u64 = 8;

type Seen = Vec<(String, Value)>;

async fn histories_are_strictly_serialisable(target: Target) {
    let replicas = target.replicas(3).await;
    let before = replicas[0].snapshot().revision;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let store = replicas[usize::try_from(client).unwrap() % replicas.len()].clone();
        clients.spawn(run_client(store, client, 40 * soak()));
    }
    let history: Vec<Done> = clients.join_all().await.into_iter().flatten().collect();
    let written = history.iter().filter(|done| !done.writes.is_empty()).count() as u64;
    let expected = history::check(history, before);
    for store in &replicas {
        let fresh = store.fresh().await.unwrap();
        assert_eq!(fresh.revision, before + written);
        fresh.state.check_index();
        let found = fresh.state.all().into_iter().map(|(key, _, text)| (key, text)).collect();
        assert_eq!(expected, found);
    }
    for store in replicas {
        store.close().await;
    }
    let reopened = target.open().await;
    assert_eq!(reopened.snapshot().revision, before + written, "what was acknowledged is durable");
    let found = reopened.snapshot().state.all().into_iter().map(|(key, _, text)| (key, text)).collect();
    assert_eq!(expected, found);
    reopened.close().await;
}

async fn run_client(store: Store<Registers>, client: u64, transactions: u64) -> Vec<Done> {
    let mut random = Random::new(client + 1);
    let mut history = Vec::new();
    for number in 0..transactions {
        let (reads, writes) = (pick(&mut random, 3), pick(&mut random, 2));
        let tag: Arc<str> = format!("{client}-{number}").into();
        let done = match random.below(8) {
            0 => refuse(&store, reads).await,
            1 => transact(&store, reads, Vec::new(), tag, false).await,
            kind => transact(&store, reads, writes, tag, kind == 2).await,
        };
        history.push(done);
    }
    history
}

fn pick(random: &mut Random, count: u64) -> Vec<String> {
    (0..=random.below(count)).map(|_| format!("register/{}", random.below(KEYS))).collect()
}

fn look(state: &Registers, keys: &[String]) -> Seen {
    keys.iter().map(|key| (key.clone(), state.text(key))).collect()
}

async fn transact(
    store: &Store<Registers>,
    reads: Vec<String>,
    writes: Vec<String>,
    tag: Arc<str>,
    delete: bool,
) -> Done {
    let started = Instant::now();
    let decide = move |state: &Registers, _: Revision| {
        let mut changes = Changes::default();
        let mut wrote: Seen = Vec::new();
        let mut keys = writes.clone();
        keys.sort();
        keys.dedup();
        for key in keys {
            match (delete, metal_store::State::get(state, &key)) {
                (true, Some((seen, _))) => {
                    changes.writes.insert(key.clone(), Write::Delete { seen });
                    wrote.push((key, None));
                }
                (true, None) => {}
                (false, _) => {
                    state.set(&mut changes, &key, tag.clone());
                    wrote.push((key, Some(tag.clone())));
                }
            }
        }
        Ok::<_, std::convert::Infallible>((changes, (look(state, &reads), wrote)))
    };
    let done = store.transact("random", decide).await.expect("a random transaction commits");
    let (reads, writes) = done.value;
    Done { started, ended: Instant::now(), revision: done.revision, reads, writes }
}

/// A refusal tells what it has read too, so that has to be as true as a commit.
async fn refuse(store: &Store<Registers>, reads: Vec<String>) -> Done {
    let started = Instant::now();
    let decide = move |state: &Registers, revision: Revision| {
        Err::<(Changes<Arc<str>>, ()), _>((revision, look(state, &reads)))
    };
    match store.transact("refuse", decide).await {
        Err(TransactError::Refused((revision, reads))) => {
            Done { started, ended: Instant::now(), revision, reads, writes: Vec::new() }
        }
        other => panic!("expected a refusal, got {:?}", other.map(|done| done.revision).map_err(drop)),
    }
}
