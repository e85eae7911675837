//! Files that are not what they should be, and disks that are full: a clear error, and nothing lost.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use metal_store::{Changes, EngineConfig, OpenError, Options, TransactError};
use tokio_util::task::TaskTracker;

use crate::registers::Registers;
use crate::target::{Target, open, set};

const FULL: &str = "METAL_STORE_FULL_DIR";

fn directory(target: &Target) -> PathBuf {
    match &target.config {
        EngineConfig::Embedded { dir } => dir.clone(),
        other => panic!("not embedded: {other:?}"),
    }
}

fn file(target: &Target) -> PathBuf {
    directory(target).join("store.redb")
}

/// A store with content, closed.
async fn filled() -> Target {
    let target = Target::embedded();
    let store = target.open().await;
    let text = "x".repeat(3000);
    for number in 0..200 {
        set(&store, &format!("key/{number}"), &text).await;
    }
    store.close().await;
    target
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let target = Target::embedded();
    let store = target.open().await;
    let second = target.try_open().await.err().expect("locked");
    assert!(matches!(second, OpenError::Locked { .. }), "{second:?}");
    assert!(second.to_string().contains(&format!("pid {}", std::process::id())), "{second}");
    set(&store, "a", "1").await;
    store.close().await;
    assert_eq!(target.open().await.snapshot().revision, 1);
}

#[tokio::test]
async fn foreign_files_are_left_alone() {
    let target = Target::embedded();
    fs::create_dir_all(directory(&target)).unwrap();
    let content = b"This is somebody's diary. ".repeat(1000);
    fs::write(file(&target), &content).unwrap();
    let error = target.try_open().await.err().expect("foreign");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(file(&target)).unwrap(), content);
}

#[tokio::test]
async fn a_redb_file_of_another_program_is_foreign() {
    let target = Target::embedded();
    fs::create_dir_all(directory(&target)).unwrap();
    let table = redb::TableDefinition::<u64, u64>::new("theirs");
    {
        let database = redb::Database::create(file(&target)).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(table).unwrap().insert(1, 2).unwrap();
        write.commit().unwrap();
    }
    let error = target.try_open().await.err().expect("foreign");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    let database = redb::Database::open(file(&target)).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    assert_eq!(read.open_table(table).unwrap().get(1).unwrap().unwrap().value(), 2);
}

#[tokio::test]
async fn truncated_files_are_refused_and_not_made_anew() {
    let target = filled().await;
    let whole = fs::read(file(&target)).unwrap();
    let lengths =
        [0, 5, 100, 4095, 4096, 5000, 64 << 10, whole.len() / 2, whole.len() - 4096, whole.len() - 1];
    for length in lengths {
        fs::write(file(&target), &whole[..length]).unwrap();
        let error =
            target.try_open().await.err().unwrap_or_else(|| panic!("{length} of {} bytes open", whole.len()));
        assert!(
            matches!(error, OpenError::Truncated { .. } | OpenError::Damaged { .. }),
            "{length}: {error:?}"
        );
        assert!(error.to_string().contains("store.redb"), "{length}: {error}");
    }
    fs::write(file(&target), &whole).unwrap();
    assert_eq!(target.open().await.snapshot().state.all().len(), 200);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let target = Target::embedded();
    let blocked = directory(&target).parent().unwrap().join("file");
    fs::write(&blocked, "").unwrap();
    let config = EngineConfig::Embedded { dir: blocked.join("store") };
    let error = open(&config, &Options::default(), &TaskTracker::new()).await.err().expect("not a directory");
    assert!(matches!(&error, OpenError::Io { path, .. } if path.starts_with(&blocked)), "{error:?}");
}

/// A limit on the size of files stands for a disk that is full: both refuse to let the file grow.
#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let target = Target::embedded();
    let itself = std::env::current_exe().unwrap();
    let limited =
        "trap '' XFSZ; ulimit -f 8192; exec \"$0\" --exact faults::full_child --ignored --nocapture";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(itself).env(FULL, directory(&target));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix("acknowledged ")).expect("the child reports");
    let acknowledged: usize = line.parse().unwrap();
    assert!(acknowledged > 5, "{acknowledged}");
    let store = target.open().await;
    let snapshot = store.snapshot();
    for number in 0..acknowledged {
        assert!(snapshot.state.text(&format!("big/{number}")).is_some(), "big/{number} was acknowledged");
    }
    assert_eq!(snapshot.state.all().len(), acknowledged, "and nothing else is there");
    set(&store, "after", "the disk has room again").await;
    store.close().await;
}

/// Fills the store under a limit. Does nothing unless the test above has started it.
#[tokio::test]
#[ignore = "started by another test of this file"]
async fn full_child() {
    let Ok(dir) = std::env::var(FULL) else { return };
    let config = EngineConfig::Embedded { dir: dir.into() };
    let store = open(&config, &Options::default(), &TaskTracker::new()).await.unwrap();
    let text: std::sync::Arc<str> = "x".repeat(100_000).into();
    let mut acknowledged = 0_usize;
    let error = loop {
        let (key, text) = (format!("big/{acknowledged}"), text.clone());
        let done = store.transact("fill", move |state: &Registers, _| {
            let mut changes = Changes::default();
            state.set(&mut changes, &key, text.clone());
            Ok::<_, std::convert::Infallible>((changes, ()))
        });
        match done.await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TransactError::Unavailable(_)), "{error:?}");
    assert_eq!(store.snapshot().state.all().len(), acknowledged, "the snapshot is what is durable");
    let read = store.transact("read", |state: &Registers, _| {
        Ok::<_, std::convert::Infallible>((Changes::default(), state.all().len()))
    });
    assert_eq!(read.await.unwrap().value, acknowledged, "reading goes on");
    println!("acknowledged {acknowledged}");
    store.close().await;
}
