//! Commands for BMCs: given within a decision, kept until the partition's BMC agent acknowledges them.
//!
//! A command is a document, so it is committed together with what it follows from (a machine is freed *and* told to
//! reset, or neither), and it survives every restart. It does not survive its deadline: resetting a machine an hour
//! late may hit its next owner.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::agent::{BmcCommand, CommandQueue, PowerCommand};
use metal_model::document::Write;
use metal_model::id::{MachineId, PartitionId};

use crate::{Env, Error, Snapshot, Tx};

/// How long a command may wait for its partition. Longer than an agent needs to restart, shorter than a machine needs
/// to be freed, wiped and handed out again.
pub const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// Gives a command to the BMC of a machine. Refused when the machine has no partition: nobody could execute it.
pub fn give(
    tx: &mut Tx,
    env: &mut Env,
    partition: &PartitionId,
    machine: &MachineId,
    command: PowerCommand,
) -> Result<Arc<BmcCommand>, Error> {
    if partition.is_empty() {
        return Err(Error::refused(format!(
            "cannot send {} to machine {machine}: it belongs to no partition",
            command.wire()
        )));
    }
    let last = tx.state().command_queues.get(partition.as_str()).map_or(0, |queue| queue.last);
    let sequence = last + 1;
    tx.put(CommandQueue { partition: partition.clone(), last: sequence });
    let issuer = if env.caller.email.is_empty() { &env.caller.name } else { &env.caller.email };
    tx.create(BmcCommand {
        partition: partition.clone(),
        sequence,
        machine: machine.clone(),
        command,
        created: env.now,
        issuer: issuer.clone(),
    })
}

/// Commands of a partition that wait to be executed, oldest first: those after the given sequence and within their
/// deadline.
pub fn pending(snapshot: &Snapshot, partition: &str, after: u64, now: Timestamp) -> Vec<Arc<BmcCommand>> {
    of_partition(snapshot, partition, after).filter(|command| !is_late(command, now)).cloned().collect()
}

/// Takes note that a command was executed, or could not be. Answers the command, or nothing when it is gone already.
pub fn acknowledge(tx: &mut Tx, partition: &str, sequence: u64) -> Option<Arc<BmcCommand>> {
    let id = BmcCommand::id_of(&PartitionId::from(partition), sequence);
    let command = tx.state().bmc_commands.get(&id).cloned();
    if command.is_some() {
        tx.delete::<BmcCommand>(&id);
    }
    command
}

/// Takes back commands to a machine that were not executed yet and no longer make sense.
pub fn withdraw(
    tx: &mut Tx,
    partition: &PartitionId,
    machine: &MachineId,
    commands: &[PowerCommand],
) -> usize {
    let stale: Vec<String> = of_partition(tx.state(), partition.as_str(), 0)
        .filter(|given| given.machine == *machine && commands.contains(&given.command))
        .map(|given| BmcCommand::id_of(&given.partition, given.sequence))
        .collect();
    for id in &stale {
        tx.delete::<BmcCommand>(id);
    }
    stale.len()
}

/// Removes commands past their deadline, at most `limit`. Answers them, so that somebody can be told.
pub fn expire(tx: &mut Tx, env: &Env, limit: usize) -> Vec<Arc<BmcCommand>> {
    let late: Vec<Arc<BmcCommand>> = tx
        .state()
        .bmc_commands
        .iter()
        .filter(|command| is_late(command, env.now))
        .take(limit)
        .cloned()
        .collect();
    for command in &late {
        tx.delete::<BmcCommand>(&BmcCommand::id_of(&command.partition, command.sequence));
    }
    late
}

/// Whether the deadline of a command has passed.
pub fn is_late(command: &BmcCommand, now: Timestamp) -> bool {
    now.duration_since(command.created) > DEADLINE
}

