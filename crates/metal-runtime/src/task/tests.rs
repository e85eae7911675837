//! The promises of the task tree.

use super::*;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn tasks_that_watch_the_token_end_in_time() {
    let tree = TaskTree::root("test");
    let child = tree.child("child");
    for node in [&tree, &child] {
        let watched = node.clone();
        node.spawn_essential("worker", async move { watched.cancelled().await });
    }
    let report = tree.shutdown(LONG).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.ended, ["test/worker", "test/child/worker"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_listen_is_aborted_and_named() {
    let tree = TaskTree::root("test");
    tree.spawn("deaf", std::future::pending());
    let report = tree.shutdown(Duration::from_secs(5)).await;
    assert_eq!(report.aborted, ["test/deaf"]);
    assert!(tree.running().is_empty());
}

#[tokio::test]
async fn an_essential_task_that_ends_takes_the_tree_down() {
    let tree = TaskTree::root("test");
    tree.child("deep").spawn_essential("short", async {});
    tree.cancelled().await;
    let report = tree.shutdown(LONG).await;
    assert_eq!(report.faults, [Fault { task: "test/deep/short".to_owned(), what: FaultKind::EndedEarly }]);
}

#[tokio::test]
async fn an_essential_panic_takes_the_tree_down_and_is_told() {
    let tree = TaskTree::root("test");
    tree.spawn_essential("bad", async { panic!("no such luck") });
    tree.cancelled().await;
    let report = tree.shutdown(LONG).await;
    let what = FaultKind::Panicked("no such luck".to_owned());
    assert_eq!(report.faults, [Fault { task: "test/bad".to_owned(), what }]);
}

#[tokio::test]
async fn an_ordinary_panic_is_told_and_the_rest_goes_on() {
    let tree = TaskTree::root("test");
    tree.spawn("bad", async { panic!("oops") });
    tree.idle().await;
    assert!(!tree.is_cancelled());
    assert_eq!(tree.faults().len(), 1);
}

#[tokio::test]
async fn a_child_ends_without_its_parent() {
    let tree = TaskTree::root("test");
    let child = tree.child("child");
    let (watched, parent) = (child.clone(), tree.clone());
    tree.spawn("above", async move { parent.cancelled().await });
    child.spawn("below", async move { watched.cancelled().await });
    let report = child.shutdown(LONG).await;
    assert_eq!(report.ended, ["test/child/below"]);
    assert!(!tree.is_cancelled());
    assert_eq!(tree.running(), ["test/above"]);
    tree.shutdown(LONG).await;
}

#[tokio::test]
async fn hurry_cuts_the_waiting_short() {
    let tree = TaskTree::root("test");
    tree.spawn("deaf", std::future::pending());
    let report = tree.shutdown_unless(LONG, async {}).await;
    assert_eq!(report.aborted, ["test/deaf"]);
}

#[tokio::test]
async fn blocking_work_is_waited_for() {
    let tree = TaskTree::root("test");
    let (send, receive) = std::sync::mpsc::channel::<()>();
    tree.spawn_blocking("disk", move || {
        let _ = receive.recv();
    });
    assert_eq!(tree.running(), ["test/disk"]);
    drop(send);
    assert!(tree.shutdown(LONG).await.is_clean());
}
