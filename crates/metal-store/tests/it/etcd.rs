//! What only a cluster can do to a store: limits, compaction, foreign keys, newer formats, and being away.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::Client;
use metal_store::{Changes, FreshError, OpenError, Store, TransactError, Write};

use crate::chaos::Proxy;
use crate::registers::Registers;
use crate::server;
use crate::target::{Target, set};

async fn create_many(
    store: &Store<Registers>,
    name: &str,
    count: usize,
    bytes: usize,
) -> Result<u64, TransactError<()>> {
    let text: Arc<str> = "x".repeat(bytes).into();
    let writes = (0..count).map(|number| (format!("{name}/{number}"), Write::Create(text.clone()))).collect();
    let changes = Changes { writes };
    store.transact("many", move |_: &Registers, _| Ok((changes.clone(), ()))).await.map(|done| done.revision)
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_over_the_limits_are_refused_before_anything_is_written() {
    let target = Target::etcd();
    let store = target.open().await;
    let limits = |error: TransactError<()>| match error {
        TransactError::TooLarge { operations, max_operations, max_bytes, .. } => {
            (operations, max_operations, max_bytes)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(limits(create_many(&store, "over", 128, 1).await.unwrap_err()), (128, 127, 1_400_000));
    assert_eq!(limits(create_many(&store, "heavy", 2, 800_000).await.unwrap_err()).0, 2);
    assert_eq!(store.fresh().await.unwrap().revision, 0);
    create_many(&store, "most", 127, 1).await.expect("exactly the limit goes through a real etcd");
    create_many(&store, "heaviest", 1, 1_399_000).await.expect("so does almost all of a request");
    create_many(&store, "both", 127, 10_800).await.expect("and both together");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_during_a_compaction_catches_up() {
    let proxy = Proxy::start().await;
    let target = Target::etcd();
    let here = target.open().await;
    for number in 0..10 {
        set(&here, &format!("key/{number}"), "old").await;
    }
    let mut away_target = Target::etcd();
    let mut config = target.etcd_config().clone();
    config.endpoints = vec![proxy.endpoint.clone()];
    away_target.config = metal_store::EngineConfig::Etcd(config);
    let away = away_target.open().await;
    let mut feed = away.watch(None).unwrap();
    proxy.set_open(false);
    proxy.cut();
    set(&here, "key/1", "new").await;
    set(&here, "key/new", "new").await;
    let gone = here.snapshot().state.all().into_iter().find(|(key, _, _)| key == "key/2").unwrap();
    let changes = Changes { writes: [("key/2".to_owned(), Write::Delete { seen: gone.1 })].into() };
    let last =
        here.transact("delete", move |_: &Registers, _| Ok::<_, ()>((changes.clone(), ()))).await.unwrap();
    let mut client = Client::connect([server::shared()], None).await.unwrap();
    let head = format!("{}/head", target.etcd_config().prefix);
    let now = client.get(head, None).await.unwrap().header().unwrap().revision();
    client.compact(now, None).await.unwrap();
    assert_eq!(away.snapshot().revision, 10);
    proxy.set_open(true);
    let read =
        away.transact("read", |state: &Registers, _| Ok::<_, ()>((Changes::default(), state.text("key/1"))));
    let read = read.await.unwrap();
    assert_eq!((read.revision, read.value.as_deref()), (last.revision, Some("new")), "reading is no excuse");
    let fresh = away.fresh().await.unwrap();
    assert_eq!(fresh.revision, last.revision);
    assert_eq!(fresh.state.all(), here.snapshot().state.all());
    fresh.state.check_index();
    let commit = feed.next().await.unwrap();
    let keys: Vec<_> = commit.changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!((commit.revision, keys), (13, vec!["key/1", "key/new", "key/2"]));
    set(&away, "key/3", "from here").await;
    here.close().await;
    away.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_is_an_error_and_not_a_hang() {
    let proxy = Proxy::start().await;
    let mut target = Target::etcd_at(vec![proxy.endpoint.clone()]);
    target.options.deadline = Duration::from_secs(2);
    target.options.request_timeout = Duration::from_secs(1);
    let store = target.open().await;
    set(&store, "a", "1").await;
    proxy.set_open(false);
    proxy.cut();
    let fresh = store.fresh().await.expect_err("unreachable");
    assert!(matches!(fresh, FreshError::Unavailable(_)), "{fresh:?}");
    let failed = create_many(&store, "b", 1, 1).await.unwrap_err();
    assert!(matches!(failed, TransactError::Unavailable(_) | TransactError::Unknown(_)), "{failed:?}");
    assert_eq!(store.snapshot().state.number("a"), 1, "the last snapshot stays readable");
    let error = target.try_open().await.err().expect("unreachable");
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    proxy.set_open(true);
    while let Err(error) = create_many(&store, "c", 1, 1).await {
        assert!(matches!(error, TransactError::Unavailable(_) | TransactError::Unknown(_)), "{error:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_newer_prefixes_are_refused() {
    let mut client = Client::connect([server::shared()], None).await.unwrap();
    let foreign = Target::etcd();
    client.put(format!("{}/whatever", foreign.etcd_config().prefix), "x", None).await.unwrap();
    let error = foreign.try_open().await.err().expect("foreign");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    let newer = Target::etcd();
    newer.open().await.close().await;
    let meta = format!("{}/meta", newer.etcd_config().prefix);
    let text = client.get(meta.as_str(), None).await.unwrap().kvs()[0].value_str().unwrap().to_owned();
    let text = text.replace("\"format\":1,\"oldest_reader\":1", "\"format\":9,\"oldest_reader\":8");
    client.put(meta, text, None).await.unwrap();
    let error = newer.try_open().await.err().expect("newer");
    assert!(matches!(error, OpenError::NewerFormat { stored: 9, known: 1, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stops_when_somebody_else_writes_its_documents() {
    let target = Target::etcd();
    let store = target.open().await;
    set(&store, "a", "1").await;
    let mut client = Client::connect([server::shared()], None).await.unwrap();
    client.put(format!("{}/doc/b", target.etcd_config().prefix), "by hand", None).await.unwrap();
    let mut feed = store.watch(None).unwrap();
    // The only way to see it is to wait for it: the replica hears of the key through its watch.
    while store.fault().is_none() {
        let _ = tokio::time::timeout(Duration::from_millis(5), feed.next()).await;
    }
    assert!(matches!(store.fresh().await, Err(FreshError::Broken(_))));
    assert!(matches!(create_many(&store, "c", 1, 1).await, Err(TransactError::Unavailable(_))));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_replica_does_not_starve_another() {
    let target = Target::etcd();
    let replicas = target.replicas(2).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut busy = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (store, stop) = (replicas[0].clone(), stop.clone());
        busy.spawn(async move {
            let mut count = 0_u64;
            while !stop.is_cancelled() {
                set(&store, &format!("busy/{writer}"), &count.to_string()).await;
                count += 1;
            }
            count
        });
    }
    let mut seen = replicas[1].watch(None).unwrap();
    seen.next().await.unwrap();
    for number in 0..20 {
        set(&replicas[1], "quiet", &number.to_string()).await;
    }
    stop.cancel();
    let counts = busy.join_all().await;
    println!("20 transactions beside {counts:?}: {:?}", replicas[1].stats());
    for store in replicas {
        store.close().await;
    }
}
