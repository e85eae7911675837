//! Judging machines by their silence.

use jiff::SignedDuration;
use metal_model::event_log::{EventLog, Liveliness};
use metal_model::machine::Machine;

use crate::{Env, Tx};

/// A machine that says nothing for longer is no longer alive.
pub const SILENCE: SignedDuration = SignedDuration::from_mins(5);

/// What a pass over the machines found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judged {
    /// Heard of within five minutes.
    pub alive: usize,
    /// Silent and unallocated.
    pub dead: usize,
    /// Silent and allocated.
    pub unknown: usize,
    /// Logs written because the judgement changed.
    pub changed: usize,
    /// More changes than the limit allowed: the pass ought to be repeated.
    pub is_partial: bool,
}

/// Judges all machines; writes at most `limit` changed judgements.
pub fn liveliness(tx: &mut Tx, env: &Env, limit: usize) -> Judged {
    let mut judged = Judged::default();
    let mut changes = Vec::new();
    for machine in tx.state().machines.iter() {
        let Some(log) = tx.state().event_logs.get(machine.id.as_str()) else { continue };
        let Some(verdict) = verdict(machine, log, env) else { continue };
        match verdict {
            Liveliness::Alive => judged.alive += 1,
            Liveliness::Dead => judged.dead += 1,
            Liveliness::Unknown => judged.unknown += 1,
        }
        if verdict == log.liveliness {
            continue;
        }
        if changes.len() == limit {
            judged.is_partial = true;
        } else {
            changes.push(EventLog { liveliness: verdict, ..EventLog::clone(log) });
        }
    }
    judged.changed = changes.len();
    for log in changes {
        tx.put(log);
    }
    judged
}

/// None for a machine nobody ever heard of.
fn verdict(machine: &Machine, log: &EventLog, env: &Env) -> Option<Liveliness> {
    let silence = env.now.duration_since(log.last_event_time?);
    Some(match (silence > SILENCE, &machine.allocation) {
        (false, _) => Liveliness::Alive,
        (true, None) => Liveliness::Dead,
        (true, Some(_)) => Liveliness::Unknown,
    })
}
