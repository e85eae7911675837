//! The least control plane that holds the agents to their contract: identities, order of calls, acknowledgements.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use metal_proto::v1::bmc_service_server::{BmcService, BmcServiceServer};
use metal_proto::v1::boot_service_server::{BootService, BootServiceServer};
use metal_proto::v1::join_service_server::{JoinService, JoinServiceServer};
use metal_proto::v1::machine_service_server::{MachineService, MachineServiceServer};
use metal_proto::v1::switch_service_server::{SwitchService, SwitchServiceServer};
use metal_proto::v1::wait_response::Outcome;
use metal_proto::v1::*;
use metal_runtime::pki::{Authority, Identity, peer_identity};
use metal_runtime::{TaskTree, clock};
use metal_sim::Endpoint;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::transport::{Certificate, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Default)]
pub struct State {
    pub events: BTreeMap<String, Vec<String>>,
    pub inventories: BTreeMap<String, RegisterRequest>,
    pub reports: BTreeMap<String, ReportRequest>,
    pub allocations: BTreeMap<String, Allocation>,
    pub switches: BTreeMap<String, RegisterSwitchRequest>,
    pub notified: BTreeMap<String, u64>,
    pub bmc_reports: BTreeMap<String, BmcReport>,
    pub commands: BTreeMap<u64, (String, BmcCommand)>,
    pub acknowledged: Vec<u64>,
    pub failures: Vec<String>,
    pub asked_whether_connected: u64,
    /// Grows with each change of the ports.
    pub generation: u64,
    /// Streams of an older epoch end.
    pub epoch: u64,
}

impl State {
    /// Whether both switches have what the last report led to.
    pub fn is_connected(&self, machine: &str) -> bool {
        let Some(hardware) = self.inventories.get(machine).and_then(|known| known.hardware.as_ref()) else {
            return false;
        };
        let switches = hardware.nics.iter().flat_map(|nic| &nic.neighbors).map(|far| &far.hostname);
        let has_newest =
            |switch: &String| self.notified.get(switch).is_some_and(|has| *has >= self.generation);
        switches.clone().next().is_some() && switches.into_iter().all(has_newest)
    }

    pub fn unacknowledged(&self) -> usize {
        self.commands.keys().filter(|sequence| !self.acknowledged.contains(sequence)).count()
    }
}

pub struct ControlPlane {
    authority: Authority,
    address: SocketAddr,
    state: watch::Sender<State>,
    tree: TaskTree,
}

