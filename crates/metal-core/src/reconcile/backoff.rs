//! When a failed intent is tried again: soon at first, then ever more rarely, at once when it changes. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;
use tokio::time::Instant;

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// An intent that could not be carried out.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// Which.
    pub intent: Arc<Switch>,
    /// How often it failed in a row.
    pub attempts: u32,
    /// When it failed last.
    pub failed_at: Instant,
    /// What is told about it.
    pub error: String,
    /// Ports that are left out meanwhile, and why.
    pub refused: BTreeMap<PortName, String>,
    /// Whether something safe is in effect meanwhile.
    pub is_held: bool,
}

impl Refusal {
    /// Whether it is time to try again. `is_urgent`: something happened that may have been the cause.
    pub fn is_due(&self, now: Instant, shortest: Duration, is_urgent: bool) -> bool {
        let pause = if is_urgent { shortest } else { self.pause(shortest) };
        now >= self.failed_at + pause
    }

    /// The time left until then.
    pub fn remaining(&self, now: Instant, shortest: Duration) -> Duration {
        (self.failed_at + self.pause(shortest)).saturating_duration_since(now)
    }

    fn pause(&self, shortest: Duration) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(16);
        shortest.saturating_mul(1 << doublings).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spine;

    #[test]
    fn pauses_grow_to_a_minute() {
        let shortest = Duration::from_secs(1);
        let now = Instant::now();
        let refusal = |attempts| Refusal {
            intent: Arc::new(spine().base),
            attempts,
            failed_at: now,
            error: String::new(),
            refused: BTreeMap::new(),
            is_held: true,
        };
        let pauses =
            [1, 2, 3, 6, 7, 100].map(|attempts| refusal(attempts).remaining(now, shortest).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60]);
        let often = refusal(10);
        assert!(
            !often.is_due(now + shortest, shortest, false) && often.is_due(now + shortest, shortest, true)
        );
        assert!(!often.is_due(now, shortest, true), "not even an urgent one is tried in a tight loop");
        assert!(often.is_due(now + LONGEST, shortest, false));
    }
}
