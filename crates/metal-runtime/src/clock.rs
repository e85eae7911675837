//! The only place that asks the operating system for the time or for randomness.
//!
//! Decisions take the time and a seed as arguments; edges take both from here. A server holds a [`Clock`], so a
//! test can give it a time that moves only when told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The time on the wall.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The time that never goes back, for measuring durations.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Fresh randomness from the operating system: the seed of one decision.
///
/// # Panics
/// Panics when the operating system has no randomness to give, since nothing safe can be done without it.
#[must_use]
pub fn seed() -> u128 {
    u128::from_le_bytes(random())
}

/// Fresh random bytes from the operating system, fit for keys and tokens.
///
/// # Panics
/// Panics when the operating system has no randomness to give.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// A handle on a clock: the system's, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<Mutex<Timestamp>>>,
}

impl Clock {
    /// The clock of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `start` until it is set or advanced. Clones share the time.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self { manual: Some(Arc::new(Mutex::new(start))) }
    }

    /// What this clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
            None => now(),
        }
    }

    /// Sets a manual clock; the system's clock is not ours to set and stays as it is.
    pub fn set(&self, to: Timestamp) {
        if let Some(time) = &self.manual {
            *time.lock().unwrap_or_else(PoisonError::into_inner) = to;
        }
    }

    /// Moves a manual clock; the system's clock stays as it is. Saturates at the end of time.
    pub fn advance(&self, by: SignedDuration) {
        if let Some(time) = &self.manual {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            *time = time.saturating_add(by).unwrap_or(Timestamp::MAX);
        }
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = self.now().duration_since(Timestamp::UNIX_EPOCH);
        Some(UnixTime::since_unix_epoch(since_epoch.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_clones_share_it() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let other = clock.clone();
        assert_eq!(other.now(), start);
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(other.now(), start + SignedDuration::from_secs(5));
        other.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed(), seed());
    }
}
