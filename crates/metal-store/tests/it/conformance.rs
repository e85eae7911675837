//! What a caller may rely on, whatever the engine.

use std::sync::Arc;

use metal_store::{Changes, Revision, State as _, Store, TransactError, Write};

use crate::registers::Registers;
use crate::target::{Target, set, soak};

crate::on_both_engines!(
    a_create_happens_once,
    a_fresh_read_sees_what_was_acknowledged,
    expectations_are_checked_for_all_documents_together,
    a_refusal_or_nothing_to_do_writes_nothing,
    a_panic_is_the_callers_problem_alone,
    everything_is_there_after_opening_again,
    closing_finishes_what_was_accepted,
    concurrent_transactions_share_commits,
    documents_carry_the_revision_that_wrote_them,
);

type Answer<T> = Result<metal_store::Committed<T>, TransactError<String>>;

/// Commits writes prepared elsewhere, blindly.
async fn commit(store: &Store<Registers>, writes: Vec<(&str, Write<Arc<str>>)>) -> Answer<()> {
    let writes = writes.into_iter().map(|(key, write)| (key.to_owned(), write)).collect();
    let changes = Changes { writes };
    store.transact("blind", move |_: &Registers, _| Ok((changes.clone(), ()))).await
}

/// Handlers are spawned, so everything they wait for must be able to move between threads.
#[tokio::test]
async fn futures_can_be_spawned() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let target = Target::embedded();
    let store = movable(target.open()).await;
    movable(commit(&store, Vec::new())).await.unwrap();
    movable(store.fresh()).await.unwrap();
    movable(store.clone());
    let mut feed = store.watch(None).unwrap();
    drop(movable(feed.next()));
    drop(movable(feed.into_stream()));
    movable(store.close()).await;
}

async fn a_create_happens_once(target: Target) {
    let replicas = target.replicas(2).await;
    for round in 0..5 * soak() {
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..16_usize {
            let store = replicas[racer % replicas.len()].clone();
            racers.spawn(async move {
                let key = format!("unique/{round}");
                let won = commit(&store, vec![(&key, Write::Create(racer.to_string().into()))]).await;
                (racer, won)
            });
        }
        let results = racers.join_all().await;
        let winners: Vec<_> =
            results.iter().filter(|(_, won)| won.is_ok()).map(|(racer, _)| racer.to_string()).collect();
        assert_eq!(winners.len(), 1, "exactly one creates");
        for (_, lost) in results.iter().filter(|(_, won)| won.is_err()) {
            assert!(
                matches!(lost, Err(TransactError::Conflict { expected: None, found: Some(_), .. })),
                "{lost:?}"
            );
        }
        let fresh = replicas[1].fresh().await.unwrap();
        assert_eq!(fresh.state.text(&format!("unique/{round}")).as_deref(), Some(winners[0].as_str()));
    }
    for store in replicas {
        store.close().await;
    }
}

async fn a_fresh_read_sees_what_was_acknowledged(target: Target) {
    let replicas = target.replicas(2).await;
    for round in 0..30 * soak() {
        let (writer, reader) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let revision = set(&replicas[writer], "register", &round.to_string()).await;
        let readers = (0..4).map(|_| replicas[reader].fresh());
        for fresh in futures::future::join_all(readers).await {
            let fresh = fresh.unwrap();
            assert!(fresh.revision >= revision);
            assert_eq!(fresh.state.number("register"), round);
        }
    }
    for store in replicas {
        store.close().await;
    }
}

