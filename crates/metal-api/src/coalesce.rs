//! Signs of life, collected in memory and written together.
//!
//! Every machine says *Alive* once a minute and every switch tells every few seconds that it is in order. Written one
//! by one, a hundred thousand machines would keep a disk busy with nothing but the time. So what moves only the last
//! sign of life stays here and is written at a bounded rate by [`flush`]; everything that changes a state is committed
//! before it is acknowledged, together with the sign of life that was pending, because a decision may rest on it.
//!
//! What is lost when the process dies are signs of life of the last half minute; the machines give new ones. Readers
//! of this replica see pending times through [`Coalescer::last_event_time`] and [`Coalescer::switch_status`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use metal_model::event_log::{EventLog, ProvisioningEvent};
use metal_model::id::{MachineId, SwitchId};
use metal_model::switch::{SwitchObservation, SwitchStatus, SwitchSync};
use metal_model::v1;
use metal_plan::{Caller, Error, Snapshot, Tx, event};
use metal_store::TransactError;

use crate::app::App;

/// A pending sign of life is written once the stored one is this much older. Far below the five minutes after which a
/// silent machine counts as dead, because other replicas see only what is stored.
const DUE: SignedDuration = SignedDuration::from_secs(30);

/// Documents of one transaction: what etcd takes at once, with room.
const CHUNK: usize = 100;

/// Transactions of one flush: bounds the rate, the rest waits for the next one, oldest first.
const CHUNKS: usize = 50;

/// Events of one transaction; each may write a machine and its log.
const BATCH: usize = 50;

const SHARDS: usize = 16;

/// Pending signs of life.
#[derive(Debug, Default)]
pub struct Coalescer {
    shards: [Mutex<HashMap<MachineId, Timestamp>>; SHARDS],
    switches: Mutex<BTreeMap<SwitchId, Reported>>,
    hasher: RandomState,
    absorbed: AtomicU64,
}

/// What a switch reported that nobody decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// How keeping up goes.
    pub status: Arc<SwitchStatus>,
    /// What it sees, if it ever told.
    pub seen: Option<Arc<SwitchObservation>>,
}

/// An event as an agent sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The machine, in canonical spelling.
    pub machine: MachineId,
    /// Name of the event.
    pub event: String,
    /// Details.
    pub message: String,
}

/// What became of a batch of events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// How many were taken.
    pub accepted: u64,
    /// The others: machine and reason.
    pub failed: Vec<(MachineId, String)>,
}

