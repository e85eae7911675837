//! Steps from one stored format to the next, in order, applied when a store is opened. A step rewrites values;
//! the engine applies all of them atomically (redb) or page by page under the head key (etcd).
//!
//! What changes inside a document is not a step here: `State::decode` accepts what the previous release wrote.
//! A step is needed when the form around the documents changes: header, keys, meta record. To add one: raise
//! [`crate::stored::FORMAT`], append to [`MIGRATIONS`], keep a store of the old format in the tests.

use crate::error::OpenError;
use crate::stored::{FORMAT, Meta};

/// New value for a document's key and stored value; `None` leaves it as it is.
pub(crate) type Step = fn(key: &str, value: &[u8]) -> Result<Option<Vec<u8>>, String>;

/// One step.
pub(crate) struct Migration {
    /// Format it leads to, from the one before.
    pub to: u32,
    /// Oldest format whose release can read the result.
    pub oldest_reader: u32,
    /// Must leave alone a value it has rewritten already: in etcd an interrupted migration starts over.
    pub step: Step,
}

/// The formats a release knows.
#[derive(Clone, Copy)]
pub(crate) struct Formats {
    /// The one it writes.
    pub current: u32,
    /// How to get there.
    pub migrations: &'static [Migration],
}

/// All steps of this release. Format 1 is the first.
const MIGRATIONS: &[Migration] = &[];

impl Formats {
    /// What this release knows.
    pub const RELEASE: Self = Self { current: FORMAT, migrations: MIGRATIONS };

    /// Steps from the stored format to the current one, or why there is no way.
    pub fn steps(&self, place: &str, meta: &Meta) -> Result<Vec<&'static Migration>, OpenError> {
        if meta.restoring {
            return Err(OpenError::HalfRestored { place: place.to_owned() });
        }
        if meta.oldest_reader > self.current {
            let (stored, known) = (meta.format, self.current);
            return Err(OpenError::NewerFormat { place: place.to_owned(), stored, known });
        }
        let steps: Vec<_> = self.migrations.iter().filter(|m| m.to > meta.format).collect();
        let gapless = steps.iter().zip(meta.format + 1..).all(|(step, to)| step.to == to);
        let arrives =
            meta.format.saturating_add(u32::try_from(steps.len()).unwrap_or(u32::MAX)) >= self.current;
        if gapless && arrives {
            return Ok(steps);
        }
        let why = format!("no steps from format {}: start the release in between first", meta.format);
        Err(OpenError::Migration { place: place.to_owned(), to: self.current, why })
    }
}

/// Runs a value through all steps; `None` when none of them changes it.
pub(crate) fn rewrite(
    place: &str,
    steps: &[&Migration],
    key: &str,
    value: &[u8],
) -> Result<Option<Vec<u8>>, OpenError> {
    let mut changed: Option<Vec<u8>> = None;
    for step in steps {
        let now = changed.as_deref().unwrap_or(value);
        match (step.step)(key, now) {
            Ok(None) => {}
            Ok(Some(new)) => changed = Some(new),
            Err(why) => {
                let why = format!("document {key:?}: {why}");
                return Err(OpenError::Migration { place: place.to_owned(), to: step.to, why });
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(_: &str, _: &[u8]) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    const STEPS: &[Migration] = &[
        Migration { to: 2, oldest_reader: 1, step: keep },
        Migration { to: 3, oldest_reader: 3, step: keep },
    ];

    #[test]
    fn steps_start_at_the_stored_format() {
        let formats = Formats { current: 3, migrations: STEPS };
        let count = |format| formats.steps("x", &Meta::new(format)).map(|steps| steps.len());
        assert_eq!(count(1).unwrap(), 2);
        assert_eq!(count(2).unwrap(), 1);
        assert_eq!(count(3).unwrap(), 0);
        assert!(matches!(count(0), Err(OpenError::Migration { .. })), "no step to 1 is known");
        assert!(matches!(count(4), Err(OpenError::NewerFormat { stored: 4, known: 3, .. })));
    }

    #[test]
    fn one_release_back_is_allowed_when_the_newer_format_says_so() {
        let mut meta = Meta::new(4);
        meta.oldest_reader = 3;
        let formats = Formats { current: 3, migrations: STEPS };
        assert_eq!(formats.steps("x", &meta).unwrap().len(), 0);
    }
}
