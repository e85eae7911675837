//! Faults that only a made-up disk can produce on command: writes that fail before or after they have reached
//! it, and a disk that is away for a while. And the migration of a store in an older format.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Builder, StorageBackend};

use super::Place;
use crate::config::Options;
use crate::error::{OpenError, TransactError};
use crate::migrate::{Formats, Migration};
use crate::registers::Registers;
use crate::stored;
use crate::{Changes, Store};

/// What the disk does.
#[repr(u8)]
enum Mood {
    Fine,
    /// Writes fail.
    Full,
    /// Everything is written, and the sync says that it was not.
    Lying,
    /// Nothing works, not even opening.
    Away,
}

/// A disk in memory that survives being closed.
#[derive(Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    mood: Arc<AtomicU8>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }

    fn place(&self) -> Place {
        let disk = self.clone();
        Place::Backend(Box::new(move || {
            if disk.is(Mood::Away) {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Builder::new().create_with_backend(disk.clone())
        }))
    }

    fn check(&self, is_write: bool) -> io::Result<()> {
        match is_write {
            _ if self.is(Mood::Away) => Err(io::Error::from(io::ErrorKind::NotFound)),
            true if self.is(Mood::Full) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    async fn open(&self) -> Store<Registers> {
        Store::open_embedded(self.place(), Options::default(), Formats::RELEASE).await.unwrap()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(false)?;
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock().unwrap()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(true)?;
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check(true)?;
        if self.is(Mood::Lying) {
            // Once: the file can be opened and asked afterwards.
            self.set(Mood::Fine);
            return Err(io::Error::other("lost"));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(true)?;
        let start = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

async fn set(
    store: &Store<Registers>,
    key: &'static str,
    text: &'static str,
) -> Result<u64, TransactError<()>> {
    let done = store.transact("set", move |state: &Registers, _| {
        let mut changes = Changes::default();
        state.set(&mut changes, key, text);
        Ok((changes, ()))
    });
    done.await.map(|done| done.revision)
}

#[tokio::test]
async fn a_full_disk_is_told_and_writing_goes_on_when_there_is_room() {
    let disk = Disk::default();
    let store = disk.open().await;
    assert_eq!(set(&store, "a", "1").await.unwrap(), 1);
    disk.set(Mood::Full);
    for _ in 0..3 {
        let failed = set(&store, "a", "2").await;
        assert!(
            matches!(failed, Err(TransactError::Unavailable(_) | TransactError::Unknown(_))),
            "{failed:?}"
        );
        assert_eq!(store.snapshot().state.text("a").as_deref(), Some("1"));
    }
    disk.set(Mood::Fine);
    assert_eq!(set(&store, "a", "3").await.unwrap(), 2);
    store.close().await;
    let again = disk.open().await;
    assert_eq!((again.snapshot().revision, again.snapshot().state.text("a").as_deref()), (2, Some("3")));
}

#[tokio::test]
async fn a_commit_that_was_written_and_reported_lost_is_found() {
    let disk = Disk::default();
    let store = disk.open().await;
    set(&store, "a", "1").await.unwrap();
    disk.set(Mood::Lying);
    let answer = set(&store, "a", "2").await;
    let expected = match answer {
        Ok(2) => "2",
        Err(TransactError::Unavailable(_)) => "1",
        other => panic!("{other:?}"),
    };
    assert_eq!(store.snapshot().state.text("a").as_deref(), Some(expected));
    store.close().await;
    let again = disk.open().await;
    assert_eq!(again.snapshot().state.text("a").as_deref(), Some(expected), "the answer was true");
}

#[tokio::test]
async fn an_unresolved_commit_is_unknown_and_resolved_later() {
    let disk = Disk::default();
    let store = disk.open().await;
    set(&store, "a", "1").await.unwrap();
    let mut feed = store.watch(None).unwrap();
    disk.set(Mood::Away);
    let unknown = set(&store, "a", "2").await;
    assert!(matches!(unknown, Err(TransactError::Unknown(_))), "{unknown:?}");
    let refused = set(&store, "b", "1").await;
    assert!(matches!(refused, Err(TransactError::Unavailable(_))), "{refused:?}");
    let read =
        store.transact("read", |state: &Registers, _| Ok::<_, ()>((Changes::default(), state.text("a"))));
    assert_eq!(read.await.unwrap().value.as_deref(), Some("1"), "what is durable can be read all the time");
    disk.set(Mood::Fine);
    let next = set(&store, "b", "2").await.unwrap();
    let state = store.snapshot().state.clone();
    store.close().await;
    let again = disk.open().await;
    assert_eq!((again.snapshot().revision, again.snapshot().state.all()), (next, state.all()));
    assert_eq!(state.number("b"), 2);
    state.check_index();
    while feed.revision() < next {
        feed.next().await.expect("the feed has everything that became durable");
    }
}

/// Format 2 of these tests writes an exclamation mark behind every document.
fn exclaim(_: &str, value: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let (revision, document) = stored::split(value)?;
    let mut document = document.to_vec();
    document.push(b'!');
    Ok(Some(stored::encode(revision, &document)))
}

fn fail(key: &str, _: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if key == "b" { Err("no idea".to_owned()) } else { Ok(Some(Vec::new())) }
}

const NEXT: Formats =
    Formats { current: 2, migrations: &[Migration { to: 2, oldest_reader: 2, step: exclaim }] };
const BROKEN: Formats =
    Formats { current: 2, migrations: &[Migration { to: 2, oldest_reader: 2, step: fail }] };

#[tokio::test]
async fn an_older_store_is_migrated_once_and_then_too_new_for_the_older_release() {
    let dir = tempfile::tempdir().unwrap();
    let place = || Place::Directory(dir.path().join("store"));
    let open = |formats| Store::<Registers>::open_embedded(place(), Options::default(), formats);
    let old = open(Formats::RELEASE).await.unwrap();
    set(&old, "a", "one").await.unwrap();
    set(&old, "b", "two").await.unwrap();
    old.close().await;

    let failed = open(BROKEN).await.err().expect("the step fails");
    assert!(
        matches!(&failed, OpenError::Migration { to: 2, why, .. } if why.contains("no idea")),
        "{failed:?}"
    );
    let old = open(Formats::RELEASE).await.expect("a failed migration leaves the old format");
    assert_eq!(old.snapshot().state.text("a").as_deref(), Some("one"));
    old.close().await;

    for _ in 0..2 {
        let new = open(NEXT).await.unwrap();
        let (state, revision) = (new.snapshot().state.clone(), new.snapshot().revision);
        assert_eq!((state.text("a").as_deref(), state.text("b").as_deref()), (Some("one!"), Some("two!")));
        assert_eq!(revision, 2, "a migration is no transaction");
        assert_eq!(crate::State::get(&state, "b").unwrap().0, 2);
        new.close().await;
    }
    let refused = open(Formats::RELEASE).await.err().expect("too new");
    assert!(matches!(refused, OpenError::NewerFormat { stored: 2, known: 1, .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_prefix_in_etcd_is_migrated() {
    let tasks = tokio_util::task::TaskTracker::new();
    let spawn = |_: &'static str, task| {
        tasks.spawn(task);
    };
    let config = crate::EtcdConfig {
        endpoints: vec![crate::server::shared().to_owned()],
        prefix: "migrated".to_owned(),
        ..crate::EtcdConfig::default()
    };
    let open = |formats| Store::<Registers>::open_etcd(config.clone(), Options::default(), formats, &spawn);
    let old = open(Formats::RELEASE).await.unwrap();
    for part in 0..5 {
        let mut changes = Changes::default();
        for number in 0..50 {
            Registers::default().set(&mut changes, &format!("key/{part}/{number}"), "x");
        }
        old.transact("fill", move |_: &Registers, _| Ok::<_, ()>((changes.clone(), ()))).await.unwrap();
    }
    let revision = old.snapshot().revision;
    old.close().await;
    for _ in 0..2 {
        let new = open(NEXT).await.unwrap();
        let snapshot = new.snapshot();
        assert_eq!((snapshot.revision, snapshot.state.all().len()), (revision, 250));
        assert!(snapshot.state.all().iter().all(|(_, _, text)| &**text == "x!"));
        new.close().await;
    }
    let refused = open(Formats::RELEASE).await.err().expect("too new");
    assert!(matches!(refused, OpenError::NewerFormat { .. }), "{refused:?}");
}
