//! One reader of the change feed for all streams: it tells each stream that something it cares about has changed.
//!
//! Ten thousand parked machines are ten thousand entries in a map, not ten thousand readers of the feed. A stream that
//! is woken looks at the newest snapshot and decides by itself what to send; a wake-up carries no argument, and one
//! too many costs a look. When the feed was too fast to follow everybody is woken.
//!
//! Configurations of switches depend on networks and addresses of whole projects, so these changes are collected for
//! a moment and turned into the switches concerned only once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metal_model::doc::Doc;
use metal_model::id::{MachineId, PartitionId, ProjectId, SwitchId};
use metal_model::machine::Machine;
use metal_plan::Snapshot;
use metal_runtime::TaskTree;
use metal_store::{Change, Feed, FeedError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::Store;

/// How long changes that concern switches are collected.
const COLLECT: Duration = Duration::from_millis(100);

/// What a listener cares about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The machine's record or its boot.
    Machine(MachineId),
    /// What the configuration of the switch follows from.
    Switch(SwitchId),
    /// Commands for the partition's BMCs.
    Commands(PartitionId),
    /// Any document of a kind.
    Kind(&'static str),
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct Hub {
    slots: Mutex<HashMap<Topic, Slot>>,
}

#[derive(Debug)]
struct Slot {
    wake: watch::Sender<()>,
    listeners: usize,
}

/// An ear; what has happened since it was made or last heard is never missed.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    topic: Topic,
    woken: watch::Receiver<()>,
}

impl Listener {
    /// Waits until something has happened. Cancel safe.
    pub async fn heard(&mut self) {
        if self.woken.changed().await.is_err() {
            // The slot lives as long as its listeners.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut slots = self.hub.lock();
        if let Some(slot) = slots.get_mut(&self.topic) {
            slot.listeners -= 1;
            if slot.listeners == 0 {
                slots.remove(&self.topic);
            }
        }
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to listen. Take a snapshot afterwards, not before.
    pub fn listen(self: &Arc<Self>, topic: Topic) -> Listener {
        let mut slots = self.lock();
        let slot =
            slots.entry(topic.clone()).or_insert_with(|| Slot { wake: watch::Sender::new(()), listeners: 0 });
        slot.listeners += 1;
        let woken = slot.wake.subscribe();
        drop(slots);
        Listener { hub: Arc::clone(self), topic, woken }
    }

    /// Wakes who listens to a topic.
    pub fn wake(&self, topic: &Topic) {
        if let Some(slot) = self.lock().get(topic) {
            slot.wake.send_replace(());
        }
    }

    /// Wakes everybody.
    pub fn wake_all(&self) {
        for slot in self.lock().values() {
            slot.wake.send_replace(());
        }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.lock().values().map(|slot| slot.listeners).sum()
    }

    fn wake_all_switches(&self) {
        for (topic, slot) in &*self.lock() {
            if matches!(topic, Topic::Switch(_)) {
                slot.wake.send_replace(());
            }
        }
    }

    /// Reads the feed until cancelled or the store is closed.
    pub async fn run(self: Arc<Self>, store: Store, tasks: TaskTree) {
        while let Ok(feed) = store.watch(None) {
            // What happened before this feed began is unknown to the listeners.
            self.wake_all();
            tokio::select! {
                ended = self.follow(&store, feed) => match ended {
                    FeedError::Lagged { last } => tracing::warn!(revision = last, "streams fell behind, waking all"),
                    FeedError::Closed => break,
                },
                () = tasks.cancelled() => return,
            }
        }
        // A closed store is the end of the process, not of this task.
        tasks.cancelled().await;
    }

    async fn follow(&self, store: &Store, mut feed: Feed<Snapshot>) -> FeedError {
        let mut concerned = Concerned::default();
        let mut due: Option<Instant> = None;
        loop {
            let collected = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = collected => {
                    due = None;
                    self.wake_concerned(&store.snapshot().state, &std::mem::take(&mut concerned));
                }
                commit = feed.next() => match commit {
                    Ok(commit) => {
                        for change in &commit.changes {
                            self.tell(change);
                            concerned.add(change);
                        }
                        if due.is_none() && !concerned.is_empty() {
                            due = Some(Instant::now() + COLLECT);
                        }
                    }
                    Err(error) => return error,
                }
            }
        }
    }

    /// Wakes those who can be named by the change alone.
    fn tell(&self, change: &Change<Doc>) {
        let Some((kind, id)) = change.key.split_once('/') else { return };
        match kind {
            "machine" | "machine-boot" => self.wake(&Topic::Machine(MachineId::from(id))),
            "bmc-command" => {
                if let Some((partition, _)) = id.rsplit_once('/') {
                    self.wake(&Topic::Commands(PartitionId::from(partition)));
                }
            }
            _ => {}
        }
        if let Some(kind) = metal_model::doc::KINDS.iter().find(|known| **known == kind) {
            self.wake(&Topic::Kind(kind));
        }
    }

    fn wake_concerned(&self, snapshot: &Snapshot, concerned: &Concerned) {
        if concerned.everything {
            self.wake_all_switches();
            return;
        }
        let mut switches = concerned.switches.clone();
        let mut add_machine = |machine: &str| {
            switches.extend(snapshot.index.switches_by_machine.get(machine).cloned());
        };
        concerned.machines.iter().for_each(|machine| add_machine(machine.as_str()));
        for project in &concerned.projects {
            for machine in snapshot.index.machines_by_project.get(project.as_str()) {
                add_machine(machine.as_str());
            }
        }
        for switch in switches {
            self.wake(&Topic::Switch(switch));
        }
    }
}

/// Whose configuration may follow from the changes collected.
#[derive(Debug, Default)]
struct Concerned {
    everything: bool,
    switches: HashSet<SwitchId>,
    machines: HashSet<MachineId>,
    projects: HashSet<ProjectId>,
}

impl Concerned {
    fn is_empty(&self) -> bool {
        !self.everything && self.switches.is_empty() && self.machines.is_empty() && self.projects.is_empty()
    }

    fn add(&mut self, change: &Change<Doc>) {
        for doc in change.old.iter().chain(&change.new) {
            match doc {
                Doc::Switch(switch) => {
                    self.switches.insert(switch.id.clone());
                }
                Doc::Ip(ip) => {
                    self.projects.insert(ip.project.clone());
                }
                // Nobody can use a network before it exists; once it changes, children and sharers are concerned too.
                Doc::Network(_) => self.everything |= change.old.is_some() && change.new.is_some(),
                Doc::Machine(machine) if is_allocation_change(change) => {
                    self.machines.insert(machine.id.clone());
                }
                _ => {}
            }
        }
    }
}

/// Parking and registering say nothing to switches.
fn is_allocation_change(change: &Change<Doc>) -> bool {
    fn allocation(doc: Option<&Doc>) -> Option<&Machine> {
        match doc {
            Some(Doc::Machine(machine)) => Some(machine),
            _ => None,
        }
    }
    let of = |doc| allocation(doc).and_then(|machine| machine.allocation.as_ref());
    of(change.old.as_ref()) != of(change.new.as_ref())
}
