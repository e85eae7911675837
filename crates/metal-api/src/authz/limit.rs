//! How often one identity may ask: a bucket of permits per identity that refills evenly. A client in a loop hits
//! its own bucket and nobody else notices.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Independent parts of the table, so that threads rarely meet.
const SHARDS: usize = 16;
/// Identities kept in one part before full buckets are thrown away.
const MOST_PER_SHARD: usize = 4096;

/// Buckets of all identities.
#[derive(Debug)]
pub struct RateLimit {
    rate: f64,
    burst: f64,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Bucket>>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    permits: f64,
    filled: Instant,
}

impl RateLimit {
    /// `rate` requests a second, `burst` at once after a pause; a rate of zero limits nothing.
    pub fn new(rate: u32, burst: u32) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { rate: rate.into(), burst: burst.max(1).into(), hasher: RandomState::new(), shards }
    }

    /// Takes a permit, or tells after how long there will be one.
    pub fn take(&self, identity: &str, now: Instant) -> Result<(), Duration> {
        if self.rate == 0.0 {
            return Ok(());
        }
        let key = self.hasher.hash_one(identity);
        let shard = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        let mut buckets = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_PER_SHARD && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| self.refilled(*bucket, now).permits < self.burst);
        }
        let full = Bucket { permits: self.burst, filled: now };
        let bucket = buckets.entry(key).or_insert(full);
        *bucket = self.refilled(*bucket, now);
        if bucket.permits >= 1.0 {
            bucket.permits -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.permits) / self.rate))
    }

    fn refilled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        Bucket { permits: (bucket.permits + passed * self.rate).min(self.burst), filled: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_back_with_time() {
        let limit = RateLimit::new(10, 2);
        let start = metal_runtime::clock::monotonic();
        assert!(limit.take("a", start).is_ok());
        assert!(limit.take("a", start).is_ok());
        let wait = limit.take("a", start).unwrap_err();
        assert!(wait > Duration::from_millis(90) && wait <= Duration::from_millis(100), "{wait:?}");
        assert!(limit.take("b", start).is_ok(), "others are not concerned");
        assert!(limit.take("a", start + Duration::from_millis(101)).is_ok());
        assert!(limit.take("a", start + Duration::from_millis(101)).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = RateLimit::new(0, 0);
        let start = metal_runtime::clock::monotonic();
        assert!((0..100_000).all(|_| limit.take("a", start).is_ok()));
    }
}
