//! Free numbers as ranges: the lowest free number, the next free one, taking and giving back, all in O(log n).
//!
//! The ranges are maximal, so equal sets of free numbers are equal values, whatever the history.

use imbl::OrdMap;

/// A set of free numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges {
    /// Last number of a range to its first one: taking the lowest number then changes a value and no key.
    by_last: OrdMap<u128, u128>,
}

impl Ranges {
    /// All numbers from `first` to `last`; none when `first` is greater.
    pub fn new(first: u128, last: u128) -> Self {
        Self { by_last: if first <= last { OrdMap::unit(last, first) } else { OrdMap::new() } }
    }

    /// The lowest free number.
    pub fn lowest(&self) -> Option<u128> {
        self.by_last.get_min().map(|(_, first)| *first)
    }

    /// The lowest free number that is at least `from`.
    pub fn at_or_after(&self, from: u128) -> Option<u128> {
        self.by_last.get_next(&from).map(|(_, first)| from.max(*first))
    }

    /// Is it free?
    pub fn contains(&self, number: u128) -> bool {
        self.at_or_after(number) == Some(number)
    }

    /// Takes a number out; false when it was not free.
    pub fn take(&mut self, number: u128) -> bool {
        let Some((&last, &first)) = self.by_last.get_next(&number) else { return false };
        if first > number {
            return false;
        }
        match (number == first, number == last) {
            (true, true) => {
                self.by_last.remove(&last);
            }
            (true, false) => {
                self.by_last.insert(last, number + 1);
            }
            (false, true) => {
                self.by_last.remove(&last);
                self.by_last.insert(number - 1, first);
            }
            (false, false) => {
                self.by_last.insert(number - 1, first);
                self.by_last.insert(last, number + 1);
            }
        }
        true
    }

    /// Gives a number back; false when it was free already.
    pub fn give(&mut self, number: u128) -> bool {
        let next = self.by_last.get_next(&number).map(|(last, first)| (*last, *first));
        if next.is_some_and(|(_, first)| first <= number) {
            return false;
        }
        let joins_next = next.filter(|(_, first)| Some(*first) == number.checked_add(1));
        // A range that ends just below grows by removing it under its old end.
        let first = number.checked_sub(1).and_then(|below| self.by_last.remove(&below)).unwrap_or(number);
        self.by_last.insert(joins_next.map_or(number, |(last, _)| last), first);
        true
    }
}
