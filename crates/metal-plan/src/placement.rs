//! Where a new machine goes: the index of what is free and what a project has, per rack, and the choice from it.
//!
//! Machines of a project and role are spread over racks, first by the placement tags of the request, then by the
//! project itself; among equally good machines one is drawn by lot. The index is derived from machines and their
//! event logs, in whichever order these change, so a choice walks over racks and never over machines.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use metal_model::event_log::{EventLog, Liveliness};
use metal_model::id::{MachineId, PartitionId, ProjectId, RackId, SizeId};
use metal_model::machine::{Availability, Machine, Role};

use crate::{Rng, Snapshot};

/// Tag keys whose values belong to one machine only: nothing can be spread by them.
const UNIQUE_TAGS: [&str; 2] =
    ["machine.metal-stack.io/network.primary.asn=", "machine.metal-stack.io/chassis="];

/// Machines of one size in one partition.
type Class = (PartitionId, SizeId);
/// Allocated machines that are spread together.
type Group = (PartitionId, SizeId, ProjectId, Role);
/// How many machines stand in a rack; racks without any are absent.
type Counts = OrdMap<RackId, u32>;

/// Machines of a class that may be handed out at random.
#[derive(Debug, Clone, Default, PartialEq)]
struct Pool {
    racks: OrdMap<RackId, OrdSet<MachineId>>,
    total: usize,
}

/// The index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placement {
    /// Every rack in use and by how many machines. All maps share these names, so that equal racks are mostly seen
    /// to be equal without comparing their text.
    racks: OrdMap<RackId, u32>,
    available: OrdMap<Class, Pool>,
    groups: OrdMap<Group, Counts>,
    tags: OrdMap<(Group, Arc<str>), Counts>,
    allocated: OrdMap<(PartitionId, SizeId, ProjectId), usize>,
}

/// What one machine contributes to the index.
enum Share<'a> {
    Nothing,
    Available(&'a Machine),
    Allocated(&'a Machine),
}

/// May the machine be handed out to anybody? Its installer waits in RAM and was heard of lately, its switches have
/// confirmed that it is isolated, and no operator keeps it back.
pub(crate) fn is_available(snapshot: &Snapshot, machine: &Machine, log: Option<&EventLog>) -> bool {
    is_fit(machine, log) && !snapshot.index.unconfirmed.contains(machine.id.as_str())
}

/// The same but for the switches.
fn is_fit(machine: &Machine, log: Option<&EventLog>) -> bool {
    machine.allocation.is_none() && machine.state.value == Availability::Available && is_waiting(machine, log)
}

/// Is an installer parked on it that has wiped its disks and was heard of lately?
pub(crate) fn is_waiting(machine: &Machine, log: Option<&EventLog>) -> bool {
    machine.waiting && log.is_some_and(|log| log.liveliness == Liveliness::Alive)
}

impl Share<'_> {
    fn of<'a>(machine: Option<&'a Machine>, log: Option<&EventLog>, is_confirmed: bool) -> Share<'a> {
        match machine {
            Some(machine) if machine.allocation.is_some() => Share::Allocated(machine),
            Some(machine) if is_confirmed && is_fit(machine, log) => Share::Available(machine),
            _ => Share::Nothing,
        }
    }

    /// True when replacing one share by the other cannot change the index.
    fn same(&self, other: &Share<'_>) -> bool {
        let place = |a: &Machine, b: &Machine| {
            a.id == b.id && a.partition == b.partition && a.size == b.size && a.rack == b.rack
        };
        match (self, other) {
            (Share::Nothing, Share::Nothing) => true,
            (Share::Available(a), Share::Available(b)) => place(a, b),
            (Share::Allocated(a), Share::Allocated(b)) => {
                let key = |machine: &Machine| {
                    machine.allocation.as_ref().map(|a| (a.project.clone(), a.role, a.placement_tags.clone()))
                };
                place(a, b) && a.tags == b.tags && key(a) == key(b)
            }
            _ => false,
        }
    }
}

impl Snapshot {
    /// Keeps the placement index right when a machine changed; its event log stayed.
    pub(crate) fn placement_machine_changed(&mut self, old: Option<&Machine>, new: Option<&Machine>) {
        let Some(id) = new.or(old).map(|machine| &machine.id) else { return };
        let log = self.event_logs.get(id.as_str()).map(AsRef::as_ref);
        let is_confirmed = !self.index.unconfirmed.contains(id.as_str());
        let (old, new) = (Share::of(old, log, is_confirmed), Share::of(new, log, is_confirmed));
        self.index.placement.exchange(&old, &new);
    }

