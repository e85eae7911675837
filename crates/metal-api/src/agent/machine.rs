//! Installers: inventory in, allocation out, and the report in between. A machine may call itself or let its partition
//! call; which machine is meant is decided by [`identity`] and by nothing else.

use std::sync::Arc;

use metal_model::id::{MachineId, PartitionId};
use metal_plan::registration::{self, Report};
use metal_plan::{Env, Snapshot, Tx, isolation};
use metal_proto::v1 as proto;
use metal_proto::v1::machine_service_server::MachineService;
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{allocation, identity, inventory, refusal, wait};
use crate::app::App;
use crate::coalesce::{self, Incoming};

/// The service.
#[derive(Debug)]
pub struct Machines {
    /// Everything else.
    pub app: Arc<App>,
    /// Parent of the streams.
    pub streams: TaskTree,
}

impl Machines {
    async fn check(&self, caller: &Identity, named: &str) -> Result<(MachineId, PartitionId), Status> {
        identity::check(&self.app, |snapshot| identity::machine(snapshot, caller, named)).await
    }
}

#[tonic::async_trait]
impl MachineService for Machines {
    type WaitStream = ReceiverStream<Result<proto::WaitResponse, Status>>;

    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<Response<proto::RegisterResponse>, Status> {
        let caller = identity::caller(&request)?;
        let request = request.into_inner();
        let (machine, partition) = self.check(&caller, &request.machine).await?;
        if !request.partition.is_empty() && partition != request.partition.as_str() {
            return Err(Status::permission_denied("a machine registers in its own partition only"));
        }
        let inventory = inventory::of_request(request, machine.as_str(), partition.as_str());
        let decide = move |tx: &mut Tx, env: &mut Env| {
            let registered = registration::register(tx, env, &inventory)?;
            let allocation = allocation::of_machine(tx.state(), &registered.machine);
            Ok((registered, allocation))
        };
        let recorded = identity::recorded(&caller);
        let done = self.app.transact("register a machine", &recorded, decide).await;
        let (registered, allocation) = done.map_err(refusal::transact)?.value;
        let (size, partition) = (registered.size.as_str(), registered.partition.as_str());
        tracing::info!(machine = machine.as_str(), size, partition, "machine registered");
        Ok(Response::new(proto::RegisterResponse {
            machine: machine.as_str().to_owned(),
            size: size.to_owned(),
            partition: partition.to_owned(),
            allocation,
        }))
    }

    async fn wait(&self, request: Request<proto::WaitRequest>) -> Result<Response<Self::WaitStream>, Status> {
        let caller = identity::caller(&request)?;
        let named = request.into_inner().machine;
        let check = |snapshot: &Snapshot| {
            let (machine, _) = identity::machine(snapshot, &caller, &named)?;
            if snapshot.machines.contains(machine.as_str()) {
                Ok(machine)
            } else {
                Err(metal_proto::ApiError::not_found("machine", machine.as_str()))
            }
        };
        let machine = identity::check(&self.app, check).await?;
        Ok(Response::new(wait::start(&self.app, &self.streams, caller, machine)))
    }

    async fn report(
        &self,
        request: Request<proto::ReportRequest>,
    ) -> Result<Response<proto::ReportResponse>, Status> {
        let caller = identity::caller(&request)?;
        let request = request.into_inner();
        let (machine, _) = self.check(&caller, &request.machine).await?;
        let report = Report {
            machine: machine.as_str().to_owned(),
            console_password: request.console_password,
            boot_info: request.boot_info.map(allocation::stored_boot_info),
            success: request.success,
            message: request.message,
        };
        let success = report.success;
        let memory = self.app.agents.clone();
        let named = machine.clone();
        let decide = move |tx: &mut Tx, env: &mut Env| {
            memory.touches.settle(tx, &named);
            registration::report(tx, env, &report)
        };
        let recorded = identity::recorded(&caller);
        self.app.transact("report of an installer", &recorded, decide).await.map_err(refusal::transact)?;
        tracing::info!(machine = machine.as_str(), success, "installation reported");
        Ok(Response::new(proto::ReportResponse {}))
    }

    async fn connected(
        &self,
        request: Request<proto::ConnectedRequest>,
    ) -> Result<Response<proto::ConnectedResponse>, Status> {
        let caller = identity::caller(&request)?;
        let (machine, _) = self.check(&caller, &request.into_inner().machine).await?;
        // Another replica may have taken the report.
        let newest = self.app.fresh().await.map_err(refusal::fresh)?;
        let missing = isolation::disconnected(&newest.state, machine.as_str());
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        Ok(Response::new(proto::ConnectedResponse { connected: missing.is_empty(), missing }))
    }

    async fn abort_reinstall(
        &self,
        request: Request<proto::AbortReinstallRequest>,
    ) -> Result<Response<proto::AbortReinstallResponse>, Status> {
        let caller = identity::caller(&request)?;
        let proto::AbortReinstallRequest { machine, primary_disk_wiped } = request.into_inner();
        let (machine, _) = self.check(&caller, &machine).await?;
        let named = machine.clone();
        let decide = move |tx: &mut Tx, env: &mut Env| {
            registration::abort_reinstall(tx, env, named.as_str(), primary_disk_wiped)
        };
        let recorded = identity::recorded(&caller);
        let done = self.app.transact("abort a reinstallation", &recorded, decide).await;
        let boot_info = done.map_err(refusal::transact)?.value;
        tracing::warn!(machine = machine.as_str(), primary_disk_wiped, "reinstallation aborted");
        let boot_info = boot_info.as_ref().map(allocation::boot_info);
        Ok(Response::new(proto::AbortReinstallResponse { boot_info }))
    }

    async fn send_events(
        &self,
        request: Request<proto::SendEventsRequest>,
    ) -> Result<Response<proto::SendEventsResponse>, Status> {
        let caller = identity::caller(&request)?;
        let sent = request.into_inner().events;
        let mut failed = Vec::new();
        let mut events = Vec::with_capacity(sent.len());
        let mut partition = PartitionId::default();
        for proto::MachineEvent { machine: named, event, message, time: _ } in sent {
            match self.check(&caller, &named).await {
                Ok((machine, found)) => {
                    partition = found;
                    events.push(Incoming { machine, event, message });
                }
                // A partition sends for many: one machine that moved away must not silence the others.
                Err(status) if matches!(caller, Identity::Partition(_)) => {
                    failed.push(proto::FailedEvent { machine: named, why: status.message().to_owned() });
                }
                Err(status) => return Err(status),
            }
        }
        let recorded = identity::recorded(&caller);
        let received = coalesce::receive(&self.app, &recorded, partition.as_str(), events).await;
        let received = received.map_err(refusal::transact)?;
        failed.extend(
            received
                .failed
                .into_iter()
                .map(|(machine, why)| proto::FailedEvent { machine: machine.as_str().to_owned(), why }),
        );
        Ok(Response::new(proto::SendEventsResponse { accepted: received.accepted, failed }))
    }

    async fn super_user_password(
        &self,
        request: Request<proto::SuperUserPasswordRequest>,
    ) -> Result<Response<proto::SuperUserPasswordResponse>, Status> {
        let caller = identity::caller(&request)?;
        self.check(&caller, &request.into_inner().machine).await?;
        let password = self.app.config.bmc_superuser_password.as_ref();
        Ok(Response::new(proto::SuperUserPasswordResponse {
            enabled: password.is_some(),
            password: password.map(|password| password.expose().clone()).unwrap_or_default(),
        }))
    }
}
