//! What is recorded is found again, in order, bounded, and after a crash.

use jiff::SignedDuration;
use metal_model::v1::{AuditFindRequest, AuditResponse};
use metal_runtime::{Clock, TaskTree};

use super::{Log, segment};
use crate::config;

fn clock() -> Clock {
    Clock::manual("2026-01-02T00:00:00Z".parse().unwrap())
}

fn open(dir: &std::path::Path, max_bytes: u64, clock: &Clock) -> Log {
    let settings = config::Audit { dir: dir.to_owned(), max_bytes };
    Log::open(&settings, clock, &TaskTree::root("test")).unwrap()
}

fn trace(rqid: u32, user: &str) -> AuditResponse {
    AuditResponse {
        rqid: rqid.to_string(),
        user: user.into(),
        path: "/v1/ip/allocate".into(),
        ..AuditResponse::default()
    }
}

async fn rqids(log: &Log, query: AuditFindRequest) -> Vec<String> {
    log.search(query).await.unwrap().into_iter().map(|t| t.rqid).collect()
}

#[tokio::test]
async fn searches_by_every_kind_of_criterion() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(dir.path(), 1 << 20, &clock);
    log.record(trace(1, "old")).await.unwrap();
    clock.advance(SignedDuration::from_hours(30));
    log.record(trace(2, "ann")).await.unwrap();
    clock.advance(SignedDuration::from_secs(1));
    log.note(AuditResponse { status_code: Some(422), ..trace(3, "bob") }).await.unwrap();
    let all = AuditFindRequest::default;
    assert_eq!(rqids(&log, all()).await, ["2", "3"], "the last day, ascending");
    assert_eq!(rqids(&log, AuditFindRequest { limit: Some(1), ..all() }).await, ["3"], "the newest");
    assert_eq!(rqids(&log, AuditFindRequest { user: Some("ann".into()), ..all() }).await, ["2"]);
    assert_eq!(rqids(&log, AuditFindRequest { status_code: Some(422), ..all() }).await, ["3"]);
    assert_eq!(
        rqids(&log, AuditFindRequest { path: Some("IP/alloc".into()), limit: Some(0), ..all() }).await.len(),
        2
    );
    let from = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(rqids(&log, AuditFindRequest { from, ..all() }).await, ["1", "2", "3"]);
    let to = Some("2026-01-03T06:00:00Z".parse().unwrap());
    assert_eq!(rqids(&log, AuditFindRequest { from, to, ..all() }).await, ["1", "2"]);
    log.close().await;
    assert!(log.record(trace(4, "ann")).await.is_err());
}

#[tokio::test]
async fn is_bounded_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 64 << 10, &clock());
    for rqid in 0..2000 {
        log.note(trace(rqid, "ann")).await.unwrap();
    }
    let found = rqids(&log, AuditFindRequest::default()).await;
    let total: u64 = segment::list(dir.path()).unwrap().iter().map(|s| s.bytes).sum();
    // One batch may be larger than a segment, so the bound holds to within a few of them.
    assert!(total <= 3 * (64 << 10) * 8, "{total}");
    assert!(found.len() < 2000 && found.last().unwrap() == "1999", "{}", found.len());
    log.close().await;
}

#[tokio::test]
async fn half_a_line_is_forgotten_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(dir.path(), 1 << 20, &clock);
    log.record(trace(1, "ann")).await.unwrap();
    log.close().await;
    let path = segment::list(dir.path()).unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"rqid\":\"2\",\"us");
    std::fs::write(&path, bytes).unwrap();
    let log = open(dir.path(), 1 << 20, &clock);
    log.record(trace(3, "ann")).await.unwrap();
    assert_eq!(rqids(&log, AuditFindRequest::default()).await, ["1", "3"]);
    log.close().await;
}
