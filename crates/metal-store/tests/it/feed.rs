//! The change feed: all commits, in order, each change with its true before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use metal_store::{Changes, Feed, FeedError, Revision, State as _, Store, WatchError, Write};

use crate::registers::Registers;
use crate::target::{Random, Target, set, soak};

crate::on_both_engines!(
    the_feed_has_no_gaps,
    a_feed_resumes_where_another_ended,
    a_slow_consumer_is_told,
    a_feed_ends_with_the_store,
);

/// Follows a feed until `last` and replays it.
async fn replay(mut feed: Feed<Registers>, last: Revision) -> BTreeMap<String, Arc<str>> {
    let mut registers: BTreeMap<String, Arc<str>> = BTreeMap::new();
    while feed.revision() < last {
        let before = feed.revision();
        let commit = feed.next().await.expect("the feed goes on");
        assert!(commit.revision > before, "revisions grow");
        for change in &commit.changes {
            assert_eq!(
                registers.get(&change.key),
                change.old.as_ref(),
                "{} before {}",
                change.key,
                commit.revision
            );
            match &change.new {
                Some(text) => registers.insert(change.key.clone(), text.clone()),
                None => registers.remove(&change.key),
            };
        }
    }
    registers
}

/// Random sets and deletes of a few registers.
async fn churn(store: Store<Registers>, seed: u64, times: u64) {
    let mut random = Random::new(seed);
    for number in 0..times {
        let (key, delete) = (format!("register/{}", random.below(5)), random.below(4) == 0);
        let done = store.transact("churn", move |state: &Registers, _| {
            let mut changes = Changes::default();
            match state.get(&key) {
                Some((seen, _)) if delete => {
                    changes.writes.insert(key.clone(), Write::Delete { seen });
                }
                _ => state.set(&mut changes, &key, format!("{seed}-{number}")),
            }
            Ok::<_, std::convert::Infallible>((changes, ()))
        });
        done.await.unwrap();
    }
}

async fn the_feed_has_no_gaps(target: Target) {
    let replicas = target.replicas(2).await;
    let feeds: Vec<_> = replicas.iter().map(|store| store.watch(Some(0)).unwrap()).collect();
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..8_usize {
        writers.spawn(churn(replicas[seed % 2].clone(), seed as u64 + 1, 25 * soak()));
    }
    writers.join_all().await;
    let end = replicas[0].fresh().await.unwrap();
    let expected: BTreeMap<_, _> = end.state.all().into_iter().map(|(key, _, text)| (key, text)).collect();
    for feed in feeds {
        assert_eq!(replay(feed, end.revision).await, expected);
    }
    for store in replicas {
        store.close().await;
    }
}

async fn a_feed_resumes_where_another_ended(target: Target) {
    let store = target.open().await;
    for number in 1..=10 {
        set(&store, "register", &number.to_string()).await;
    }
    let mut resumed = store.watch(Some(6)).unwrap();
    for expected in 7..=10_u64 {
        let commit = resumed.try_next().unwrap().expect("is there");
        assert_eq!(commit.revision, expected);
        assert_eq!(commit.changes[0].new.as_deref(), Some(expected.to_string().as_str()));
        assert_eq!(commit.changes[0].old.as_deref(), Some((expected - 1).to_string().as_str()));
    }
    assert!(resumed.try_next().unwrap().is_none());
    assert_eq!(store.watch(Some(11)).err(), Some(WatchError::Ahead { after: 11, latest: 10 }));
    let mut from_now = Box::pin(store.watch(None).unwrap().into_stream());
    set(&store, "register", "11").await;
    assert_eq!(from_now.next().await.unwrap().unwrap().revision, 11);
    store.close().await;
    let again = target.open().await;
    assert_eq!(again.watch(Some(10)).err(), Some(WatchError::TooOld { after: 10, oldest: 11 }));
    again.close().await;
}

async fn a_slow_consumer_is_told(mut target: Target) {
    target.options.feed_commits = 4;
    let store = target.open().await;
    let mut slow = store.watch(None).unwrap();
    for number in 1..=10 {
        set(&store, "register", &number.to_string()).await;
    }
    assert_eq!(slow.next().await.err(), Some(FeedError::Lagged { last: 0 }));
    assert_eq!(store.watch(Some(3)).err(), Some(WatchError::TooOld { after: 3, oldest: 6 }));
    let mut kept = store.watch(Some(6)).unwrap();
    assert_eq!(kept.next().await.unwrap().revision, 7);
    store.close().await;
}

async fn a_feed_ends_with_the_store(target: Target) {
    let store = target.open().await;
    let mut feed = store.watch(None).unwrap();
    set(&store, "register", "1").await;
    store.close().await;
    assert_eq!(feed.next().await.unwrap().revision, 1, "what was committed is delivered");
    assert_eq!(feed.next().await.err(), Some(FeedError::Closed));
}
