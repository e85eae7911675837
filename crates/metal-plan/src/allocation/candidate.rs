//! Stage 3: the machine. Named ones must be fit to be handed out; all others are chosen by the placement index.

use std::sync::Arc;

use metal_model::id::{MachineId, SwitchId};
use metal_model::machine::{Availability, Machine};

use super::spec::Spec;
use crate::placement::{self, Wish};
use crate::{Env, Error, Snapshot, isolation, size_reservation};

/// What clients know as the answer when nothing is left.
const NONE_LEFT: &str = "no machine available";

/// Finds the machine for a request (422 when there is none).
pub(super) fn find(snapshot: &Snapshot, env: &mut Env, spec: &Spec) -> Result<Arc<Machine>, Error> {
    match &spec.uuid {
        Some(id) => named(snapshot, id),
        None => drawn(snapshot, env, spec),
    }
}

/// A machine that was asked for by its id. Reserved ones may be had this way, locked ones may not.
///
/// It must be parked and alive like any other: an installer only waits after it has wiped the disks, so a machine
/// that does not wait may still hold its previous owner's data, and could not install anything anyway.
fn named(snapshot: &Snapshot, id: &MachineId) -> Result<Arc<Machine>, Error> {
    let machine = snapshot.find::<Machine>(id.as_str())?;
    let refused = |why: String| Err(Error::refused(format!("machine {id:?} {why}")));
    if let Some(allocation) = &machine.allocation {
        return refused(format!("is already allocated to project {:?}", allocation.project));
    }
    if machine.state.value == Availability::Locked {
        return refused(format!("is locked ({}); unlock it first", machine.state.description));
    }
    if !machine.waiting {
        return refused(
            "is not waiting for an allocation: its disks are not known to be wiped; \
             boot it from the network and allocate it once its last event is Waiting"
                .to_owned(),
        );
    }
    if !placement::is_waiting(machine, snapshot.event_logs.get(id.as_str()).map(AsRef::as_ref)) {
        return refused(
            "was waiting, but has not been heard of lately; reset it and allocate it once it is alive again"
                .to_owned(),
        );
    }
    let missing = isolation::missing(snapshot, id.as_str());
    if !missing.is_empty() {
        let missing: Vec<&str> = missing.iter().map(SwitchId::as_str).collect();
        return refused(format!(
            "is not known to be isolated from its last network, not yet confirmed by switch {}; see: \
             metalctl switch ls -o wide",
            missing.join(" and ")
        ));
    }
    Ok(machine.clone())
}

fn drawn(snapshot: &Snapshot, env: &mut Env, spec: &Spec) -> Result<Arc<Machine>, Error> {
    let Spec { partition, size, project, role, placement_tags, .. } = spec;
    let index = &snapshot.index.placement;
    let available = index.available(partition, size);
    if available == 0 {
        return Err(Error::refused(NONE_LEFT));
    }
    if !size_reservation::permits(snapshot, partition, size, project, available) {
        return Err(Error::refused(format!(
            "{NONE_LEFT}: all {available} free ones are reserved for other projects"
        )));
    }
    let wish = Wish { partition, size, project, role: *role, placement_tags };
    let choice = index.choose(&wish, &mut env.rng).ok_or_else(|| Error::refused(NONE_LEFT))?;
    snapshot.find::<Machine>(choice.machine.as_str()).cloned()
}
