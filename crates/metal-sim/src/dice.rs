//! Chance that repeats itself: the same seed gives the same throws on every machine and in every release.

use std::time::Duration;

/// A source of throws (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Independent dice for one thing among many, so that what happens to one machine does not depend on the others.
    #[must_use]
    pub fn of(seed: u64, thing: u64) -> Self {
        let mut dice = Self::new(seed ^ thing.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.throw();
        dice
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.throw() % limit }
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds exactly.
        let unit = (self.throw() >> 11) as f64 / (1u64 << 53) as f64;
        unit < probability
    }

    /// One of these.
    ///
    /// # Panics
    /// Panics if there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(of.len() as u64)).expect("below the length of a slice");
        &of[index]
    }

    /// Something between three and five quarters of a duration: nothing takes equally long twice.
    pub fn about(&mut self, duration: Duration) -> Duration {
        let permille = u32::try_from(750 + self.below(500)).expect("at most 1250");
        duration * permille / 1000
    }

    /// Sixteen bytes, for an id.
    pub fn bytes(&mut self) -> [u8; 16] {
        let both = (u128::from(self.throw()) << 64) | u128::from(self.throw());
        both.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_others_do_not() {
        let throws = |mut dice: Dice| [dice.throw(), dice.throw(), dice.throw()];
        assert_eq!(throws(Dice::of(1, 2)), throws(Dice::of(1, 2)));
        assert_ne!(throws(Dice::of(1, 2)), throws(Dice::of(1, 3)));
        assert_ne!(throws(Dice::of(1, 2)), throws(Dice::of(2, 2)));
    }

    #[test]
    fn chances_are_about_right() {
        let mut dice = Dice::new(42);
        let hits = (0..10_000).filter(|_| dice.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!(!dice.chance(0.0));
        assert!(dice.chance(1.0));
    }

    #[test]
    fn about_stays_near() {
        let mut dice = Dice::new(1);
        for _ in 0..100 {
            let about = dice.about(Duration::from_secs(4));
            assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&about), "{about:?}");
        }
        assert_eq!(dice.about(Duration::ZERO), Duration::ZERO);
    }
}