async fn expectations_are_checked_for_all_documents_together(target: Target) {
    let store = target.open().await;
    let first = set(&store, "a", "1").await;
    let stale = first + 7;
    let good = || ("b", Write::Create("never".into()));
    let wrong = [
        Write::Create("x".into()),
        Write::Update { seen: stale, doc: "x".into() },
        Write::Delete { seen: stale },
    ];
    for write in wrong {
        let refused = commit(&store, vec![("a", write), good()]).await;
        let Err(TransactError::Conflict { key, found, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!((key.as_str(), *found), ("a", Some(first)));
    }
    let absent = commit(&store, vec![("c", Write::Delete { seen: 1 }), good()]).await;
    assert!(
        matches!(absent, Err(TransactError::Conflict { expected: Some(1), found: None, .. })),
        "{absent:?}"
    );
    let fresh = store.fresh().await.unwrap();
    assert_eq!(fresh.revision, first, "a refused transaction takes no revision");
    assert_eq!(fresh.state.text("b"), None);
    let deleted = commit(&store, vec![("a", Write::Delete { seen: first }), good()]).await.unwrap();
    assert_eq!(deleted.revision, first + 1);
    assert_eq!(store.snapshot().state.all().len(), 1);
    store.close().await;
}

async fn a_refusal_or_nothing_to_do_writes_nothing(target: Target) {
    let store = target.open().await;
    let revision = set(&store, "a", "1").await;
    let refused: Answer<()> = store.transact("refuse", |_: &Registers, _| Err("no".to_owned())).await;
    assert!(matches!(refused, Err(TransactError::Refused(why)) if why == "no"));
    let read: Answer<u64> =
        store.transact("read", |state: &Registers, _| Ok((Changes::default(), state.number("a")))).await;
    let read = read.unwrap();
    assert_eq!((read.revision, read.value), (revision, 1));
    assert_eq!(store.snapshot().revision, revision);
    store.close().await;
}

async fn a_panic_is_the_callers_problem_alone(target: Target) {
    let store = target.open().await;
    let bad: Answer<()> = store.transact("bad", |_: &Registers, _: Revision| panic!("found a bug")).await;
    let Err(TransactError::Panicked { name, message }) = bad else { panic!("{bad:?}") };
    assert_eq!((name, message.as_str()), ("bad", "found a bug"));
    assert_eq!(set(&store, "a", "1").await, 1);
    store.close().await;
}

async fn everything_is_there_after_opening_again(target: Target) {
    let store = target.open().await;
    for number in 0..50 {
        set(&store, &format!("key/{number}"), &number.to_string()).await;
    }
    let before = store.snapshot();
    store.close().await;
    let again = target.open().await;
    let after = again.snapshot();
    assert_eq!((after.revision, after.state.all()), (before.revision, before.state.all()));
    after.state.check_index();
    assert_eq!(set(&again, "key/1", "new").await, before.revision + 1);
    again.close().await;
}

async fn closing_finishes_what_was_accepted(target: Target) {
    let store = target.open().await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        callers.spawn(async move {
            let key = format!("key/{number}");
            (number, commit(&store, vec![(&key, Write::Create("x".into()))]).await)
        });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let results = callers.join_all().await;
    assert!(matches!(commit(&store, Vec::new()).await, Err(TransactError::Closed)));
    assert!(store.fault().is_some());
    let again = target.open().await;
    for (number, result) in results {
        let there = again.snapshot().state.text(&format!("key/{number}")).is_some();
        match result {
            Ok(_) => assert!(there, "acknowledged"),
            Err(TransactError::Closed) => assert!(!there, "refused"),
            Err(other) => panic!("{other:?}"),
        }
    }
    again.close().await;
    target.tasks.close();
    target.tasks.wait().await;
}

async fn concurrent_transactions_share_commits(target: Target) {
    let store = target.open().await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..256 {
        let store = store.clone();
        callers.spawn(async move {
            // All count in the same register, so every one of them depends on the one before.
            let counted: Answer<u64> = store
                .transact("count", move |state: &Registers, _| {
                    let mut changes = Changes::default();
                    let next = state.number("count") + 1;
                    state.set(&mut changes, "count", next.to_string());
                    state.set(&mut changes, &format!("caller/{caller}"), next.to_string());
                    Ok((changes, next))
                })
                .await;
            counted.unwrap().value
        });
    }
    let mut counted = callers.join_all().await;
    counted.sort_unstable();
    assert_eq!(counted, (1..=256).collect::<Vec<_>>());
    let stats = store.stats();
    assert_eq!(stats.commits, 256);
    assert!(stats.groups < 128, "{} groups for 256 concurrent transactions", stats.groups);
    assert_eq!(stats.queue, 0);
    store.close().await;
}

async fn documents_carry_the_revision_that_wrote_them(target: Target) {
    let store = target.open().await;
    let both = commit(&store, vec![("a", Write::Create("1".into())), ("b", Write::Create("1".into()))])
        .await
        .unwrap();
    let one = set(&store, "b", "2").await;
    for state in [store.snapshot().state.clone(), target_reopen_state(&target, store).await] {
        assert_eq!(state.get("a").unwrap().0, both.revision);
        assert_eq!(state.get("b").unwrap().0, one);
    }
}

async fn target_reopen_state(target: &Target, store: Store<Registers>) -> Registers {
    store.close().await;
    let again = target.open().await;
    let state = again.snapshot().state.clone();
    again.close().await;
    state
}