fn of_partition<'a>(
    snapshot: &'a Snapshot,
    partition: &'a str,
    after: u64,
) -> impl Iterator<Item = &'a Arc<BmcCommand>> {
    let prefix = format!("{partition}/");
    let from = BmcCommand::id_of(&PartitionId::from(partition), after.saturating_add(1));
    snapshot
        .bmc_commands
        .rows_from(&from)
        .take_while(move |(id, _)| id.starts_with(&prefix))
        .map(|(_, row)| &row.doc)
        // The id of another partition may begin with this one's id and a slash.
        .filter(move |command| command.partition == *partition)
}

/// Commands that a transaction gives; for edges that wake streams.
pub fn given(
    changes: &metal_model::document::Changes<metal_model::doc::Doc>,
) -> impl Iterator<Item = &Arc<BmcCommand>> {
    changes.writes.values().filter_map(|write| match write {
        Write::Create(metal_model::doc::Doc::BmcCommand(command)) => Some(command),
        Write::Create(_) | Write::Update { .. } | Write::Delete { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Caller;

    fn env(second: i64) -> Env {
        Env::new(Timestamp::from_second(second).unwrap(), 1, Caller::default())
    }

    fn given_to(tx: &mut Tx, second: i64, partition: &str, command: PowerCommand) -> u64 {
        give(tx, &mut env(second), &partition.into(), &"m1".into(), command).unwrap().sequence
    }

    #[test]
    fn sequences_grow_even_when_everything_is_acknowledged() {
        let mut tx = Tx::new(&Snapshot::default());
        assert_eq!(given_to(&mut tx, 1, "a", PowerCommand::On), 1);
        assert_eq!(given_to(&mut tx, 1, "a", PowerCommand::Off), 2);
        assert_eq!(given_to(&mut tx, 1, "b", PowerCommand::Off), 1);
        assert!(acknowledge(&mut tx, "a", 1).is_some());
        assert!(acknowledge(&mut tx, "a", 2).is_some());
        assert!(acknowledge(&mut tx, "a", 2).is_none(), "acknowledging twice does nothing");
        assert_eq!(given_to(&mut tx, 1, "a", PowerCommand::On), 3);
    }

    #[test]
    fn pending_resumes_and_forgets_the_late() {
        let mut tx = Tx::new(&Snapshot::default());
        for partition in ["a", "a/b", "a"] {
            given_to(&mut tx, 100, partition, PowerCommand::Reset);
        }
        given_to(&mut tx, 600, "a", PowerCommand::Free);
        let sequences = |after, second| -> Vec<u64> {
            let now = Timestamp::from_second(second).unwrap();
            pending(tx.state(), "a", after, now).iter().map(|command| command.sequence).collect()
        };
        assert_eq!(sequences(0, 600), [1, 2, 3]);
        assert_eq!(sequences(2, 600), [3]);
        assert_eq!(sequences(u64::MAX, 600), [] as [u64; 0]);
        assert_eq!(sequences(0, 701), [3], "ten minutes are the limit");
        let mut tx = Tx::new(tx.state());
        assert_eq!(expire(&mut tx, &env(701), 10).len(), 3);
        assert_eq!(tx.state().bmc_commands.len(), 1);
    }

    #[test]
    fn withdraws_only_what_is_named() {
        let mut tx = Tx::new(&Snapshot::default());
        given_to(&mut tx, 1, "a", PowerCommand::Free);
        given_to(&mut tx, 1, "a", PowerCommand::LedOff);
        assert_eq!(withdraw(&mut tx, &"a".into(), &"m2".into(), &[PowerCommand::Free]), 0);
        assert_eq!(withdraw(&mut tx, &"a".into(), &"m1".into(), &[PowerCommand::Free]), 1);
        assert_eq!(tx.state().bmc_commands.len(), 1);
    }

    #[test]
    fn nobody_executes_commands_without_partition() {
        let mut tx = Tx::new(&Snapshot::default());
        let refusal = give(&mut tx, &mut env(1), &"".into(), &"m1".into(), PowerCommand::On).unwrap_err();
        assert_eq!(refusal.class, crate::Class::Refused);
        assert!(tx.is_empty());
    }
}
