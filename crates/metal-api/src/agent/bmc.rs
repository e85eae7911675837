//! BMCs, as the agent of a partition sees them: reports in, commands out. Commands are documents; the stream sends
//! those that wait, oldest first, and they wait until acknowledged or too old, whatever happens to the stream.
//!
//! A report about a machine of another partition is not taken: it appears in neither list of the answer.

use std::sync::Arc;
use std::time::Duration;

use metal_model::agent::{BmcCommand, PowerCommand};
use metal_model::id::PartitionId;
use metal_model::v1;
use metal_plan::machine::{BmcReport, report_bmcs};
use metal_plan::{Env, Snapshot, Tx, command};
use metal_proto::v1 as proto;
use metal_proto::v1::bmc_service_server::BmcService;
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::hub::{Listener, Topic};
use super::{identity, inventory, refusal};
use crate::app::App;

/// Documents of one transaction: a report writes the BMC and perhaps the machine.
const REPORTS: usize = 50;

/// Commands on their way before the agent takes them.
const AHEAD: usize = 16;

/// A command whose deadline has passed while nothing else happened is noticed after this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The service.
#[derive(Debug)]
pub struct Bmc {
    /// Everything else.
    pub app: Arc<App>,
    /// Parent of the streams.
    pub streams: TaskTree,
}

#[tonic::async_trait]
impl BmcService for Bmc {
    type CommandsStream = ReceiverStream<Result<proto::CommandsResponse, Status>>;

    async fn report(
        &self,
        request: Request<proto::BmcReportRequest>,
    ) -> Result<Response<proto::BmcReportResponse>, Status> {
        let caller = identity::caller(&request)?;
        let proto::BmcReportRequest { partition, reports } = request.into_inner();
        let check = |snapshot: &Snapshot| identity::partition(snapshot, &caller, &partition);
        let partition = identity::check(&self.app, check).await?;
        let mut own = Vec::with_capacity(reports.len());
        for report in reports {
            let check =
                |snapshot: &Snapshot| identity::machine_of_partition(snapshot, &caller, &report.machine);
            match identity::check(&self.app, check).await {
                Ok((machine, _)) => own.push((machine.as_str().to_owned(), stored_report(report))),
                // One machine that moved here from elsewhere must not silence the others.
                Err(status) => {
                    let (machine, reason) = (report.machine.as_str(), status.message());
                    tracing::warn!(
                        machine,
                        partition = partition.as_str(),
                        reason,
                        "report of a BMC refused"
                    );
                }
            }
        }
        let reports = own;
        let mut answer = proto::BmcReportResponse::default();
        for chunk in reports.chunks(REPORTS) {
            let (chunk, partition) = (chunk.to_vec(), partition.clone());
            let decide = move |tx: &mut Tx, env: &mut Env| {
                let reports = chunk.iter().map(|(machine, report)| (machine.as_str(), report.clone()));
                report_bmcs(tx, env, partition.as_str(), reports)
            };
            let recorded = identity::recorded(&caller);
            let done =
                self.app.transact("report BMCs", &recorded, decide).await.map_err(refusal::transact)?;
            answer.updated.extend(done.value.updated);
            answer.created.extend(done.value.created);
        }
        Ok(Response::new(answer))
    }

    async fn commands(
        &self,
        request: Request<proto::CommandsRequest>,
    ) -> Result<Response<Self::CommandsStream>, Status> {
        let caller = identity::caller(&request)?;
        let proto::CommandsRequest { partition, after } = request.into_inner();
        let check = |snapshot: &Snapshot| identity::partition(snapshot, &caller, &partition);
        let partition = identity::check(&self.app, check).await?;
        let listener = self.app.agents.hub.listen(Topic::Commands(partition.clone()));
        let (sender, receiver) = mpsc::channel(AHEAD);
        let stream = Commands {
            app: Arc::clone(&self.app),
            tasks: self.streams.clone(),
            caller,
            partition,
            sent: after,
            listener,
            sender,
        };
        self.streams.spawn("commands", stream.run());
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn acknowledge(
        &self,
        request: Request<proto::AcknowledgeRequest>,
    ) -> Result<Response<proto::AcknowledgeResponse>, Status> {
        let caller = identity::caller(&request)?;
        let proto::AcknowledgeRequest { partition, sequence, error } = request.into_inner();
        let check = |snapshot: &Snapshot| identity::partition(snapshot, &caller, &partition);
        let partition = identity::check(&self.app, check).await?;
        let named = partition.clone();
        let decide = move |tx: &mut Tx, _: &mut Env| Ok(command::acknowledge(tx, named.as_str(), sequence));
        let recorded = identity::recorded(&caller);
        let done = self.app.transact("acknowledge a command", &recorded, decide).await;
        let done = done.map_err(refusal::transact)?.value;
        if let Some(command) = done {
            let (machine, command) = (command.machine.as_str(), command.command.wire());
            match &error {
                None => tracing::info!(machine, command, sequence, "command executed"),
                Some(why) => {
                    tracing::warn!(machine, command, sequence, reason = why.as_str(), "command failed");
                }
            }
        }
        Ok(Response::new(proto::AcknowledgeResponse {}))
    }
}

/// One stream of commands.
struct Commands {
    app: Arc<App>,
    tasks: TaskTree,
    caller: Identity,
    partition: PartitionId,
    sent: u64,
    listener: Listener,
    sender: mpsc::Sender<Result<proto::CommandsResponse, Status>>,
}

impl Commands {
    async fn run(mut self) {
        if let Err(status) = self.send_all().await {
            // An agent that has gone needs no reason.
            let _ = self.sender.send(Err(status)).await;
        }
    }