#[derive(Clone)]
struct Service(Arc<ControlPlane>);

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl ControlPlane {
    pub async fn start(tree: &TaskTree) -> Arc<Self> {
        metal_runtime::tls::install_provider();
        let now = clock::now();
        let authority = Authority::generate("test", HOUR * 24, now).unwrap();
        let server = Identity::Server("api.test".to_owned());
        let (own, _) = authority.issue(&server, &["api.test"], HOUR, now).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = ServerTlsConfig::new()
            .identity(tonic::transport::Identity::from_pem(&own.certificate_pem, own.key_pem.expose()))
            .client_ca_root(Certificate::from_pem(authority.certificate_pem()))
            .client_auth_optional(true);
        let control = Arc::new(Self {
            authority,
            address: listener.local_addr().unwrap(),
            state: watch::Sender::new(State { generation: 1, ..State::default() }),
            tree: tree.clone(),
        });
        let service = Service(Arc::clone(&control));
        let running = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(JoinServiceServer::new(service.clone()))
            .add_service(BootServiceServer::new(service.clone()))
            .add_service(MachineServiceServer::new(service.clone()))
            .add_service(SwitchServiceServer::new(service.clone()))
            .add_service(BmcServiceServer::new(service))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), {
                let token = tree.token();
                async move { token.cancelled().await }
            });
        tree.spawn("control plane", async move { running.await.unwrap() });
        control
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address.to_string(),
            server_name: "api.test".to_owned(),
            ca_pem: self.authority.certificate_pem().to_owned(),
        }
    }

    pub async fn until(&self, reached: impl FnMut(&State) -> bool) {
        let mut state = self.state.subscribe();
        let found = tokio::time::timeout(Duration::from_secs(60), state.wait_for(reached)).await;
        assert!(found.is_ok(), "the control plane never saw what the test waits for");
    }

    pub fn events(&self, machine: &str) -> Vec<String> {
        self.state.borrow().events.get(machine).cloned().unwrap_or_default()
    }

    pub fn inventory(&self, machine: &str) -> Option<RegisterRequest> {
        self.state.borrow().inventories.get(machine).cloned()
    }

    pub fn report(&self, machine: &str) -> Option<ReportRequest> {
        self.state.borrow().reports.get(machine).cloned()
    }

    pub fn switches(&self) -> usize {
        self.state.borrow().switches.len()
    }

    pub fn allocate(&self, machine: &str) {
        let image = Image { id: "debian-12.0.20260101".to_owned(), url: "http://images/debian".to_owned() };
        let allocation = Allocation { image: Some(image), ..Allocation::default() };
        self.state.send_modify(|state| {
            state.allocations.insert(machine.to_owned(), allocation);
        });
    }

    pub fn reinstall(&self, machine: &str, image: &str) {
        self.state.send_modify(|state| {
            let allocation = state.allocations.get_mut(machine).unwrap();
            allocation.reinstall = true;
            allocation.image.as_mut().unwrap().id = image.to_owned();
        });
        self.command(machine, BmcCommand::Reinstall);
    }

    pub fn free(&self, machine: &str) {
        self.state.send_modify(|state| {
            state.allocations.remove(machine);
            state.reports.remove(machine);
            state.generation += 1;
        });
        self.command(machine, BmcCommand::Free);
    }

    pub fn command(&self, machine: &str, command: BmcCommand) {
        self.state.send_modify(|state| {
            let sequence = state.commands.len() as u64 + 1;
            state.commands.insert(sequence, (machine.to_owned(), command));
        });
    }

    /// A switch that is not simulated has the newest configuration.
    pub fn confirm(&self, switch: &str) {
        self.state.send_modify(|state| {
            state.notified.insert(switch.to_owned(), state.generation);
        });
    }

    pub fn cut_connections(&self) {
        self.state.send_modify(|state| state.epoch += 1);
    }

    /// A stream of what `next` finds in the state, until the server ends or the streams are cut. `next` answers
    /// whether its item is the last.
    fn follow<T: Send + 'static>(
        &self,
        mut next: impl FnMut(&State) -> Option<(T, bool)> + Send + 'static,
    ) -> Answers<T> {
        let (send, receive) = mpsc::channel(16);
        let (mut changes, tree) = (self.state.subscribe(), self.tree.clone());
        let epoch = self.state.borrow().epoch;
        self.tree.spawn("stream", async move {
            loop {
                if changes.borrow_and_update().epoch != epoch {
                    let _ = send.send(Err(Status::unavailable("cut"))).await;
                    return;
                }
                loop {
                    let found = next(&changes.borrow());
                    let Some((item, is_last)) = found else { break };
                    if send.send(Ok(item)).await.is_err() || is_last {
                        return;
                    }
                }
                tokio::select! {
                    () = tree.cancelled() => return,
                    () = send.closed() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
            }
        });
        Box::pin(ReceiverStream::new(receive))
    }
}

fn caller<T>(request: &Request<T>) -> Result<Identity, Status> {
    let info = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let chain = info.and_then(|info| info.peer_certs());
    let chain = chain.ok_or_else(|| Status::unauthenticated("no certificate"))?;
    peer_identity(&chain[0]).map_err(|error| Status::unauthenticated(error.to_string()))
}

fn only_partition<T>(request: &Request<T>) -> Result<(), Status> {
    match caller(request)? {
        Identity::Partition(id) if id == "fra" => Ok(()),
        other => Err(Status::permission_denied(other.to_string())),
    }
}

fn only_machine<T>(request: &Request<T>, named: &str) -> Result<(), Status> {
    match caller(request)? {
        Identity::Machine { machine, .. } if machine.to_string() == named => Ok(()),
        other => Err(Status::permission_denied(other.to_string())),
    }
}

fn only_switch<T>(request: &Request<T>, named: &str) -> Result<(), Status> {
    match caller(request)? {
        Identity::Switch { id, .. } if id == named => Ok(()),
        other => Err(Status::permission_denied(other.to_string())),
    }
}

