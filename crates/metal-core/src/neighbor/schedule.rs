//! When a port announces itself: at once when its link comes up, then four times at a second's distance, then at leisure.

use std::time::{Duration, Instant};

/// How many announcements follow the first one quickly.
const FAST: u32 = 4;

/// The distance of the fast ones, and the least distance of any two.
const QUICKLY: Duration = Duration::from_secs(1);

/// A port's announcements.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Schedule {
    next: Option<Instant>,
    last: Option<Instant>,
    fast_left: u32,
}

impl Schedule {
    /// The link came up.
    pub(super) fn start(&mut self, now: Instant) {
        *self = Self { next: Some(now), last: None, fast_left: FAST };
    }

    /// Somebody new is there and wants to know us soon. Never faster than the fast pace, whoever provokes it.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(next) = self.next {
            let soonest = self.last.map_or(now, |last| last + QUICKLY).max(now);
            self.next = Some(next.min(soonest));
            self.fast_left = FAST;
        }
    }

    /// The link went down.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is time; if so the following announcement is planned.
    pub(super) fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        let pause = if self.fast_left > 0 { QUICKLY.min(interval) } else { interval };
        self.fast_left = self.fast_left.saturating_sub(1);
        self.last = Some(now);
        self.next = Some(now + pause);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which a port announces itself within `until` seconds.
    fn sent(schedule: &mut Schedule, start: Instant, from: u64, until: u64) -> Vec<u64> {
        let seconds = (from..until)
            .filter(|second| schedule.is_due(start + Duration::from_secs(*second), Duration::from_secs(10)));
        seconds.collect()
    }

    #[test]
    fn it_starts_fast_and_becomes_slow() {
        let start = metal_runtime::clock::monotonic();
        let mut schedule = Schedule::default();
        assert_eq!(sent(&mut schedule, start, 0, 5), [0; 0]);
        schedule.start(start);
        assert_eq!(sent(&mut schedule, start, 0, 40), [0, 1, 2, 3, 4, 14, 24, 34]);
        schedule.stop();
        assert_eq!(sent(&mut schedule, start, 40, 60), [0; 0]);
        schedule.hurry(start);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_new_neighbor_is_told_soon_but_cannot_make_us_shout() {
        let start = metal_runtime::clock::monotonic();
        let mut schedule = Schedule::default();
        schedule.start(start);
        sent(&mut schedule, start, 0, 20);
        schedule.hurry(start + Duration::from_secs(20));
        assert_eq!(sent(&mut schedule, start, 20, 40), [20, 21, 22, 23, 24, 34]);
        for _ in 0..100 {
            schedule.hurry(start + Duration::from_millis(34_100));
        }
        assert_eq!(schedule.next(), Some(start + Duration::from_secs(35)));
    }
}