    /// Until the agent goes.
    async fn send_all(&mut self) -> Result<(), Status> {
        loop {
            let snapshot = self.app.store.snapshot();
            identity::partition(&snapshot.state, &self.caller, self.partition.as_str())?;
            let now = self.app.clock.now();
            for command in command::pending(&snapshot.state, self.partition.as_str(), self.sent, now) {
                let message = self.message(&snapshot.state, &command);
                if self.sender.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                self.sent = command.sequence;
            }
            drop(snapshot);
            tokio::select! {
                () = self.listener.heard() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.sender.closed() => return Ok(()),
                () = self.tasks.cancelled() => return Err(Status::unavailable("the server is shutting down")),
            }
        }
    }

    fn message(&self, snapshot: &Snapshot, command: &BmcCommand) -> proto::CommandsResponse {
        let bmc = snapshot.bmcs.get(command.machine.as_str()).cloned().unwrap_or_default();
        let (user, password) = match &self.app.config.bmc_superuser_password {
            Some(superuser) if bmc.user.is_empty() => (SUPER_USER.to_owned(), superuser.expose().clone()),
            _ => (bmc.user.clone(), bmc.password.clone()),
        };
        let access = proto::BmcAccess {
            address: bmc.address.clone(),
            mac: bmc.mac.clone(),
            user,
            password,
            interface: bmc.interface.clone(),
        };
        proto::CommandsResponse {
            sequence: command.sequence,
            machine: command.machine.as_str().to_owned(),
            command: wire_command(command.command).into(),
            access: Some(access),
        }
    }
}

/// The account whose password the site may set.
pub const SUPER_USER: &str = "root";

fn wire_command(command: PowerCommand) -> proto::BmcCommand {
    match command {
        PowerCommand::On => proto::BmcCommand::On,
        PowerCommand::Off => proto::BmcCommand::Off,
        PowerCommand::Reset => proto::BmcCommand::Reset,
        PowerCommand::Cycle => proto::BmcCommand::Cycle,
        PowerCommand::Bios => proto::BmcCommand::Bios,
        PowerCommand::Disk => proto::BmcCommand::Disk,
        PowerCommand::Pxe => proto::BmcCommand::Pxe,
        PowerCommand::LedOn => proto::BmcCommand::LedOn,
        PowerCommand::LedOff => proto::BmcCommand::LedOff,
        PowerCommand::Reinstall => proto::BmcCommand::Reinstall,
        PowerCommand::Free => proto::BmcCommand::Free,
    }
}

fn stored_report(report: proto::BmcReport) -> BmcReport {
    BmcReport {
        address: report.address,
        mac: report.mac.unwrap_or_default(),
        user: report.user.unwrap_or_default(),
        password: report.password.unwrap_or_default(),
        fru: report.fru.map(inventory::fru).unwrap_or_default(),
        bios_version: report.bios_version,
        bmc_version: report.bmc_version,
        power_state: report.power_state,
        led: report.led_state,
        power_metric: report.power_metric.map(|metric| v1::PowerMetric {
            averageconsumedwatts: metric.average_consumed_watts,
            intervalinmin: metric.interval_in_min,
            maxconsumedwatts: metric.max_consumed_watts,
            minconsumedwatts: metric.min_consumed_watts,
        }),
        power_supplies: report
            .power_supplies
            .into_iter()
            .map(|supply| v1::PowerSupply {
                status: v1::PowerSupplyStatus { health: supply.health, state: supply.state },
            })
            .collect(),
    }
}
