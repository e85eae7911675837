//! Events within a transaction: the log they go to, and the machine that says them for the first time.

use std::sync::Arc;

use metal_model::event_log::{EventLog, ProvisioningEvent};
use metal_model::id::{MachineId, PartitionId};
use metal_model::machine::Machine;

use super::{Outcome, step};
use crate::{Env, Error, Tx};

/// How many events of a machine are kept.
pub const KEPT: usize = 100;

/// Processes an event of a machine. A missing log is created; the machine need not exist, because its log outlives it.
pub fn process(
    tx: &mut Tx,
    env: &mut Env,
    machine: &str,
    event: ProvisioningEvent,
    message: &str,
) -> Outcome {
    let known = tx.state().event_logs.get(machine).cloned();
    let is_new = known.is_none();
    let log = known.unwrap_or_else(|| Arc::new(empty(machine)));
    let step = step(&log, event, message, env.now);
    let outcome = step.outcome;
    if outcome != Outcome::Ignored || is_new {
        let mut log = Arc::unwrap_or_clone(log);
        step.apply(&mut log);
        tx.put(log);
    }
    outcome
}

/// Processes an event as an agent sent it: by name, perhaps of a machine nobody has seen before, which then gets an
/// empty record in the agent's partition (none when the agent has none).
pub fn receive(
    tx: &mut Tx,
    env: &mut Env,
    machine: &str,
    partition: &str,
    event: &str,
    message: &str,
) -> Result<Outcome, Error> {
    if machine.is_empty() {
        return Err(Error::invalid("machine", "an event needs the id of its machine"));
    }
    let known = ProvisioningEvent::parse(event)
        .ok_or_else(|| Error::invalid("event", format!("{event:?} is not a provisioning event")))?;
    if !tx.state().machines.contains(machine) {
        tx.create(Machine {
            id: MachineId::from(machine),
            created: env.now,
            changed: env.now,
            partition: PartitionId::from(partition),
            ..Machine::default()
        })?;
    }
    Ok(process(tx, env, machine, known, message))
}

/// Creates the log of a machine that has none.
pub fn ensure(tx: &mut Tx, machine: &str) {
    if !tx.state().event_logs.contains(machine) {
        tx.put(empty(machine));
    }
}

fn empty(machine: &str) -> EventLog {
    EventLog { machine: MachineId::from(machine), ..EventLog::default() }
}
