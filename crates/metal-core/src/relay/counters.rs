//! What the relay has done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use metal_netboot::relay::Refusal;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests passed on to the servers.
    pub requests: AtomicU64,
    /// Replies passed on to machines.
    pub replies: AtomicU64,
    /// Dropped: no DHCPv4 message.
    pub malformed: AtomicU64,
    /// Dropped: a reply from a machine, or a request from a server.
    pub wrong_side: AtomicU64,
    /// Dropped: passed too many relays.
    pub too_many_hops: AtomicU64,
    /// Dropped: a machine claimed to be a relay.
    pub forged: AtomicU64,
    /// Dropped: a reply to a request that came not through us.
    pub not_ours: AtomicU64,
    /// Dropped: a reply from somebody who is no server of ours.
    pub stranger: AtomicU64,
    /// Dropped: the machine sends too many.
    pub too_fast: AtomicU64,
    /// Could not be sent.
    pub unsendable: AtomicU64,
}

impl Counters {
    pub(super) fn refuse(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Malformed(_) => &self.malformed,
            Refusal::WrongSide => &self.wrong_side,
            Refusal::TooManyHops => &self.too_many_hops,
            Refusal::Forged => &self.forged,
            Refusal::NotOurs => &self.not_ours,
        };
        Self::count(counter);
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All dropped messages by reason, in the words of the fields.
    #[must_use]
    pub fn dropped(&self) -> [(&'static str, u64); 8] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("malformed", read(&self.malformed)),
            ("wrong_side", read(&self.wrong_side)),
            ("too_many_hops", read(&self.too_many_hops)),
            ("forged", read(&self.forged)),
            ("not_ours", read(&self.not_ours)),
            ("stranger", read(&self.stranger)),
            ("too_fast", read(&self.too_fast)),
            ("unsendable", read(&self.unsendable)),
        ]
    }
}
