//! Size reservations: machines of a size that are kept free for a project, per partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use metal_model::id::{PartitionId, ProjectId, SizeId, SizeReservationId};
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::size::{Size, SizeReservation};
use metal_model::v1;

use crate::{Env, Error, Snapshot, Tx};

/// Adds a reservation; an empty id is replaced by a fresh one.
pub fn create(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::SizeReservationCreateRequest,
) -> Result<Arc<SizeReservation>, Error> {
    check_amount(req.amount)?;
    tx.state().find::<Size>(&req.sizeid)?;
    let partitions = check_partitions(tx.state(), &req.partitionids)?;
    tx.state().find::<Project>(&req.projectid)?;
    let id = match req.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => env.uuid(),
    };
    tx.create(SizeReservation {
        id: SizeReservationId::from(id),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        size: SizeId::from(&req.sizeid),
        partitions,
        project: ProjectId::from(&req.projectid),
        amount: req.amount,
        labels: req.labels.clone(),
    })
}

/// Changes what is given; size and project stay.
pub fn update(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::SizeReservationUpdateRequest,
) -> Result<Arc<SizeReservation>, Error> {
    tx.state().find::<SizeReservation>(&req.id)?;
    if let Some(amount) = req.amount {
        check_amount(amount)?;
    }
    let partitions = match req.partitionids.as_slice() {
        [] => None,
        given => Some(check_partitions(tx.state(), given)?),
    };
    tx.modify::<SizeReservation>(&req.id, |reservation| {
        if let Some(name) = &req.name {
            reservation.name.clone_from(name);
        }
        if let Some(description) = &req.description {
            reservation.description.clone_from(description);
        }
        if let Some(partitions) = partitions {
            reservation.partitions = partitions;
        }
        if let Some(amount) = req.amount {
            reservation.amount = amount;
        }
        if let Some(labels) = &req.labels {
            reservation.labels.clone_from(labels);
        }
        reservation.changed = env.now;
    })
}

/// Removes a reservation.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<SizeReservation>, Error> {
    let reservation = tx.state().find::<SizeReservation>(id)?.clone();
    tx.delete::<SizeReservation>(id);
    Ok(reservation)
}

/// Reservations that satisfy all criteria.
pub fn find(
    snapshot: &Snapshot,
    req: &v1::SizeReservationListRequest,
) -> Result<Vec<Arc<SizeReservation>>, Error> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (id, size) = (given(&req.id), given(&req.sizeid));
    let (project, partition) = (given(&req.projectid), given(&req.partitionid));
    let fits = |reservation: &SizeReservation| {
        size.as_ref().is_none_or(|size| reservation.size == **size)
            && project.as_ref().is_none_or(|project| reservation.project == **project)
            && partition.as_ref().is_none_or(|id| reservation.partitions.iter().any(|p| *p == **id))
    };
    Ok(match &id {
        Some(id) => snapshot.size_reservations.get(id).filter(|r| fits(r)).cloned().into_iter().collect(),
        None => snapshot.size_reservations.iter().filter(|r| fits(r)).cloned().collect(),
    })
}

/// The wire form.
pub fn response(
    _snapshot: &Snapshot,
    reservation: &SizeReservation,
) -> Result<v1::SizeReservationResponse, Error> {
    Ok(list_response(reservation))
}

/// The wire form; it refers to nothing.
pub fn list_response(reservation: &SizeReservation) -> v1::SizeReservationResponse {
    v1::SizeReservationResponse {
        id: reservation.id.to_string(),
        name: reservation.name.clone(),
        description: reservation.description.clone(),
        sizeid: reservation.size.to_string(),
        partitionids: reservation.partitions.iter().map(String::from).collect(),
        projectid: reservation.project.to_string(),
        amount: reservation.amount,
        labels: reservation.labels.clone(),
        created: reservation.created.into(),
        changed: reservation.changed.into(),
    }
}

/// How much of each reservation is used: one entry per reservation and partition of it.
pub fn usage(
    snapshot: &Snapshot,
    req: &v1::SizeReservationListRequest,
) -> Result<Vec<v1::SizeReservationUsageResponse>, Error> {
    let mut answer = Vec::new();
    for reservation in find(snapshot, req)? {
        for partition in &reservation.partitions {
            let allocated = allocated(snapshot, partition, &reservation.size, &reservation.project);
            answer.push(v1::SizeReservationUsageResponse {
                id: reservation.id.to_string(),
                name: reservation.name.clone(),
                description: reservation.description.clone(),
                sizeid: reservation.size.to_string(),
                partitionid: partition.to_string(),
                projectid: reservation.project.to_string(),
                amount: reservation.amount,
                usedamount: allocated.min(reservation.amount),
                projectallocations: allocated,
                labels: reservation.labels.clone(),
            });
        }
    }
    Ok(answer)
}

/// Machines of a size that a project has in a partition.
fn allocated(snapshot: &Snapshot, partition: &PartitionId, size: &SizeId, project: &ProjectId) -> i64 {
    let count = snapshot.index.placement.allocated(partition, size, project);
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the reservations of a size in a partition amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Machines reserved, for anybody.
    pub amount: i64,
    /// Of these, machines their projects already have.
    pub used: i64,
    /// Machines that others than the asking project may still claim.
    pub kept_from: i64,
}

