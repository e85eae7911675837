//! Sizes: classes of hardware, recognised by constraints. No two sizes may be able to claim the same machine.

mod glob;
mod matching;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use metal_model::id::SizeId;
use metal_model::size::{Size, SizeReservation, UNKNOWN_SIZE};
use metal_model::v1::{self, SizeConstraint};

pub use matching::{matching, suggest};

use crate::{Env, Error, Snapshot, Tx};

const CORES: &str = "cores";
const MEMORY: &str = "memory";
const STORAGE: &str = "storage";
const GPU: &str = "gpu";

/// Adds a size.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::SizeCreateRequest) -> Result<Arc<Size>, Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id of the size must not be empty"));
    }
    if req.id == UNKNOWN_SIZE {
        return Err(Error::invalid(
            "id",
            format!("id {UNKNOWN_SIZE:?} is the built-in size of unknown hardware"),
        ));
    }
    let size = Size {
        id: SizeId::from(&req.id),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        constraints: req.constraints.clone(),
        labels: req.labels.clone().unwrap_or_default(),
    };
    check(tx.state(), &size)?;
    tx.create(size)
}

/// Changes what is given; constraints and labels are replaced as a whole.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::SizeUpdateRequest) -> Result<Arc<Size>, Error> {
    let mut size = Size::clone(tx.state().find::<Size>(&req.id)?);
    if let Some(name) = &req.name {
        size.name.clone_from(name);
    }
    if let Some(description) = &req.description {
        size.description.clone_from(description);
    }
    if let Some(constraints) = &req.constraints {
        size.constraints.clone_from(constraints);
    }
    if let Some(labels) = &req.labels {
        size.labels.clone_from(labels);
    }
    size.changed = env.now;
    check(tx.state(), &size)?;
    Ok(tx.put(size))
}

/// Removes a size no reservation is for. Machines that have it keep naming it until they register again.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Size>, Error> {
    let size = tx.state().find::<Size>(id)?.clone();
    let reserved = |reservation: &Arc<SizeReservation>| reservation.size == *id;
    if let Some(reservation) = tx.state().size_reservations.iter().find(|r| reserved(r)) {
        return Err(Error::refused(format!(
            "size {id:?} is reserved by size reservation {:?}; delete that first",
            reservation.id
        )));
    }
    tx.delete::<Size>(id);
    Ok(size)
}

/// The wire form.
pub fn response(_snapshot: &Snapshot, size: &Size) -> Result<v1::SizeResponse, Error> {
    Ok(list_response(size))
}

/// The wire form; it refers to nothing.
pub fn list_response(size: &Size) -> v1::SizeResponse {
    v1::SizeResponse {
        id: size.id.to_string(),
        name: size.name.clone(),
        description: size.description.clone(),
        constraints: size.constraints.clone(),
        labels: size.labels.clone(),
        created: size.created.into(),
        changed: size.changed.into(),
    }
}

/// Constraints of a size on their own (422), and against all other sizes (400).
fn check(snapshot: &Snapshot, size: &Size) -> Result<(), Error> {
    for (at, constraint) in size.constraints.iter().enumerate() {
        check_constraint(constraint).map_err(|why| {
            Error::refused_field("constraints", format!("[{at}] of size {}: {why}", size.id))
        })?;
    }
    for single in [MEMORY, CORES] {
        if size.constraints.iter().filter(|c| c.kind == single).count() > 1 {
            return Err(Error::refused_field(
                "constraints",
                format!("size {} has more than one {single} constraint; join them", size.id),
            ));
        }
    }
    let other = snapshot.sizes.iter().find(|other| other.id != size.id && overlap(size, other));
    match other {
        Some(other) => Err(Error::invalid(
            "constraints",
            format!("size \"{}\" overlaps with \"{}\"; tell them apart by constraints", size.id, other.id),
        )),
        None => Ok(()),
    }
}

fn check_constraint(constraint: &SizeConstraint) -> Result<(), String> {
    let SizeConstraint { kind, min, max, identifier } = constraint;
    if max < min {
        return Err(format!("max {max} is less than min {min}"));
    }
    if *max > i64::MAX.unsigned_abs() {
        return Err(format!("max {max} is more than clients can read; the limit is {}", i64::MAX));
    }
    if glob::Glob::parse(identifier).is_none() {
        return Err(format!("identifier {identifier:?} is not a valid glob"));
    }
    match kind.as_str() {
        GPU if identifier.is_empty() => Err("a gpu constraint needs an identifier".to_owned()),
        MEMORY if !identifier.is_empty() => Err("a memory constraint has no identifier".to_owned()),
        _ => Ok(()),
    }
}

/// Could one machine match both? Same types of constraints, and for each type the same identifiers with ranges
/// that intersect.
fn overlap(a: &Size, b: &Size) -> bool {
    if a.constraints.is_empty() || b.constraints.is_empty() {
        return false;
    }
    let kinds = |size: &Size| size.constraints.iter().map(|c| c.kind.clone()).collect::<BTreeSet<_>>();
    kinds(a) == kinds(b)
        && a.constraints.iter().all(|left| {
            b.constraints.iter().filter(|right| right.kind == left.kind).all(|right| {
                left.identifier == right.identifier && left.min <= right.max && right.min <= left.max
            })
        })
}
