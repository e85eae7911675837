//! What a decision may know besides the snapshot: the time, a seed, who asks, and which commit it will be.
//!
//! Given the same snapshot and the same `Env`, every decision is the same, so a transaction can be recomputed and
//! a test can be replayed.

use jiff::Timestamp;
use metal_model::document::Revision;
use uuid::Uuid;

/// Deterministic random numbers (splitmix64 over a 128-bit seed). Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
    mix: u64,
}

impl Rng {
    /// Starts the sequence of a seed.
    pub fn new(seed: u128) -> Self {
        // The two halves of the seed, deliberately cut.
        Self {
            state: u64::try_from(seed >> 64).unwrap_or_default(),
            mix: u64::try_from(seed & u128::from(u64::MAX)).unwrap_or_default(),
        }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state ^ self.mix;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.mix = self.mix.rotate_left(23).wrapping_add(z);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        usize::try_from(wide >> 64).unwrap_or_default()
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// Who asks. Filled by authentication; decisions only record it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// User name.
    pub name: String,
    /// E-mail address, recorded as creator and issuer.
    pub email: String,
    /// Tenant of the user.
    pub tenant: String,
}

/// Time, seed and caller of one decision.
#[derive(Debug, Clone)]
pub struct Env {
    /// The time, milliseconds precision.
    pub now: Timestamp,
    /// Random numbers.
    pub rng: Rng,
    /// Who asks.
    pub caller: Caller,
    /// Revision that what is decided will have once committed; 0 for decisions that nobody commits.
    pub revision: Revision,
}

impl Env {
    /// Cuts the time to milliseconds, the precision of the public API.
    pub fn new(now: Timestamp, seed: u128, caller: Caller) -> Self {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        Self { now, rng: Rng::new(seed), caller, revision: 0 }
    }

    /// For a decision that will be committed with this revision.
    #[must_use]
    pub fn committed_as(self, revision: Revision) -> Self {
        Self { revision, ..self }
    }

    /// A fresh UUID as text.
    pub fn uuid(&mut self) -> String {
        self.rng.uuid().to_string()
    }
}