    /// Keeps the placement index right when the switches of a machine confirmed its isolation, or are to do so anew.
    pub(crate) fn placement_isolation_changed(&mut self, id: &MachineId) {
        let machine = self.machines.get(id.as_str()).map(AsRef::as_ref);
        let log = self.event_logs.get(id.as_str()).map(AsRef::as_ref);
        let is_confirmed = !self.index.unconfirmed.contains(id.as_str());
        let (old, new) = (Share::of(machine, log, !is_confirmed), Share::of(machine, log, is_confirmed));
        self.index.placement.exchange(&old, &new);
    }

    /// Keeps the placement index right when an event log changed; its machine stayed.
    pub(crate) fn placement_log_changed(&mut self, old: Option<&EventLog>, new: Option<&EventLog>) {
        if old.map(|log| log.liveliness) == new.map(|log| log.liveliness) {
            return;
        }
        let Some(id) = new.or(old).map(|log| &log.machine) else { return };
        let machine = self.machines.get(id.as_str()).map(AsRef::as_ref);
        let is_confirmed = !self.index.unconfirmed.contains(id.as_str());
        let (old, new) = (Share::of(machine, old, is_confirmed), Share::of(machine, new, is_confirmed));
        self.index.placement.exchange(&old, &new);
    }
}

/// Adds to, or with `false` takes from, a count; counts of zero disappear.
fn tally<K: Ord + Clone>(counts: &mut OrdMap<K, u32>, key: K, add: bool) {
    if add {
        *counts.entry(key).or_insert(0) += 1;
    } else if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// The same for a count per rack inside a map.
fn tally_in<K: Ord + Clone>(map: &mut OrdMap<K, Counts>, key: K, rack: &RackId, add: bool) {
    if add {
        tally(map.entry(key).or_default(), rack.clone(), true);
    } else if let Some(counts) = map.get_mut(&key) {
        tally(counts, rack.clone(), false);
        if counts.is_empty() {
            map.remove(&key);
        }
    }
}

/// Tags an allocated machine is spread by: its own and those its allocation asked for, each once.
fn spread_tags(machine: &Machine) -> BTreeSet<&str> {
    let asked = machine.allocation.as_ref().map(|a| a.placement_tags.as_slice()).unwrap_or_default();
    let all = machine.tags.iter().chain(asked).map(String::as_str);
    all.filter(|tag| !UNIQUE_TAGS.iter().any(|key| tag.starts_with(key))).collect()
}

impl Placement {
    fn exchange(&mut self, old: &Share<'_>, new: &Share<'_>) {
        if old.same(new) {
            return;
        }
        self.apply(old, false);
        self.apply(new, true);
    }

    fn apply(&mut self, share: &Share<'_>, add: bool) {
        let (Share::Available(machine) | Share::Allocated(machine)) = share else { return };
        let rack = self.racks.get_key_value(&machine.rack).map_or(&machine.rack, |(rack, _)| rack).clone();
        tally(&mut self.racks, rack.clone(), add);
        if matches!(share, Share::Available(_)) {
            self.apply_available(machine, rack, add);
        } else {
            self.apply_allocated(machine, &rack, add);
        }
    }

    fn apply_available(&mut self, machine: &Machine, rack: RackId, add: bool) {
        let class = (machine.partition.clone(), machine.size.clone());
        if add {
            let pool = self.available.entry(class).or_default();
            pool.racks.entry(rack).or_default().insert(machine.id.clone());
            pool.total += 1;
            return;
        }
        let Some(pool) = self.available.get_mut(&class) else { return };
        if let Some(machines) = pool.racks.get_mut(&rack)
            && machines.remove(&machine.id).is_some()
        {
            pool.total -= 1;
            if machines.is_empty() {
                pool.racks.remove(&rack);
            }
        }
        if pool.total == 0 {
            self.available.remove(&class);
        }
    }

    fn apply_allocated(&mut self, machine: &Machine, rack: &RackId, add: bool) {
        let Some(allocation) = &machine.allocation else { return };
        let (partition, size, project) = (&machine.partition, &machine.size, &allocation.project);
        let group = (partition.clone(), size.clone(), project.clone(), allocation.role);
        for tag in spread_tags(machine) {
            tally_in(&mut self.tags, (group.clone(), Arc::from(tag)), rack, add);
        }
        tally_in(&mut self.groups, group, rack, add);
        let key = (partition.clone(), size.clone(), project.clone());
        let count = self.allocated(partition, size, project);
        match if add { count + 1 } else { count.saturating_sub(1) } {
            0 => self.allocated.remove(&key),
            count => self.allocated.insert(key, count),
        };
    }

    /// Machines of a size that a project has in a partition, firewalls included.
    pub fn allocated(&self, partition: &PartitionId, size: &SizeId, project: &ProjectId) -> usize {
        self.allocated.get(&(partition.clone(), size.clone(), project.clone())).copied().unwrap_or_default()
    }

    /// Machines of a size in a partition that may be handed out.
    pub fn available(&self, partition: &PartitionId, size: &SizeId) -> usize {
        self.available.get(&(partition.clone(), size.clone())).map_or(0, |pool| pool.total)
    }

    /// Draws one of the machines that are best for spreading, and says from how many; none when none is available.
    pub fn choose(&self, wish: &Wish<'_>, rng: &mut Rng) -> Option<Choice> {
        let pool = self.available.get(&(wish.partition.clone(), wish.size.clone()))?;
        let group = (wish.partition.clone(), wish.size.clone(), wish.project.clone(), wish.role);
        let mut racks: Vec<Rack<'_>> =
            pool.racks.values().map(|machines| Rack { machines, by_project: 0, by_tags: 0 }).collect();
        if let Some(counts) = self.groups.get(&group) {
            merge(pool, counts, |at, count| racks[at].by_project = count);
        }
        for tag in wish.placement_tags.iter().collect::<BTreeSet<_>>() {
            if let Some(counts) = self.tags.get(&(group.clone(), Arc::from(tag.as_str()))) {
                merge(pool, counts, |at, count| racks[at].by_tags += count);
            }
        }
        let fewest_tags = racks.iter().map(|rack| rack.by_tags).min()?;
        let fewest = racks.iter().map(|rack| rack.by_project).min()?;
        let best_by_tags = |rack: &&Rack<'_>| rack.by_tags == fewest_tags;
        let best = |rack: &&Rack<'_>| best_by_tags(rack) && rack.by_project == fewest;
        if racks.iter().any(|rack| best(&rack)) {
            draw(&racks, best, rng)
        } else {
            draw(&racks, best_by_tags, rng)
        }
    }
}

/// What a machine is chosen for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Where.
    pub partition: &'a PartitionId,
    /// Of which size.
    pub size: &'a SizeId,
    /// For whom.
    pub project: &'a ProjectId,
    /// As what.
    pub role: Role,
    /// Spread machines with these tags.
    pub placement_tags: &'a [String],
}

