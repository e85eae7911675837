//! Network boot, as the boot server of a partition sees it: who boots, what it boots, and the certificate it boots with.

use std::sync::Arc;

use metal_model::agent::MachineBoot;
use metal_model::id::{MachineId, PartitionId};
use metal_model::machine::Machine;
use metal_model::partition::Partition;
use metal_plan::{Env, Error, Snapshot, Tx};
use metal_proto::v1 as proto;
use metal_proto::v1::boot_service_server::BootService;
use metal_runtime::pki::Identity;
use tonic::{Request, Response, Status};

use super::{identity, join, refusal};
use crate::app::App;
use crate::coalesce::{self, Incoming};
use crate::pki;

/// The service.
#[derive(Debug)]
pub struct Boot {
    /// Everything else.
    pub app: Arc<App>,
}

#[tonic::async_trait]
impl BootService for Boot {
    async fn dhcp(
        &self,
        request: Request<proto::DhcpRequest>,
    ) -> Result<Response<proto::DhcpResponse>, Status> {
        let caller = identity::caller(&request)?;
        let named = request.into_inner().machine;
        let check = |snapshot: &Snapshot| identity::machine_of_partition(snapshot, &caller, &named);
        let (machine, partition) = identity::check(&self.app, check).await?;
        let event = Incoming {
            machine,
            event: "PXE Booting".to_owned(),
            message: "machine sent extended dhcp request".to_owned(),
        };
        let recorded = identity::recorded(&caller);
        coalesce::receive(&self.app, &recorded, partition.as_str(), vec![event])
            .await
            .map_err(refusal::transact)?;
        Ok(Response::new(proto::DhcpResponse {}))
    }

    async fn boot(
        &self,
        request: Request<proto::BootRequest>,
    ) -> Result<Response<proto::BootResponse>, Status> {
        let caller = identity::caller(&request)?;
        let snapshot = self.app.fresh().await.map_err(refusal::fresh)?;
        let proto::BootRequest { machine, partition, mac: _ } = request.into_inner();
        let partition = identity::partition(&snapshot.state, &caller, &partition)?;
        if !machine.is_empty() {
            identity::machine_of_partition(&snapshot.state, &caller, &machine)?;
        }
        let known = snapshot.state.find::<Partition>(partition.as_str()).map_err(|e| refusal::refused(&e))?;
        Ok(Response::new(proto::BootResponse {
            kernel: known.boot.kernelurl.clone(),
            init_ram_disks: vec![known.boot.imageurl.clone()],
            cmdline: known.boot.commandline.clone(),
        }))
    }

    async fn machine_certificate(
        &self,
        request: Request<proto::MachineCertificateRequest>,
    ) -> Result<Response<proto::MachineCertificateResponse>, Status> {
        let caller = identity::caller(&request)?;
        let snapshot = self.app.fresh().await.map_err(refusal::fresh)?;
        let proto::MachineCertificateRequest { machine, csr_pem } = request.into_inner();
        let (machine, partition) = identity::machine_of_partition(&snapshot.state, &caller, &machine)?;
        let boot: String =
            metal_runtime::clock::random::<12>().iter().map(|byte| format!("{byte:02x}")).collect();
        let holder = Identity::Machine {
            partition: partition.as_str().to_owned(),
            machine: identity::parse_machine(machine.as_str())?,
            boot: boot.clone(),
        };
        let issued = pki::sign(&self.app, &csr_pem, &holder).await.map_err(join::status)?;
        self.begin_boot(&caller, machine, partition, boot.clone()).await?;
        Ok(Response::new(proto::MachineCertificateResponse {
            certificate_pem: issued.certificate_pem,
            ca_pem: issued.ca_pem,
            expires: issued.expires.as_second(),
            boot,
        }))
    }
}

impl Boot {
    /// From here on certificates of earlier boots are refused, and streams that were opened with them end.
    async fn begin_boot(
        &self,
        caller: &Identity,
        machine: MachineId,
        partition: PartitionId,
        boot: String,
    ) -> Result<(), Status> {
        let decide = move |tx: &mut Tx, env: &mut Env| {
            adopt(tx, env, &machine, &partition)?;
            tx.put(MachineBoot { machine: machine.clone(), boot: boot.clone(), issued: env.now });
            Ok(())
        };
        let recorded = identity::recorded(caller);
        self.app.transact("begin a boot", &recorded, decide).await.map_err(refusal::transact)?;
        Ok(())
    }
}

/// A machine nobody has seen before, or that has no partition yet, belongs to the partition that speaks of it. Another
/// partition may have been faster.
fn adopt(tx: &mut Tx, env: &Env, id: &MachineId, partition: &PartitionId) -> Result<(), Error> {
    let machine = match tx.state().machines.get(id.as_str()) {
        Some(known) if known.partition == *partition => return Ok(()),
        Some(known) if !known.partition.is_empty() => {
            return Err(Error::refused(format!("machine {id} belongs to another partition")));
        }
        Some(known) => Machine::clone(known),
        None => Machine { id: id.clone(), created: env.now, ..Machine::default() },
    };
    tx.put(Machine { partition: partition.clone(), changed: env.now, ..machine });
    Ok(())
}
