//! A small control plane on a real socket, with real certificates; it can be away, silent, or answer with errors.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use metal_proto::v1::join_service_server::{JoinService, JoinServiceServer};
use metal_proto::v1::switch_service_server::{SwitchService, SwitchServiceServer};
use metal_proto::v1::{
    CertificateResponse, DesiredPort, DesiredRequest, DesiredResponse, JoinRequest, NotifyRequest,
    NotifyResponse, PhoneHomeRequest, PhoneHomeResponse, RegisterSwitchRequest, RegisterSwitchResponse,
    RenewRequest,
};
use metal_runtime::clock;
use metal_runtime::pki::{Authority, Identity};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::transport::{Certificate, Identity as ServerIdentity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

/// What it was told and what it does.
#[derive(Debug, Default)]
pub struct Told {
    pub joined: Vec<JoinRequest>,
    pub registered: Vec<RegisterSwitchRequest>,
    pub subscribed: Vec<DesiredRequest>,
    pub notified: Vec<NotifyRequest>,
    pub homes: Vec<PhoneHomeRequest>,
    /// Every call is answered so.
    pub refuses: Option<Code>,
    /// No call is answered.
    pub is_silent: bool,
    /// Whether the switch is known; registering makes it so.
    pub is_known: bool,
}

type Desired = watch::Sender<DesiredResponse>;

#[derive(Clone)]
struct Service {
    told: Arc<Mutex<Told>>,
    desired: Arc<Desired>,
    authority: Arc<Authority>,
}

/// The control plane with its files.
pub struct ControlPlane {
    pub address: SocketAddr,
    pub ca_file: PathBuf,
    pub token_file: PathBuf,
    service: Service,
    running: Option<Runtime>,
}

impl ControlPlane {
    pub fn new(dir: &Path) -> Self {
        metal_runtime::tls::install_provider();
        let now = clock::now();
        let authority = Authority::generate("test", SignedDuration::from_hours(1000), now).unwrap();
        let (ca_file, token_file) = (dir.join("ca.pem"), dir.join("token"));
        std::fs::write(&ca_file, authority.certificate_pem()).unwrap();
        std::fs::write(&token_file, "once\n").unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let service = Service {
            told: Arc::default(),
            desired: Arc::new(watch::Sender::new(DesiredResponse::default())),
            authority: Arc::new(authority),
        };
        Self { address, ca_file, token_file, service, running: None }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.service.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes these ports: name, VRF, machine.
    pub fn want(&self, generation: u64, ports: &[(&str, &str, &str)]) {
        let nics = ports.iter().map(|(name, vrf, machine)| DesiredPort {
            name: (*name).to_owned(),
            vrf: (*vrf).to_owned(),
            machine: (*machine).to_owned(),
            filter_cidrs: vec!["10.0.0.0/24".to_owned()],
            ..DesiredPort::default()
        });
        self.service.desired.send_replace(DesiredResponse { generation, nics: nics.collect() });
    }

    /// Comes up, in a runtime of its own, so that it can go without a word.
    pub fn start(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authority = &self.service.authority;
        let identity = Identity::Server("api".to_owned());
        let hour = SignedDuration::from_hours(1);
        let (own, _) = authority.issue(&identity, &["localhost"], hour, clock::now()).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(ServerIdentity::from_pem(&own.certificate_pem, own.key_pem.expose()))
            .client_ca_root(Certificate::from_pem(authority.certificate_pem()))
            .client_auth_optional(true);
        let service = self.service.clone();
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(SwitchServiceServer::new(service.clone()))
            .add_service(JoinServiceServer::new(service));
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            server.serve_with_incoming(TcpListenerStream::new(listener)).await
        });
        self.running = Some(runtime);
    }

    /// Goes, and its connections with it.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Service {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who calls must have shown a certificate.
    async fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        if request.peer_certs().is_none_or(|certificates| certificates.is_empty()) {
            return Err(Status::unauthenticated("no certificate"));
        }
        self.mood().await?;
        Ok(request.into_inner())
    }

    async fn mood(&self) -> Result<(), Status> {
        if self.told().is_silent {
            std::future::pending::<()>().await;
        }
        self.told().refuses.map_or(Ok(()), |code| Err(Status::new(code, "told to refuse")))
    }

    fn must_know(&self) -> Result<(), Status> {
        if self.told().is_known { Ok(()) } else { Err(Status::not_found("switch not found")) }
    }
}

#[tonic::async_trait]
impl SwitchService for Service {
    type DesiredStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<DesiredResponse, Status>> + Send>>;

    async fn register(
        &self,
        request: Request<RegisterSwitchRequest>,
    ) -> Result<Response<RegisterSwitchResponse>, Status> {
        let request = self.admit(request).await?;
        let mut told = self.told();
        told.registered.push(request);
        let created = !told.is_known;
        told.is_known = true;
        Ok(Response::new(RegisterSwitchResponse { created }))
    }

    async fn desired(
        &self,
        request: Request<DesiredRequest>,
    ) -> Result<Response<Self::DesiredStream>, Status> {
        let request = self.admit(request).await?;
        self.must_know()?;
        self.told().subscribed.push(request);
        let wishes = WatchStream::new(self.desired.subscribe());
        Ok(Response::new(Box::pin(wishes.filter(|wish| wish.generation > 0).map(Ok))))
    }

    async fn notify(&self, request: Request<NotifyRequest>) -> Result<Response<NotifyResponse>, Status> {
        let request = self.admit(request).await?;
        self.must_know()?;
        self.told().notified.push(request);
        Ok(Response::new(NotifyResponse {}))
    }

    async fn phone_home(
        &self,
        request: Request<PhoneHomeRequest>,
    ) -> Result<Response<PhoneHomeResponse>, Status> {
        let request = self.admit(request).await?;
        self.told().homes.push(request);
        Ok(Response::new(PhoneHomeResponse::default()))
    }
}

#[tonic::async_trait]
impl JoinService for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<CertificateResponse>, Status> {
        self.mood().await?;
        let request = request.into_inner();
        if request.token != "once" || !self.told().joined.is_empty() {
            return Err(Status::unauthenticated("this token is not good, or not any more"));
        }
        let identity: Identity =
            request.identity.parse().map_err(|_| Status::invalid_argument("identity"))?;
        let hour = SignedDuration::from_hours(1);
        let signed = self.authority.sign(&request.csr_pem, &identity, hour, clock::now());
        let signed = signed.map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.told().joined.push(request);
        Ok(Response::new(CertificateResponse {
            certificate_pem: signed.certificate_pem,
            ca_pem: self.authority.certificate_pem().to_owned(),
            expires: signed.expires.as_second(),
            identity: identity.to_string(),
        }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<CertificateResponse>, Status> {
        Err(Status::unimplemented("nothing here lives that long"))
    }
}
