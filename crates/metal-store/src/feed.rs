//! The change feed: every commit in order, without gaps, from any revision that is still kept.
//!
//! Commits sit in a ring that all feeds share, each feed being a position in it; so a slow consumer costs no
//! memory and cannot hold anybody up. It loses its place when the ring has moved past it and is told so.
//!
//! A commit made here is one transaction. Commits of other replicas arrive as they were made durable, possibly
//! several transactions in one commit, with the first old and the last new document of each key.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream};
use metal_model::document::{Revision, State};

use crate::error::{FeedError, WatchError};
use crate::shared::Shared;

/// What happened to one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<D> {
    /// The key.
    pub key: String,
    /// The document before; `None` when it is new.
    pub old: Option<D>,
    /// The document after; `None` when it was deleted.
    pub new: Option<D>,
}

/// Changes that became visible together.
#[derive(Debug, Clone)]
pub struct Commit<D> {
    /// Revision after them.
    pub revision: Revision,
    /// One entry for each key, in key order.
    pub changes: Vec<Change<D>>,
    /// Approximate bytes kept alive, for the ring's bound.
    pub(crate) weight: usize,
}

/// The commits kept for resuming.
pub(crate) struct Ring<D> {
    commits: VecDeque<Arc<Commit<D>>>,
    /// Position of the first commit kept, counted from the start of the process.
    first: u64,
    /// Every commit after this revision is kept.
    floor: Revision,
    last: Revision,
    weight: usize,
    max_commits: usize,
    max_weight: usize,
}

impl<D> Ring<D> {
    pub fn new(revision: Revision, max_commits: usize, max_weight: usize) -> Self {
        let commits = VecDeque::new();
        Self { commits, first: 0, floor: revision, last: revision, weight: 0, max_commits, max_weight }
    }

    pub fn push(&mut self, commit: Arc<Commit<D>>) {
        self.last = commit.revision;
        self.weight += commit.weight;
        self.commits.push_back(commit);
        // One commit stays whatever its weight: a feed at the end must be able to read it.
        while self.commits.len() > self.max_commits.max(1)
            || (self.weight > self.max_weight && self.commits.len() > 1)
        {
            let Some(oldest) = self.commits.pop_front() else { break };
            self.weight -= oldest.weight;
            self.floor = oldest.revision;
            self.first += 1;
        }
    }

    /// Position of the first commit after `after`; the end when `None`.
    pub fn position(&self, after: Option<Revision>) -> Result<(u64, Revision), WatchError> {
        let after = after.unwrap_or(self.last);
        if after < self.floor {
            return Err(WatchError::TooOld { after, oldest: self.floor });
        }
        if after > self.last {
            return Err(WatchError::Ahead { after, latest: self.last });
        }
        let index = self.commits.partition_point(|commit| commit.revision <= after);
        Ok((self.first + index as u64, after))
    }

    /// The commit at a position; `Ok(None)` when it has not happened, `Err` when it is not kept any more.
    fn at(&self, position: u64) -> Result<Option<Arc<Commit<D>>>, ()> {
        let index = position.checked_sub(self.first).ok_or(())?;
        Ok(usize::try_from(index).ok().and_then(|index| self.commits.get(index)).cloned())
    }
}

/// A place in the sequence of commits. Dropping it costs nothing.
pub struct Feed<S: State> {
    shared: Arc<Shared<S>>,
    position: u64,
    last: Revision,
    signal: tokio::sync::watch::Receiver<Revision>,
}

impl<S: State> Feed<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>, after: Option<Revision>) -> Result<Self, WatchError> {
        let signal = shared.subscribe();
        let (position, last) = shared.ring().position(after)?;
        Ok(Self { shared, position, last, signal })
    }

    /// Revision of the last commit delivered, or where the feed started.
    pub fn revision(&self) -> Revision {
        self.last
    }

    /// The next commit that is there already; `None` when the consumer has seen everything.
    pub fn try_next(&mut self) -> Result<Option<Arc<Commit<S::Doc>>>, FeedError> {
        let found = self.shared.ring().at(self.position);
        let found = found.map_err(|()| FeedError::Lagged { last: self.last })?;
        if let Some(commit) = &found {
            self.position += 1;
            self.last = commit.revision;
        }
        Ok(found)
    }

    /// Waits for the next commit. Cancel safe.
    pub async fn next(&mut self) -> Result<Arc<Commit<S::Doc>>, FeedError> {
        loop {
            // Marked before looking, so that a commit in between wakes the wait below.
            self.signal.mark_unchanged();
            if let Some(commit) = self.try_next()? {
                return Ok(commit);
            }
            if self.shared.is_ended() {
                return Err(FeedError::Closed);
            }
            self.signal.changed().await.map_err(|_| FeedError::Closed)?;
        }
    }

    /// The same as a stream; it ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Arc<Commit<S::Doc>>, FeedError>> + Send {
        stream::unfold(Some(self), |feed| async move {
            let mut feed = feed?;
            match feed.next().await {
                Ok(commit) => Some((Ok(commit), Some(feed))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(revision: Revision, weight: usize) -> Arc<Commit<()>> {
        Arc::new(Commit { revision, changes: Vec::new(), weight })
    }

    #[test]
    fn old_positions_are_refused_and_lost_ones_told() {
        let mut ring = Ring::new(10, 3, 1000);
        let (start, _) = ring.position(None).unwrap();
        for revision in 11..=15 {
            ring.push(commit(revision, 1));
        }
        assert_eq!(ring.position(Some(11)), Err(WatchError::TooOld { after: 11, oldest: 12 }));
        assert_eq!(ring.position(Some(16)), Err(WatchError::Ahead { after: 16, latest: 15 }));
        let (position, _) = ring.position(Some(12)).unwrap();
        assert_eq!(ring.at(position).unwrap().unwrap().revision, 13);
        assert!(ring.at(start).is_err(), "commit 11 is gone, and that must not look like waiting");
        let (end, _) = ring.position(None).unwrap();
        assert!(ring.at(end).unwrap().is_none());
    }

    #[test]
    fn heavy_commits_leave_early_but_never_all_of_them() {
        let mut ring = Ring::new(0, 100, 10);
        ring.push(commit(1, 6));
        ring.push(commit(2, 6));
        assert_eq!(ring.position(Some(0)), Err(WatchError::TooOld { after: 0, oldest: 1 }));
        ring.push(commit(3, 50));
        let (position, _) = ring.position(Some(2)).unwrap();
        assert_eq!(ring.at(position).unwrap().unwrap().revision, 3);
    }
}
