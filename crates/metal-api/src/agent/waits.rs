//! Which machines are parked on this replica, one stream each.
//!
//! A machine that lost its connection parks again before the server has noticed; the newer stream takes the place of
//! the older, and only the stream that has the place may say that the machine no longer waits. The question is asked
//! inside the transaction, where streams come one after the other, so an old stream can never unpark a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metal_model::id::MachineId;

/// The places.
#[derive(Debug, Default)]
pub struct Waits {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    current: HashMap<MachineId, u64>,
    next: u64,
}

/// A place; given back when dropped, unless a newer stream has taken it.
#[derive(Debug)]
pub struct Place {
    waits: Arc<Waits>,
    machine: MachineId,
    number: u64,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of a machine from whoever has it.
    pub fn take(self: &Arc<Self>, machine: &MachineId) -> Place {
        let mut places = self.lock();
        places.next += 1;
        let number = places.next;
        places.current.insert(machine.clone(), number);
        drop(places);
        Place { waits: Arc::clone(self), machine: machine.clone(), number }
    }

    /// Whether a stream of this replica holds the machine.
    pub fn holds(&self, machine: &str) -> bool {
        self.lock().current.contains_key(machine)
    }

    /// How many machines are parked here.
    pub fn len(&self) -> usize {
        self.lock().current.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Place {
    /// Whether no newer stream has taken the place.
    pub fn is_current(&self) -> bool {
        self.waits.lock().current.get(&self.machine) == Some(&self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.waits.lock();
        if places.current.get(&self.machine) == Some(&self.number) {
            places.current.remove(&self.machine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stream_has_the_place() {
        let waits = Arc::new(Waits::default());
        let machine = MachineId::from("m");
        let old = waits.take(&machine);
        assert!(old.is_current());
        let new = waits.take(&machine);
        assert!(!old.is_current() && new.is_current());
        drop(old);
        assert!(new.is_current() && waits.holds("m"), "the old stream gives back nothing");
        drop(new);
        assert!(!waits.holds("m") && waits.is_empty());
    }
}
