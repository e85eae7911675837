//! Searching the audit log: newest segments first, so that a limited search reads little.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use metal_model::v1::{AuditFindRequest, AuditResponse, Time};

use super::segment;

/// Most traces one search answers, whatever its limit.
const MOST: usize = 100_000;
/// How far back a search without a start goes.
const DEFAULT_SPAN: SignedDuration = SignedDuration::from_hours(24);

/// Traces that match, ascending in time; the newest where there are more than the limit.
pub(super) fn run(dir: &Path, query: &AuditFindRequest, now: Timestamp) -> io::Result<Vec<AuditResponse>> {
    let limit =
        query.limit.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(MOST).min(MOST);
    let from = query.from.unwrap_or_else(|| Time(now.saturating_sub(DEFAULT_SPAN).unwrap_or(Timestamp::MIN)));
    let filter = Filter { query, from };
    let mut found: Vec<AuditResponse> = Vec::new();
    for segment in segment::list(dir)?.into_iter().rev() {
        let file = match File::open(&segment.path) {
            // Removed since it was listed: it was the oldest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            file => file?,
        };
        let (mut these, reaches_back) = scan(file, &filter, limit - found.len())?;
        these.append(&mut found);
        found = these;
        if found.len() >= limit || reaches_back {
            break;
        }
    }
    found.sort_by_key(|trace| trace.timestamp);
    Ok(found)
}

/// The last `most` matches of a segment, and whether it began before the time asked for.
fn scan(file: File, filter: &Filter<'_>, most: usize) -> io::Result<(Vec<AuditResponse>, bool)> {
    let mut newest: BinaryHeap<Reverse<ByTime>> = BinaryHeap::new();
    let mut reaches_back = false;
    let mut number = 0_u64;
    for line in BufReader::new(file).split(b'\n') {
        // A line that is not a trace is half of one, from a crash.
        let Ok(trace) = serde_json::from_slice::<AuditResponse>(&line?) else { continue };
        number += 1;
        reaches_back |= trace.timestamp < filter.from;
        if filter.matches(&trace) {
            newest.push(Reverse(ByTime { number, trace }));
            if newest.len() > most {
                newest.pop();
            }
        }
    }
    let mut found: Vec<ByTime> = newest.into_iter().map(|Reverse(one)| one).collect();
    found.sort();
    Ok((found.into_iter().map(|one| one.trace).collect(), reaches_back))
}

/// Orders traces by time, then by place in the file.
struct ByTime {
    number: u64,
    trace: AuditResponse,
}

impl ByTime {
    fn key(&self) -> (Time, u64) {
        (self.trace.timestamp, self.number)
    }
}

impl PartialEq for ByTime {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByTime {}

impl PartialOrd for ByTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

struct Filter<'a> {
    query: &'a AuditFindRequest,
    from: Time,
}

impl Filter<'_> {
    fn matches(&self, trace: &AuditResponse) -> bool {
        let q = self.query;
        trace.timestamp >= self.from
            && q.to.is_none_or(|to| trace.timestamp <= to)
            && is(q.component.as_ref(), &trace.component)
            && is(q.rqid.as_ref(), &trace.rqid)
            && is(q.kind.as_ref(), &trace.kind)
            && is(q.user.as_ref(), &trace.user)
            && is(q.tenant.as_ref(), &trace.tenant)
            && is(q.project.as_ref(), &trace.project)
            && is(q.detail.as_ref(), &trace.detail)
            && is(q.phase.as_ref(), &trace.phase)
            && q.status_code.is_none_or(|code| code == 0 || trace.status_code == Some(code))
            && has(q.path.as_ref(), &trace.path)
            && has(q.forwarded_for.as_ref(), &trace.forwarded_for)
            && has(q.remote_addr.as_ref(), &trace.remote_addr)
            && has(q.body.as_ref(), &trace.body)
            && has(q.error.as_ref(), &trace.error)
    }
}

/// Equal, if asked for; clients send empty strings for what they do not ask for.
fn is(wanted: Option<&String>, value: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.is_empty() || wanted == value)
}

/// Contained whatever the case, if asked for.
fn has(wanted: Option<&String>, value: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.is_empty() || value.to_lowercase().contains(&wanted.to_lowercase()))
}