/// A machine drawn by lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The machine.
    pub machine: MachineId,
    /// How many were equally good.
    pub among: usize,
    /// In how many racks these stand.
    pub racks: usize,
}

/// A rack with available machines, and what the project already has in it.
struct Rack<'a> {
    machines: &'a OrdSet<MachineId>,
    by_project: u32,
    by_tags: u32,
}

/// Walks over the racks of a pool and over counts side by side; both are in the order of their racks.
fn merge(pool: &Pool, counts: &Counts, mut found: impl FnMut(usize, u32)) {
    let racks = pool.racks.keys().enumerate();
    // Where nearly all racks are full, finding the few with free machines beats walking over all counts.
    if counts.len() > pool.racks.len().saturating_mul(16) {
        racks.for_each(|(at, rack)| {
            if let Some(count) = counts.get(rack) {
                found(at, *count);
            }
        });
        return;
    }
    let mut counts = counts.iter();
    let mut next = counts.next();
    for (at, rack) in racks {
        while let Some((other, count)) = next {
            let order = order(other, rack);
            if order == Ordering::Equal {
                found(at, *count);
            }
            if order == Ordering::Greater {
                break;
            }
            next = counts.next();
            if order == Ordering::Equal {
                break;
            }
        }
    }
}

/// Order of two racks; names are shared, so equal ones are recognised by their place in memory.
fn order(a: &RackId, b: &RackId) -> Ordering {
    if std::ptr::eq(a.as_str(), b.as_str()) { Ordering::Equal } else { a.cmp(b) }
}

fn draw(racks: &[Rack<'_>], is_best: impl Fn(&&Rack<'_>) -> bool, rng: &mut Rng) -> Option<Choice> {
    let best = || racks.iter().filter(&is_best);
    let among: usize = best().map(|rack| rack.machines.len()).sum();
    let mut lot = rng.below(among);
    for rack in best() {
        if lot < rack.machines.len() {
            let machine = rack.machines.iter().nth(lot)?.clone();
            return Some(Choice { machine, among, racks: best().count() });
        }
        lot -= rack.machines.len();
    }
    None
}
