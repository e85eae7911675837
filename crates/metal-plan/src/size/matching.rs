//! Which size a machine's hardware has: all constraints of the size hold, and nothing of the hardware is left over.

use metal_model::id::SizeId;
use metal_model::machine::Machine;
use metal_model::size::Size;
use metal_model::v1::{self, SizeConstraint};

use super::glob::Glob;
use super::{CORES, GPU, MEMORY, STORAGE};
use crate::{Error, Snapshot};

/// The one size that matches, none when no size or several do.
pub fn matching(snapshot: &Snapshot, hardware: &v1::MachineHardware) -> Option<SizeId> {
    let mut found = snapshot.sizes.iter().filter(|size| matches(size, hardware));
    let first = found.next()?;
    found.next().is_none().then(|| first.id.clone())
}

/// Does the hardware satisfy all constraints, and do they speak of all of it?
fn matches(size: &Size, hardware: &v1::MachineHardware) -> bool {
    if size.constraints.is_empty() {
        return false;
    }
    let mut constraints = Vec::with_capacity(size.constraints.len());
    for constraint in &size.constraints {
        let Some(identifier) = Identifier::of(constraint) else { return false };
        constraints.push((constraint, identifier));
    }
    constraints.iter().all(|(constraint, identifier)| {
        measure(constraint, identifier, hardware)
            .is_some_and(|value| (constraint.min..=constraint.max).contains(&value))
    }) && covered(&constraints, hardware)
}

/// Which models or names a constraint is about.
enum Identifier {
    Any,
    Some(Glob),
}

impl Identifier {
    fn of(constraint: &SizeConstraint) -> Option<Self> {
        match constraint.identifier.as_str() {
            "" => Some(Self::Any),
            pattern => Glob::parse(pattern).map(Self::Some),
        }
    }

    fn is(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some(glob) => glob.matches(text),
        }
    }
}

/// What the hardware has of what the constraint is about; none for types nobody knows.
fn measure(
    constraint: &SizeConstraint,
    identifier: &Identifier,
    hardware: &v1::MachineHardware,
) -> Option<u64> {
    Some(match constraint.kind.as_str() {
        CORES => hardware
            .cpus
            .iter()
            .filter(|cpu| identifier.is(&cpu.model))
            .map(|cpu| u64::from(cpu.cores))
            .fold(0, u64::saturating_add),
        MEMORY => hardware.memory,
        STORAGE => hardware
            .disks
            .iter()
            .filter(|disk| identifier.is(&disk.name))
            .map(|disk| disk.size)
            .fold(0, u64::saturating_add),
        GPU => {
            let count = hardware.gpus.iter().filter(|gpu| identifier.is(&gpu.model)).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        }
        _ => return None,
    })
}

fn covered(constraints: &[(&SizeConstraint, Identifier)], hardware: &v1::MachineHardware) -> bool {
    let any = |kind: &str, text: &str| {
        constraints.iter().any(|(constraint, identifier)| constraint.kind == kind && identifier.is(text))
    };
    constraints.iter().any(|(constraint, _)| constraint.kind == MEMORY)
        && hardware.cpus.iter().all(|cpu| any(CORES, &cpu.model))
        && hardware.disks.iter().all(|disk| any(STORAGE, &disk.name))
        && hardware.gpus.iter().all(|gpu| any(GPU, &gpu.model))
}

/// Constraints that describe exactly the hardware of a machine.
pub fn suggest(snapshot: &Snapshot, req: &v1::SizeSuggestRequest) -> Result<Vec<SizeConstraint>, Error> {
    if req.machine_id.is_empty() {
        return Err(Error::invalid("machineID", "machineID must not be empty"));
    }
    let machine = snapshot.find::<Machine>(&req.machine_id)?;
    let hardware = &machine.hardware;
    let exactly = |kind: &str, value: u64, identifier: String| SizeConstraint {
        kind: kind.to_owned(),
        min: value,
        max: value,
        identifier,
    };
    let cores = hardware.cpus.iter().map(|cpu| u64::from(cpu.cores)).fold(0, u64::saturating_add);
    let storage = hardware.disks.iter().map(|disk| disk.size).fold(0, u64::saturating_add);
    let mut answer = vec![
        exactly(CORES, cores, common(hardware.cpus.iter().map(|cpu| cpu.model.as_str()))),
        exactly(MEMORY, hardware.memory, String::new()),
        exactly(STORAGE, storage, common(hardware.disks.iter().map(|disk| disk.name.as_str()))),
    ];
    let mut models: Vec<&str> = hardware.gpus.iter().map(|gpu| gpu.model.as_str()).collect();
    models.sort_unstable();
    for same in models.chunk_by(|a, b| a == b) {
        let count = u64::try_from(same.len()).unwrap_or(u64::MAX);
        answer.push(exactly(GPU, count, escape(same[0])));
    }
    Ok(answer)
}

/// Glob for all of some names: the name itself when they are equal, else what they begin with and a star.
fn common<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let Some(first) = names.next() else { return String::new() };
    let mut prefix = first;
    let mut same = true;
    for name in names {
        same &= name == first;
        let shared = prefix.char_indices().zip(name.chars()).find(|((_, a), b)| a != b);
        let end = match shared {
            Some(((at, _), _)) => at,
            None => prefix.len().min(name.len()),
        };
        prefix = &prefix[..end];
    }
    if same { escape(first) } else { format!("{}*", escape(prefix)) }
}

/// A name as a glob that means only itself.
fn escape(name: &str) -> String {
    let mut glob = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}
