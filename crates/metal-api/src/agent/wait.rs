//! A parked machine: one stream from the moment it waits to its allocation.
//!
//! While the stream stands the machine's record says that it waits, and only machines that wait are handed out. It fails
//! closed: whatever ends the stream, except the end of this server, also ends the waiting. The allocation is sent
//! from the record, so it does not matter who made it, on which replica, or how often the stream broke before.

use std::sync::Arc;
use std::time::Duration;

use metal_model::id::MachineId;
use metal_plan::{Env, Tx, registration};
use metal_proto::{ApiError, v1 as proto};
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::hub::{Listener, Topic};
use super::waits::Place;
use super::{allocation, identity, refusal};
use crate::app::App;

/// Both ends want to know that the other is there.
const STILL_WAITING: Duration = Duration::from_secs(20);

type Message = Result<proto::WaitResponse, Status>;

struct Wait {
    app: Arc<App>,
    tasks: TaskTree,
    caller: Identity,
    machine: MachineId,
    place: Arc<Place>,
    listener: Listener,
    sender: mpsc::Sender<Message>,
}

/// Why a stream ended.
enum End {
    /// The machine has its allocation, or has gone.
    Left,
    /// A newer stream has taken over, or the server ends: the machine is about to wait again.
    Succeeded(Status),
    /// It must not wait any longer.
    Refused(Status),
}

/// Parks a machine.
pub fn start(
    app: &Arc<App>,
    streams: &TaskTree,
    caller: Identity,
    machine: MachineId,
) -> ReceiverStream<Message> {
    let memory = &app.agents;
    let listener = memory.hub.listen(Topic::Machine(machine.clone()));
    let place = Arc::new(memory.waits.take(&machine));
    // The stream that had the place learns that it has lost it.
    memory.hub.wake(&Topic::Machine(machine.clone()));
    let (sender, receiver) = mpsc::channel(1);
    let (app, tasks) = (Arc::clone(app), streams.clone());
    let wait = Wait { app, tasks, caller, machine, place, listener, sender };
    streams.spawn("wait", wait.run());
    ReceiverStream::new(receiver)
}

impl Wait {
    async fn run(mut self) {
        let end = self.hold().await;
        let status = match end {
            End::Succeeded(status) => Some(status),
            End::Left => {
                self.leave().await;
                None
            }
            End::Refused(status) => {
                self.leave().await;
                Some(status)
            }
        };
        if let Some(status) = status {
            // A machine that has gone needs no reason.
            let _ = self.sender.send(Err(status)).await;
        }
    }

    async fn hold(&mut self) -> End {
        let mut told = false;
        loop {
            if !self.place.is_current() {
                return End::Succeeded(Status::aborted("the machine waits on a newer stream"));
            }
            let snapshot = self.app.store.snapshot();
            if let Err(why) = identity::machine(&snapshot.state, &self.caller, self.machine.as_str()) {
                return End::Refused(why.into());
            }
            let Some(machine) = snapshot.state.machines.get(self.machine.as_str()) else {
                return End::Refused(ApiError::not_found("machine", self.machine.as_str()).into());
            };
            if let Some(allocation) = allocation::of_machine(&snapshot.state, machine) {
                let outcome = proto::wait_response::Outcome::Allocated(Box::new(allocation));
                // A machine that has gone finds its allocation when it comes back.
                let _ = self.sender.send(Ok(proto::WaitResponse { outcome: Some(outcome) })).await;
                return End::Left;
            }
            if !machine.waiting {
                if let Err(status) = self.set_waiting(true).await {
                    return End::Refused(status);
                }
                continue;
            }
            drop(snapshot);
            if !told {
                told = true;
                if self.still_waiting().await.is_err() {
                    return End::Left;
                }
            }
            tokio::select! {
                () = self.listener.heard() => {}
                () = tokio::time::sleep(STILL_WAITING) => told = false,
                () = self.sender.closed() => return End::Left,
                () = self.tasks.cancelled() => {
                    return End::Succeeded(Status::unavailable("the server is shutting down"));
                }
            }
        }
    }

    async fn still_waiting(&self) -> Result<(), mpsc::error::SendError<Message>> {
        let outcome = proto::wait_response::Outcome::Waiting(proto::Waiting {});
        self.sender.send(Ok(proto::WaitResponse { outcome: Some(outcome) })).await
    }

    async fn leave(&self) {
        if let Err(status) = self.set_waiting(false).await {
            // The stale record is found by the reconciler, and liveliness protects from handing the machine out.
            tracing::warn!(
                machine = self.machine.as_str(),
                reason = status.message(),
                "machine is left waiting"
            );
        }
    }

    /// Only the stream that has the place may say anything, and nothing about a machine that is somebody's.
    async fn set_waiting(&self, waiting: bool) -> Result<(), Status> {
        let (machine, place) = (self.machine.clone(), Arc::clone(&self.place));
        let decide = move |tx: &mut Tx, _: &mut Env| {
            let known = tx.state().machines.get(machine.as_str());
            let applies = known.is_some_and(|known| !waiting || known.allocation.is_none());
            if place.is_current() && applies {
                registration::set_waiting(tx, machine.as_str(), waiting)?;
            }
            Ok(())
        };
        let caller = identity::recorded(&self.caller);
        self.app.transact("wait", &caller, decide).await.map_err(refusal::transact)?;
        Ok(())
    }
}
