//! Dump and restore: from any engine to any engine, and never half or altered without being told.

use metal_store::{OpenError, RestoreError, State as _, restore};

use crate::registers::Registers;
use crate::target::{Target, set};

/// A dump of a store with a few documents, and what it holds.
async fn dumped(target: &Target) -> (Vec<u8>, Vec<(String, u64, std::sync::Arc<str>)>, u64) {
    let store = target.open().await;
    for number in 0..300 {
        set(&store, &format!("key/{number}"), &format!("text \"{number}\" \u{1F600}\n")).await;
    }
    set(&store, "key/7", &"long ".repeat(50_000)).await;
    let mut dump = Vec::new();
    let summary = store.dump(&mut dump).unwrap();
    let snapshot = store.snapshot();
    assert_eq!((summary.revision, summary.documents), (snapshot.revision, 300));
    store.close().await;
    (dump, snapshot.state.all(), snapshot.revision)
}

async fn move_over(from: Target, to: Target) {
    let (dump, documents, revision) = dumped(&from).await;
    let summary = restore::<Registers>(to.config.clone(), dump.as_slice()).await.unwrap();
    assert_eq!((summary.revision, summary.documents), (revision, 300));
    let store = to.open().await;
    let snapshot = store.snapshot();
    assert_eq!((snapshot.revision, snapshot.state.all()), (revision, documents));
    let mut again = Vec::new();
    store.dump(&mut again).unwrap();
    assert!(again == dump, "the same store gives the same dump, byte for byte");
    assert_eq!(set(&store, "new", "1").await, revision + 1, "revisions go on");
    store.close().await;
    let full = restore::<Registers>(to.config.clone(), dump.as_slice()).await;
    assert!(matches!(full, Err(RestoreError::NotEmpty { .. })), "{full:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_embedded_to_etcd() {
    move_over(Target::embedded(), Target::etcd()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_etcd_to_embedded() {
    move_over(Target::etcd(), Target::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_dumps_are_refused_and_leave_an_empty_store() {
    let (dump, _, _) = dumped(&Target::embedded()).await;
    let text = String::from_utf8(dump.clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let without_trailer = lines[..lines.len() - 1].join("\n") + "\n";
    let without_one = [&lines[..5], &lines[6..]].concat().join("\n") + "\n";
    let altered = text.replacen("key/11", "key/xx", 1);
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let unknown = text.replacen("key/0", "unknown/0", 1);
    type Expected = fn(&RestoreError) -> bool;
    let cases: [(&str, &[u8], Expected); 8] = [
        ("cut in the middle", &dump[..dump.len() / 2], |e| matches!(e, RestoreError::Truncated { .. })),
        ("without its trailer", without_trailer.as_bytes(), |e| matches!(e, RestoreError::Truncated { .. })),
        ("without its last byte", &dump[..dump.len() - 1], |e| matches!(e, RestoreError::Truncated { .. })),
        ("empty", b"", |e| matches!(e, RestoreError::Truncated { .. })),
        ("without one document", without_one.as_bytes(), |e| matches!(e, RestoreError::Damaged { .. })),
        ("altered", altered.as_bytes(), |e| {
            matches!(e, RestoreError::Damaged { .. } | RestoreError::Malformed { .. })
        }),
        ("of a newer release", newer.as_bytes(), |e| {
            matches!(e, RestoreError::NewerFormat { found: 2, known: 1 })
        }),
        ("with an unknown document", unknown.as_bytes(), |e| {
            matches!(e, RestoreError::Document(_) | RestoreError::Malformed { .. })
        }),
    ];
    let target = Target::embedded();
    for (name, bytes, expected) in cases {
        let error = restore::<Registers>(target.config.clone(), bytes).await.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        let store = target.open().await;
        assert_eq!((store.snapshot().revision, store.snapshot().state.all().len()), (0, 0), "{name}");
        store.close().await;
    }
    restore::<Registers>(target.config.clone(), dump.as_slice()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_restore_into_etcd_does_not_open_until_it_is_repeated() {
    let (dump, documents, revision) = dumped(&Target::embedded()).await;
    let target = Target::etcd();
    let live = target.open().await;
    let half = restore::<Registers>(target.config.clone(), &dump[..dump.len() * 2 / 3]).await;
    assert!(matches!(half, Err(RestoreError::Truncated { .. })), "{half:?}");
    let error = target.try_open().await.err().expect("half restored");
    assert!(matches!(error, OpenError::HalfRestored { .. }), "{error:?}");
    assert!(live.fresh().await.is_err(), "a replica that was running does not go on with half a store");
    live.close().await;
    restore::<Registers>(target.config.clone(), dump.as_slice()).await.unwrap();
    let store = target.open().await;
    assert_eq!((store.snapshot().revision, store.snapshot().state.all()), (revision, documents));
    assert!(store.snapshot().state.get("key/7").is_some());
    store.close().await;
}
