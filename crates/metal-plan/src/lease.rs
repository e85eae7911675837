//! Leadership of one replica over a duty, through a document all of them see.
//!
//! Clocks of replicas are never compared. Who leads renews the lease; who follows watches the number of renewals on
//! its own clock and takes over when it has not grown for as long as the lease holds. Two leaders at once are
//! possible for a moment when one is frozen, and harmless: everything a leader does is a transaction on its own.

use jiff::{SignedDuration, Timestamp};
use metal_model::agent::Lease;

use crate::Tx;

/// What a replica has seen of a lease, by its own clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    seen: Option<Sighting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    holder: String,
    renewals: u64,
    since: Timestamp,
}

impl Watch {
    /// Looks at the lease. Whatever changes about it starts the patience anew.
    pub fn observe(&mut self, lease: Option<&Lease>, now: Timestamp) {
        let Some(lease) = lease else {
            self.seen = None;
            return;
        };
        let is_same = |seen: &Sighting| seen.holder == lease.holder && seen.renewals == lease.renewals;
        if !self.seen.as_ref().is_some_and(is_same) {
            self.seen = Some(Sighting { holder: lease.holder.clone(), renewals: lease.renewals, since: now });
        }
    }

    /// True when this very lease has been seen unchanged for as long as it holds.
    pub fn is_expired(&self, lease: &Lease, now: Timestamp) -> bool {
        let holds = SignedDuration::from_millis(i64::try_from(lease.duration_ms).unwrap_or(i64::MAX));
        self.seen.as_ref().is_some_and(|seen| {
            seen.holder == lease.holder
                && seen.renewals == lease.renewals
                && now.duration_since(seen.since) >= holds
        })
    }
}

/// Takes or renews a lease if it is free, ours, or expired by what we have seen. True when it is ours now.
pub fn claim(
    tx: &mut Tx,
    id: &str,
    holder: &str,
    duration: SignedDuration,
    watch: &Watch,
    now: Timestamp,
) -> bool {
    let present = tx.state().leases.get(id).cloned();
    let may = present.as_ref().is_none_or(|lease| {
        lease.holder.is_empty() || lease.holder == holder || watch.is_expired(lease, now)
    });
    if may {
        tx.put(Lease {
            id: id.to_owned(),
            holder: holder.to_owned(),
            renewals: present.map_or(0, |lease| lease.renewals) + 1,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or_default(),
        });
    }
    may
}

/// Gives a lease up, so that another replica need not wait. Does nothing when it is not ours.
pub fn release(tx: &mut Tx, id: &str, holder: &str) {
    let Some(lease) = tx.state().leases.get(id).filter(|lease| lease.holder == holder).cloned() else {
        return;
    };
    tx.put(Lease { holder: String::new(), ..Lease::clone(&lease) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Snapshot;

    const HOLDS: SignedDuration = SignedDuration::from_secs(15);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn look(watch: &mut Watch, tx: &Tx, second: i64) {
        watch.observe(tx.state().leases.get("duty").map(|lease| &**lease), at(second));
    }

    #[test]
    fn a_lease_moves_only_when_it_is_free_or_not_renewed() {
        let mut tx = Tx::new(&Snapshot::default());
        let mut watch = Watch::default();
        assert!(claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(0)));
        look(&mut watch, &tx, 0);
        assert!(!claim(&mut tx, "duty", "b", HOLDS, &watch, at(14)));
        assert!(claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(14)), "renewed");
        look(&mut watch, &tx, 14);
        assert!(!claim(&mut tx, "duty", "b", HOLDS, &watch, at(28)), "it has grown since");
        assert!(claim(&mut tx, "duty", "b", HOLDS, &watch, at(29)));
        assert!(!claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(29)), "the old leader follows");
    }

    #[test]
    fn what_is_decided_on_was_seen() {
        let mut tx = Tx::new(&Snapshot::default());
        let mut watch = Watch::default();
        claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(0));
        look(&mut watch, &tx, 0);
        claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(60));
        assert!(!claim(&mut tx, "duty", "b", HOLDS, &watch, at(60)), "renewed behind our back");
    }

    #[test]
    fn a_released_lease_is_taken_at_once_and_only_its_holder_releases() {
        let mut tx = Tx::new(&Snapshot::default());
        claim(&mut tx, "duty", "a", HOLDS, &Watch::default(), at(0));
        release(&mut tx, "duty", "b");
        assert!(!claim(&mut tx, "duty", "b", HOLDS, &Watch::default(), at(1)));
        release(&mut tx, "duty", "a");
        assert!(claim(&mut tx, "duty", "b", HOLDS, &Watch::default(), at(1)));
    }
}