impl Coalescer {
    fn shard(&self, machine: &MachineId) -> MutexGuard<'_, HashMap<MachineId, Timestamp>> {
        let hash = usize::try_from(self.hasher.hash_one(machine) >> 32).unwrap_or_default();
        self.shards[hash % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switches(&self) -> MutexGuard<'_, BTreeMap<SwitchId, Reported>> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event if all it means is that the machine lives; false leaves it to a transaction. Decides on the
    /// snapshot and what is pending.
    pub fn absorb(
        &self,
        snapshot: &Snapshot,
        machine: &MachineId,
        event: ProvisioningEvent,
        message: &str,
        now: Timestamp,
    ) -> bool {
        let Some(log) = snapshot.event_logs.get(machine.as_str()) else { return false };
        if !snapshot.machines.contains(machine.as_str()) {
            return false;
        }
        let mut shard = self.shard(machine);
        let pending = shard.get(machine).copied();
        let step = match pending.filter(|pending| log.last_event_time.is_none_or(|stored| stored < *pending))
        {
            Some(pending) => {
                let log = EventLog { last_event_time: Some(pending), ..EventLog::clone(log) };
                event::step(&log, event, message, now)
            }
            None => event::step(log, event, message, now),
        };
        if step.outcome == event::Outcome::Ignored {
            return true;
        }
        if !step.is_mere_touch(log) {
            return false;
        }
        let latest = pending.map_or(step.time, |pending| pending.max(step.time));
        shard.insert(machine.clone(), latest);
        drop(shard);
        self.absorbed.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Takes the report of a switch that has nothing to tell but that it is as before.
    pub fn absorb_switch(&self, reported: Reported) {
        self.switches().insert(reported.status.id.clone(), reported);
        self.absorbed.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops what is pending of a switch, because something newer was stored.
    pub fn forget_switch(&self, switch: &SwitchId) {
        self.switches().remove(switch);
    }

    /// The last sign of life of a machine, pending or stored.
    pub fn last_event_time(&self, snapshot: &Snapshot, machine: &MachineId) -> Option<Timestamp> {
        let stored = snapshot.event_logs.get(machine.as_str()).and_then(|log| log.last_event_time);
        self.pending(machine).max(stored)
    }

    /// The pending sign of life of a machine, for views that hold the stored one already.
    pub fn pending(&self, machine: &MachineId) -> Option<Timestamp> {
        self.shard(machine).get(machine).copied()
    }

    /// The status of a switch, pending or stored, whichever is newer.
    pub fn switch_status(&self, snapshot: &Snapshot, switch: &str) -> Option<Arc<SwitchStatus>> {
        let stored = snapshot.switch_statuses.get(switch).cloned();
        let pending = self.switches().get(switch).map(|reported| Arc::clone(&reported.status));
        match (pending, stored) {
            (Some(pending), Some(stored)) if is_newer(&stored, &pending) => Some(stored),
            (Some(pending), _) => Some(pending),
            (None, stored) => stored,
        }
    }

    /// Brings what a machine's reader is told up to what is pending.
    pub fn refresh(&self, machine: &str, events: &mut Arc<v1::MachineRecentProvisioningEvents>) {
        let Some(pending) = self.pending(&MachineId::from(machine)).map(v1::Time::from) else { return };
        if events.last_event_time.is_none_or(|stored| stored < pending) {
            Arc::make_mut(events).last_event_time = Some(pending);
        }
    }

    /// Brings what a switch's reader is told up to what is pending.
    pub fn refresh_switch(&self, switch: &mut v1::SwitchResponse) {
        let Some(Reported { status, seen }) = self.switches().get(switch.id.as_str()).cloned() else {
            return;
        };
        let is_newer = is_later(switch.last_sync.as_ref(), status.last_sync.as_ref());
        let failed_later = is_later(switch.last_sync_error.as_ref(), status.last_sync_error.as_ref());
        if is_newer {
            switch.last_sync = status.last_sync.as_ref().map(sync);
        }
        if failed_later {
            switch.last_sync_error = status.last_sync_error.as_ref().map(sync);
        }
        if let Some(seen) = seen.filter(|_| is_newer || failed_later) {
            metal_plan::switch::observe(switch, &seen);
        }
    }

    /// How many signs of life were absorbed since the start.
    pub fn absorbed(&self) -> u64 {
        self.absorbed.load(Ordering::Relaxed)
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        let machines =
            self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len());
        machines.sum::<usize>() + self.switches().len()
    }

    /// True when nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Brings the log of a machine up to what is pending. First step of every transaction that decides on a log.
    pub fn settle(&self, tx: &mut Tx, machine: &MachineId) {
        if let Some(pending) = self.pending(machine) {
            touch(tx, machine, pending);
        }
    }

    /// Forgets what is stored by now.
    fn forget(&self, machine: &MachineId, stored: Timestamp) {
        let mut shard = self.shard(machine);
        if shard.get(machine).is_some_and(|pending| *pending <= stored) {
            shard.remove(machine);
        }
    }

    /// What is to be written, oldest stored first.
    fn due(&self, snapshot: &Snapshot, everything: bool) -> Vec<(MachineId, Timestamp)> {
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|machine, pending| {
                let Some(log) = snapshot.event_logs.get(machine.as_str()) else { return false };
                let stored = log.last_event_time;
                if stored.is_some_and(|stored| stored >= *pending) {
                    return false;
                }
                if everything || stored.is_none_or(|stored| pending.duration_since(stored) >= DUE) {
                    due.push((stored, machine.clone(), *pending));
                }
                true
            });
        }
        due.sort_unstable_by_key(|(stored, ..)| *stored);
        due.into_iter().map(|(_, machine, pending)| (machine, pending)).collect()
    }
}

fn sync(sync: &SwitchSync) -> v1::SwitchSync {
    v1::SwitchSync { time: sync.time.into(), duration: sync.duration, error: sync.error.clone() }
}

fn is_later(stored: Option<&v1::SwitchSync>, pending: Option<&SwitchSync>) -> bool {
    pending.is_some_and(|pending| stored.is_none_or(|stored| stored.time < v1::Time::from(pending.time)))
}

fn is_newer(status: &SwitchStatus, than: &SwitchStatus) -> bool {
    last_told(status) > last_told(than)
}

fn last_told(status: &SwitchStatus) -> Option<Timestamp> {
    let of = |sync: &Option<SwitchSync>| sync.as_ref().map(|sync| sync.time);
    of(&status.last_sync).max(of(&status.last_sync_error))
}

fn touch(tx: &mut Tx, machine: &MachineId, time: Timestamp) {
    let Some(log) = tx.state().event_logs.get(machine.as_str()) else { return };
    if log.last_event_time.is_some_and(|stored| stored >= time) {
        return;
    }
    let log = EventLog { last_event_time: Some(time), ..EventLog::clone(log) };
    tx.put(log);
}