/// Adds up the reservations of a size in a partition, as seen by a project (or by nobody).
///
/// A reservation keeps what its own project has not used of it; machines a project allocated beyond its
/// reservation do not lessen what others reserved.
pub fn reserved(
    snapshot: &Snapshot,
    partition: &PartitionId,
    size: &SizeId,
    project: Option<&ProjectId>,
) -> Reserved {
    let mut sum = Reserved::default();
    for id in snapshot.index.reservations.get(&(partition.clone(), size.clone())) {
        let Some(reservation) = snapshot.size_reservations.get(id.as_str()) else { continue };
        let used = allocated(snapshot, partition, size, &reservation.project).min(reservation.amount);
        sum.amount = sum.amount.saturating_add(reservation.amount);
        sum.used = sum.used.saturating_add(used);
        if project != Some(&reservation.project) {
            sum.kept_from = sum.kept_from.saturating_add(reservation.amount - used);
        }
    }
    sum
}

/// May the project take one of `available` machines? A project with an unused reservation always may; others only
/// while more machines are free than are kept for reservations.
pub(crate) fn permits(
    snapshot: &Snapshot,
    partition: &PartitionId,
    size: &SizeId,
    project: &ProjectId,
    available: usize,
) -> bool {
    let own = allocated(snapshot, partition, size, project);
    let has_claim = snapshot
        .index
        .reservations
        .get(&(partition.clone(), size.clone()))
        .filter_map(|id| snapshot.size_reservations.get(id.as_str()))
        .any(|reservation| reservation.project == *project && own < reservation.amount);
    if has_claim {
        return available > 0;
    }
    let kept = reserved(snapshot, partition, size, Some(project)).kept_from;
    i64::try_from(available).is_ok_and(|available| kept < available)
}

fn check_amount(amount: i64) -> Result<(), Error> {
    // Counts of machines: far below what could overflow a sum.
    if (1..=i64::from(i32::MAX)).contains(&amount) {
        return Ok(());
    }
    Err(Error::invalid("amount", format!("amount must be a positive number of machines, not {amount}")))
}

fn check_partitions(snapshot: &Snapshot, given: &[String]) -> Result<Vec<PartitionId>, Error> {
    if given.is_empty() {
        return Err(Error::invalid("partitionids", "partitionids must name at least one partition"));
    }
    let mut seen = BTreeSet::new();
    for id in given {
        snapshot.find::<Partition>(id)?;
        if !seen.insert(id) {
            return Err(Error::invalid("partitionids", format!("partitionids names {id:?} twice")));
        }
    }
    Ok(given.iter().map(PartitionId::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;
    use crate::allocation::allocate_machine;
    use crate::allocation::tests::world::{PARTITION, SIZE, World, request as machine};

    fn request(project: &str, amount: i64) -> v1::SizeReservationCreateRequest {
        v1::SizeReservationCreateRequest {
            sizeid: SIZE.into(),
            partitionids: vec![PARTITION.into()],
            projectid: project.into(),
            amount,
            ..v1::SizeReservationCreateRequest::default()
        }
    }

    #[test]
    fn creating_checks_references() {
        let mut world = World::new();
        type Change = (Class, fn(&mut v1::SizeReservationCreateRequest));
        let changes: Vec<Change> = vec![
            (Class::Invalid, |r| r.amount = 0),
            (Class::Invalid, |r| r.amount = -3),
            (Class::Invalid, |r| r.amount = i64::MAX),
            (Class::Invalid, |r| r.partitionids.clear()),
            (Class::Invalid, |r| r.partitionids.push(PARTITION.into())),
            (Class::NotFound, |r| r.partitionids.push("mars".into())),
            (Class::NotFound, |r| r.sizeid = "xxl".into()),
            (Class::NotFound, |r| r.projectid = "p9".into()),
        ];
        for (class, change) in changes {
            let mut req = request("p1", 1);
            change(&mut req);
            assert_eq!(world.attempt(|tx, env| create(tx, env, &req)).unwrap_err().class, class);
        }
        let made = world.change(|tx, env| create(tx, env, &request("p1", 1)));
        assert_eq!(made.id.as_str().len(), 36, "a UUID");
        let named = v1::SizeReservationCreateRequest { id: Some("r".into()), ..request("p2", 1) };
        world.change(|tx, env| create(tx, env, &named));
        assert_eq!(world.attempt(|tx, env| create(tx, env, &named)).unwrap_err().class, Class::Conflict);
        let req = v1::SizeReservationUpdateRequest { id: "r".into(), amount: Some(7), ..Default::default() };
        let changed = world.change(|tx, env| update(tx, env, &req));
        assert_eq!((changed.amount, changed.partitions.len()), (7, 1));
        let of = |project: &str| v1::SizeReservationListRequest {
            projectid: Some(project.into()),
            ..Default::default()
        };
        assert_eq!(find(&world.snapshot, &of("p2")).unwrap().len(), 1);
        assert_eq!(find(&world.snapshot, &of("p3")).unwrap().len(), 0);
        world.change(|tx, env| delete(tx, env, "r"));
        assert_eq!(find(&world.snapshot, &of("p2")).unwrap().len(), 0);
    }

    #[test]
    fn usage_counts_per_reservation_and_partition() {
        let mut world = World::with_racks(1, 3);
        world.change(|tx, _| tx.create(Partition { id: "b".into(), ..Partition::default() }));
        let mut req = request("p1", 2);
        req.partitionids.push("b".into());
        world.change(|tx, env| create(tx, env, &req));
        for _ in 0..3 {
            world.change(|tx, env| allocate_machine(tx, env, &machine("p1")));
        }
        let usage = usage(&world.snapshot, &v1::SizeReservationListRequest::default()).unwrap();
        let counts: Vec<_> =
            usage.iter().map(|u| (u.partitionid.as_str(), u.usedamount, u.projectallocations)).collect();
        assert_eq!(counts, [(PARTITION, 2, 3), ("b", 0, 0)]);
    }
}