#[tonic::async_trait]
impl JoinService for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Answer<CertificateResponse> {
        let request = request.into_inner();
        assert_eq!(request.token, "token");
        let identity: Identity = request.identity.parse().unwrap();
        let signed = self.0.authority.sign(&request.csr_pem, &identity, HOUR, clock::now()).unwrap();
        Ok(Response::new(CertificateResponse {
            certificate_pem: signed.certificate_pem,
            ca_pem: self.0.authority.certificate_pem().to_owned(),
            expires: signed.expires.as_second(),
            identity: identity.to_string(),
        }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Answer<CertificateResponse> {
        Err(Status::unimplemented("nothing here lasts that long"))
    }
}

#[tonic::async_trait]
impl BootService for Service {
    async fn dhcp(&self, request: Request<DhcpRequest>) -> Answer<DhcpResponse> {
        only_partition(&request)?;
        let machine = request.into_inner().machine;
        self.0.state.send_modify(|state| {
            state.events.entry(machine).or_default().push("PXE Booting".to_owned());
        });
        Ok(Response::new(DhcpResponse {}))
    }

    async fn boot(&self, request: Request<BootRequest>) -> Answer<BootResponse> {
        only_partition(&request)?;
        Ok(Response::new(BootResponse::default()))
    }

    async fn machine_certificate(
        &self,
        request: Request<MachineCertificateRequest>,
    ) -> Answer<MachineCertificateResponse> {
        only_partition(&request)?;
        let request = request.into_inner();
        let identity = Identity::Machine {
            partition: "fra".to_owned(),
            machine: request.machine.parse().unwrap(),
            boot: "boot".to_owned(),
        };
        let signed = self.0.authority.sign(&request.csr_pem, &identity, HOUR, clock::now()).unwrap();
        Ok(Response::new(MachineCertificateResponse {
            certificate_pem: signed.certificate_pem,
            ..MachineCertificateResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl MachineService for Service {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        only_machine(&request, &request.get_ref().machine)?;
        let request = request.into_inner();
        let machine = request.machine.clone();
        self.0.state.send_modify(|state| {
            state.inventories.insert(machine.clone(), request);
        });
        let allocation = self.0.state.borrow().allocations.get(&machine).cloned();
        Ok(Response::new(RegisterResponse { machine, allocation, ..RegisterResponse::default() }))
    }

    type WaitStream = Answers<WaitResponse>;

    async fn wait(&self, request: Request<WaitRequest>) -> Answer<Self::WaitStream> {
        only_machine(&request, &request.get_ref().machine)?;
        let machine = request.into_inner().machine;
        let mut greeted = false;
        Ok(Response::new(self.0.follow(move |state| {
            if let Some(allocation) = state.allocations.get(&machine) {
                let outcome = Some(Outcome::Allocated(Box::new(allocation.clone())));
                return Some((WaitResponse { outcome }, true));
            }
            let greeting = WaitResponse { outcome: Some(Outcome::Waiting(Waiting {})) };
            (!std::mem::replace(&mut greeted, true)).then_some((greeting, false))
        })))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Answer<ReportResponse> {
        only_machine(&request, &request.get_ref().machine)?;
        let request = request.into_inner();
        let machine = request.machine.clone();
        let is_success = request.success;
        self.0.state.send_modify(|state| {
            assert!(state.allocations.contains_key(&machine));
            if is_success {
                state.reports.insert(machine.clone(), request);
                state.generation += 1;
            }
        });
        if is_success {
            self.0.command(&machine, BmcCommand::Disk);
        }
        Ok(Response::new(ReportResponse {}))
    }

    async fn connected(&self, request: Request<ConnectedRequest>) -> Answer<ConnectedResponse> {
        only_machine(&request, &request.get_ref().machine)?;
        let machine = request.into_inner().machine;
        self.0.state.send_modify(|state| state.asked_whether_connected += 1);
        let connected = self.0.state.borrow().is_connected(&machine);
        Ok(Response::new(ConnectedResponse { connected, missing: Vec::new() }))
    }

    async fn abort_reinstall(&self, _: Request<AbortReinstallRequest>) -> Answer<AbortReinstallResponse> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn send_events(&self, request: Request<SendEventsRequest>) -> Answer<SendEventsResponse> {
        for event in &request.get_ref().events {
            only_machine(&request, &event.machine)?;
        }
        let events = request.into_inner().events;
        let accepted = events.len() as u64;
        self.0.state.send_modify(|state| {
            for event in events {
                state.events.entry(event.machine).or_default().push(event.event);
            }
        });
        Ok(Response::new(SendEventsResponse { accepted, failed: Vec::new() }))
    }

    async fn super_user_password(
        &self,
        request: Request<SuperUserPasswordRequest>,
    ) -> Answer<SuperUserPasswordResponse> {
        only_machine(&request, &request.get_ref().machine)?;
        Ok(Response::new(SuperUserPasswordResponse::default()))
    }
}

#[tonic::async_trait]
impl SwitchService for Service {
    async fn register(&self, request: Request<RegisterSwitchRequest>) -> Answer<RegisterSwitchResponse> {
        only_switch(&request, &request.get_ref().id)?;
        let request = request.into_inner();
        self.0.state.send_modify(|state| {
            state.switches.insert(request.id.clone(), request);
        });
        Ok(Response::new(RegisterSwitchResponse { created: true }))
    }

    type DesiredStream = Answers<DesiredResponse>;

    async fn desired(&self, request: Request<DesiredRequest>) -> Answer<Self::DesiredStream> {
        only_switch(&request, &request.get_ref().id)?;
        let DesiredRequest { id, mut after } = request.into_inner();
        Ok(Response::new(self.0.follow(move |state| {
            if state.generation <= after {
                return None;
            }
            after = state.generation;
            let vrf_of = |port: &SwitchPort| {
                let here = |machine: &&String| {
                    let nics = &state.inventories[*machine].hardware.as_ref().unwrap().nics;
                    nics.iter()
                        .flat_map(|nic| &nic.neighbors)
                        .any(|far| far.hostname == id && far.name == port.name)
                };
                state.reports.keys().find(here).map(|_| "vrf42".to_owned()).unwrap_or_default()
            };
            let nics = state.switches[&id].nics.iter().map(|port| DesiredPort {
                name: port.name.clone(),
                vrf: vrf_of(port),
                ..DesiredPort::default()
            });
            Some((DesiredResponse { generation: after, nics: nics.collect() }, false))
        })))
    }

    async fn notify(&self, request: Request<NotifyRequest>) -> Answer<NotifyResponse> {
        only_switch(&request, &request.get_ref().id)?;
        let request = request.into_inner();
        self.0.state.send_modify(|state| {
            state.notified.insert(request.id, request.generation);
        });
        Ok(Response::new(NotifyResponse {}))
    }

    async fn phone_home(&self, request: Request<PhoneHomeRequest>) -> Answer<PhoneHomeResponse> {
        only_switch(&request, &request.get_ref().id)?;
        let machines = request.into_inner().machines;
        self.0.state.send_modify(|state| {
            for machine in &machines {
                state.events.entry(machine.clone()).or_default().push("Phoned Home".to_owned());
            }
        });
        Ok(Response::new(PhoneHomeResponse { accepted: machines.len() as u64, refused: Vec::new() }))
    }
}

#[tonic::async_trait]
impl BmcService for Service {
    async fn report(&self, request: Request<BmcReportRequest>) -> Answer<BmcReportResponse> {
        only_partition(&request)?;
        let reports = request.into_inner().reports;
        self.0.state.send_modify(|state| {
            state.bmc_reports.extend(reports.into_iter().map(|report| (report.machine.clone(), report)));
        });
        Ok(Response::new(BmcReportResponse::default()))
    }

    type CommandsStream = Answers<CommandsResponse>;

    async fn commands(&self, request: Request<CommandsRequest>) -> Answer<Self::CommandsStream> {
        only_partition(&request)?;
        let mut after = request.into_inner().after;
        let commands = self.0.follow(move |state| {
            let due = |sequence: &u64| !state.acknowledged.contains(sequence);
            let mut newer = state.commands.range(after + 1..).filter(|(sequence, _)| due(sequence));
            let (sequence, (machine, command)) = newer.next()?;
            after = *sequence;
            let command = CommandsResponse {
                sequence: *sequence,
                machine: machine.clone(),
                command: i32::from(*command),
                access: None,
            };
            Some((command, false))
        });
        Ok(Response::new(commands))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Answer<AcknowledgeResponse> {
        only_partition(&request)?;
        let request = request.into_inner();
        self.0.state.send_modify(|state| {
            state.acknowledged.push(request.sequence);
            state.failures.extend(request.error);
        });
        Ok(Response::new(AcknowledgeResponse {}))
    }
}