/// Takes a batch of events in order: signs of life into memory, the rest into transactions that are durable before
/// this returns. Unknown machines get a record in `partition`. The caller has checked who sends.
pub async fn receive(
    app: &App,
    caller: &Caller,
    partition: &str,
    events: Vec<Incoming>,
) -> Result<Received, TransactError<Error>> {
    let snapshot = app.store.snapshot();
    let now = metal_plan::Env::new(app.clock.now(), 0, Caller::default()).now;
    let mut received = Received::default();
    let mut durable: Vec<Incoming> = Vec::new();
    // Later events of a machine wait for its earlier ones.
    let mut ordered = HashSet::new();
    for incoming in events {
        let Some(event) = ProvisioningEvent::parse(&incoming.event) else {
            let why = format!("{:?} is not a provisioning event", incoming.event);
            received.failed.push((incoming.machine, why));
            continue;
        };
        let absorbed = !ordered.contains(&incoming.machine)
            && app.agents.touches.absorb(&snapshot.state, &incoming.machine, event, &incoming.message, now);
        if absorbed {
            received.accepted += 1;
        } else {
            ordered.insert(incoming.machine.clone());
            durable.push(incoming);
        }
    }
    for batch in durable.chunks(BATCH) {
        commit(app, caller, partition, batch, &mut received).await?;
    }
    Ok(received)
}

async fn commit(
    app: &App,
    caller: &Caller,
    partition: &str,
    batch: &[Incoming],
    received: &mut Received,
) -> Result<(), TransactError<Error>> {
    let (batch, partition) = (batch.to_vec(), partition.to_owned());
    let memory = app.agents.clone();
    let decide = move |tx: &mut Tx, env: &mut metal_plan::Env| {
        let mut failed = Vec::new();
        for Incoming { machine, event, message } in &batch {
            memory.touches.settle(tx, machine);
            if let Err(refusal) = event::receive(tx, env, machine.as_str(), &partition, event, message) {
                failed.push((machine.clone(), refusal.message));
            }
        }
        Ok((u64::try_from(batch.len() - failed.len()).unwrap_or_default(), failed))
    };
    let (accepted, failed) = app.transact("events", caller, decide).await?.value;
    received.accepted += accepted;
    received.failed.extend(failed);
    Ok(())
}

/// Writes what is due (or `everything`), at a bounded rate. Answers how many documents were written.
pub async fn flush(app: &App, everything: bool) -> Result<usize, TransactError<Error>> {
    let snapshot = app.store.snapshot();
    let due = app.agents.touches.due(&snapshot.state, everything);
    drop(snapshot);
    let limit = if everything { usize::MAX } else { CHUNKS * CHUNK };
    let caller = app.system_caller();
    let mut written = 0;
    for chunk in due[..due.len().min(limit)].chunks(CHUNK) {
        let chunk = chunk.to_vec();
        let writes = chunk.clone();
        let decide = move |tx: &mut Tx, _: &mut metal_plan::Env| {
            for (machine, time) in &writes {
                touch(tx, machine, *time);
            }
            Ok(())
        };
        app.transact("signs of life", &caller, decide).await?;
        for (machine, time) in &chunk {
            app.agents.touches.forget(machine, *time);
        }
        written += chunk.len();
    }
    Ok(written + flush_switches(app, &caller, everything).await?)
}

async fn flush_switches(app: &App, caller: &Caller, everything: bool) -> Result<usize, TransactError<Error>> {
    let snapshot = app.store.snapshot();
    let is_due = |reported: &&Reported| {
        let stored = snapshot.state.switch_statuses.get(reported.status.id.as_str());
        let pending = last_told(&reported.status);
        let told = stored.and_then(|stored| last_told(stored));
        everything || told.zip(pending).is_none_or(|(told, pending)| pending.duration_since(told) >= DUE)
    };
    let due: Vec<Reported> = app.agents.touches.switches().values().filter(is_due).cloned().collect();
    drop(snapshot);
    // Up to two documents each.
    for chunk in due.chunks(CHUNK / 2) {
        let writes = chunk.to_vec();
        let decide = move |tx: &mut Tx, _: &mut metal_plan::Env| {
            writes.iter().for_each(|reported| keep(tx, reported));
            Ok(())
        };
        app.transact("switch statuses", caller, decide).await?;
        let mut switches = app.agents.touches.switches();
        for reported in chunk {
            if switches.get(&reported.status.id).is_some_and(|pending| pending == reported) {
                switches.remove(&reported.status.id);
            }
        }
    }
    Ok(due.len())
}

/// Writes what is newer than stored. What a switch sees is written when it sees something else.
fn keep(tx: &mut Tx, Reported { status, seen }: &Reported) {
    let id = status.id.as_str();
    let stored = tx.state().switch_statuses.get(id);
    if !tx.state().switches.contains(id) || stored.is_some_and(|stored| is_newer(stored, status)) {
        return;
    }
    // What is in effect is never pending: a newer one may have been stored meanwhile by another replica.
    let (applied, tells_applied) = stored.map_or((0, false), |stored| (stored.applied, stored.tells_applied));
    tx.put(SwitchStatus { applied, tells_applied, ..SwitchStatus::clone(status) });
    if let Some(seen) = seen
        && tx.state().switch_observations.get(id) != Some(seen)
    {
        tx.put(SwitchObservation::clone(seen));
    }
}
