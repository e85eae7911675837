//! The head key's value: the revision of the last transaction, and the last group of each recent writer, so that
//! a writer which lost the answer to a commit can still find out whether it happened.

use metal_model::document::Revision;
use serde::{Deserialize, Serialize};

/// Writers remembered. A store has a handful of replicas; each of their restarts counts as a new writer.
const RECENT: usize = 16;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Revision of the last transaction.
    pub revision: Revision,
    /// Writer and number of its last group, the most recent writer first.
    recent: Vec<(String, u64)>,
}

impl Head {
    /// Head of a store nobody has written to since it got its documents.
    pub fn at(revision: Revision) -> Self {
        Self { revision, recent: Vec::new() }
    }

    /// The head after `writer`'s group number `group`.
    pub fn next(&self, writer: &str, group: u64, revision: Revision) -> Self {
        let others = self.recent.iter().filter(|(other, _)| other != writer).take(RECENT - 1);
        let recent = std::iter::once((writer.to_owned(), group)).chain(others.cloned()).collect();
        Self { revision, recent }
    }

    /// Whether `writer`'s group number `group`, its latest, has been committed; `None` when too many others
    /// have written since.
    pub fn has(&self, writer: &str, group: u64) -> Option<bool> {
        match self.recent.iter().find(|(other, _)| other == writer) {
            Some((_, last)) => Some(*last >= group),
            None if self.recent.len() < RECENT => Some(false),
            None => None,
        }
    }

    /// Whether `writer` wrote it.
    pub fn is_by(&self, writer: &str) -> bool {
        self.recent.first().is_some_and(|(last, _)| last == writer)
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| format!("head: {e}"))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers always serialises")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_finds_its_last_group_until_it_is_pushed_out() {
        let mut head = Head::at(5);
        assert_eq!(head.has("a", 1), Some(false));
        head = head.next("a", 1, 6);
        assert_eq!((head.has("a", 1), head.has("a", 2)), (Some(true), Some(false)));
        for other in 0..RECENT - 1 {
            head = head.next(&other.to_string(), 1, 7);
            assert_eq!(head.has("a", 1), Some(true));
        }
        head = head.next("last drop", 1, 8);
        assert_eq!(head.has("a", 1), None);
        assert_eq!(Head::parse(&head.to_bytes()), Ok(head));
    }
}
