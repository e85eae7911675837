//! How many messages a machine may have passed on: a bucket of tokens per hardware address.
//!
//! The table is bounded. When it is full of addresses that are busy, all others share one bucket, so that a machine that
//! invents addresses gains nothing by it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Messages that may come at once.
const BURST: u32 = 10;

/// The time after which one more may come.
const REFILL: Duration = Duration::from_millis(500);

/// How many addresses are told apart.
const MOST: usize = 4096;

/// The buckets. An address stands for the time at which its bucket will be full again.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    full_at: HashMap<Vec<u8>, Instant>,
    others: Option<Instant>,
}

impl Limiter {
    /// Whether a message of this address may pass now.
    pub(super) fn allow(&mut self, address: &[u8], now: Instant) -> bool {
        if !self.full_at.contains_key(address) && self.full_at.len() >= MOST {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        if self.full_at.contains_key(address) || self.full_at.len() < MOST {
            return take(self.full_at.entry(address.to_vec()).or_insert(now), now);
        }
        take(self.others.get_or_insert(now), now)
    }
}

/// Takes a token: the bucket is full that much later.
fn take(full_at: &mut Instant, now: Instant) -> bool {
    let then = (*full_at).max(now) + REFILL;
    let may = then <= now + REFILL * BURST;
    if may {
        *full_at = then;
    }
    may
}

#[cfg(test)]
mod tests {
    use metal_runtime::clock::monotonic;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_two_a_second() {
        let (mut limiter, start) = (Limiter::default(), monotonic());
        assert_eq!((0..100).filter(|_| limiter.allow(&[1; 6], start)).count(), 10);
        assert!(limiter.allow(&[2; 6], start), "others are not affected");
        let later = start + Duration::from_secs(3);
        assert_eq!((0..100).filter(|_| limiter.allow(&[1; 6], later)).count(), 6);
    }

    #[test]
    fn invented_addresses_fill_no_more_than_the_table() {
        let (mut limiter, start) = (Limiter::default(), monotonic());
        let passed = (0..100_000_u32).filter(|n| limiter.allow(&n.to_be_bytes(), start)).count();
        assert_eq!(passed, MOST + 10);
        assert_eq!(limiter.full_at.len(), MOST);
        assert!(limiter.allow(&[0, 0, 0, 1], start), "who was there before still passes");
        assert!(limiter.allow(&[9; 6], start + Duration::from_secs(60)), "who is quiet makes room");
    }
}
