//! Checks a history of transactions for strict serialisability: there must be one order, given by the revisions,
//! in which every transaction has read exactly what those before it have written, and which does not contradict
//! the order in which callers saw things happen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use metal_store::Revision;

/// A register as seen or written.
pub type Value = Option<Arc<str>>;

/// A transaction that was answered.
#[derive(Debug)]
pub struct Done {
    pub started: Instant,
    pub ended: Instant,
    /// Revision it got, or for one that only read, the revision it has read.
    pub revision: Revision,
    pub reads: Vec<(String, Value)>,
    /// Empty for one that only read.
    pub writes: Vec<(String, Value)>,
}

/// Panics with the first contradiction. `before` is the revision of the empty store. Gives the registers after.
pub fn check(mut history: Vec<Done>, before: Revision) -> BTreeMap<String, Arc<str>> {
    check_real_time(&mut history);
    // Readers of a revision come after its writer.
    history.sort_by_key(|done| (done.revision, done.writes.is_empty()));
    let mut registers: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut reached = before;
    for done in &history {
        if !done.writes.is_empty() {
            assert_eq!(done.revision, reached + 1, "every revision is one transaction of the history");
            reached = done.revision;
        }
        for (key, value) in &done.reads {
            assert_eq!(registers.get(key), value.as_ref(), "read of {key} at revision {}", done.revision);
        }
        for (key, value) in &done.writes {
            match value {
                Some(text) => registers.insert(key.clone(), text.clone()),
                None => registers.remove(key),
            };
        }
    }
    registers
}

/// What ended before something started has a smaller revision.
fn check_real_time(history: &mut [Done]) {
    let mut ends: Vec<_> = history.iter().map(|done| (done.ended, done.revision)).collect();
    ends.sort();
    history.sort_by_key(|done| done.started);
    let (mut newest, mut ended) = (0, ends.into_iter().peekable());
    for done in history.iter() {
        while let Some((_, revision)) = ended.next_if(|(at, _)| *at < done.started) {
            newest = newest.max(revision);
        }
        let first = newest + u64::from(!done.writes.is_empty());
        assert!(done.revision >= first, "{done:?} started after revision {newest} had been acknowledged");
    }
}
