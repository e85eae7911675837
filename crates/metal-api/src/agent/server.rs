//! Listening for agents: TLS with certificates from the built-in authority, HTTP/2, and the services behind it.
//!
//! A connection may come without a client certificate, because joining needs one that is not there yet; every method
//! except joining asks [`super::identity`] and is refused without. A wrong certificate ends the handshake.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::{SignedDuration, Timestamp};
use metal_proto::v1::bmc_service_server::BmcServiceServer;
use metal_proto::v1::boot_service_server::BootServiceServer;
use metal_proto::v1::join_service_server::JoinServiceServer;
use metal_proto::v1::machine_service_server::MachineServiceServer;
use metal_proto::v1::switch_service_server::SwitchServiceServer;
use metal_runtime::pki::{Authority, Identity, peer_identity};
use metal_runtime::tls::{self, ClientAuth};
use metal_runtime::{Clock, TaskTree};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use super::identity::Peer;
use super::{bmc, boot, join, machine, switch};
use crate::app::App;
use crate::metrics::Call;

/// Who has not shown who it is by then is not worth a socket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A peer that does not answer a ping is gone; its machines must not seem to wait.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_PATIENCE: Duration = Duration::from_secs(5);

/// A partition may wait for all its machines on one connection.
const STREAMS: u32 = 20_000;

/// How long a certificate of this server is valid, and how early the next one is made.
const VALIDITY: SignedDuration = SignedDuration::from_hours(24 * 90);
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The certificates of this server: made when needed, kept in memory only.
pub struct Certificates {
    authority: Arc<Authority>,
    clock: Clock,
    identity: Identity,
    names: Vec<String>,
    current: Mutex<Option<(Arc<rustls::ServerConfig>, Timestamp)>>,
}

impl Certificates {
    /// Makes the first one, so that a name nobody can certify is told at the start.
    pub fn new(app: &App, authority: Arc<Authority>) -> anyhow::Result<Self> {
        let certificates = Self {
            authority,
            clock: app.clock.clone(),
            identity: Identity::Server(app.replica.clone()),
            names: names(app),
            current: Mutex::new(None),
        };
        certificates.config()?;
        Ok(certificates)
    }

    /// Settings of the next connection.
    fn config(&self) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some((config, expires)) = &*current
            && expires.duration_since(now) > RENEW_BEFORE
        {
            return Ok(Arc::clone(config));
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let (pair, expires) = self
            .authority
            .issue(&self.identity, &names, VALIDITY, now)
            .context("issue this server's certificate")?;
        let auth = ClientAuth::Optional(self.authority.certificate_pem().to_owned());
        let config = tls::server_config(&pair, &auth, &self.clock, &["h2"])
            .context("use this server's certificate")?;
        let config = Arc::new(config);
        *current = Some((Arc::clone(&config), expires));
        Ok(config)
    }
}

/// Names and addresses agents may reach this server by.
fn names(app: &App) -> Vec<String> {
    let listen = &app.config.listen;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !listen.address.is_unspecified() {
        names.push(listen.address.to_string());
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let is_dns = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if !host.is_empty() && host.bytes().all(is_dns) {
        names.push(host.to_owned());
    }
    names.extend(listen.grpc_names.iter().cloned());
    names.sort_unstable();
    names.dedup();
    names
}

/// The server.
pub struct Server {
    app: Arc<App>,
    tasks: TaskTree,
    certificates: Certificates,
    routes: Routes,
}

impl Server {
    /// Puts the services together.
    pub fn new(app: &Arc<App>, tasks: &TaskTree, certificates: Certificates) -> Self {
        let streams = tasks.child("streams");
        let shared = || Arc::clone(app);
        let routes = Routes::new(JoinServiceServer::new(join::Join { app: shared() }))
            .add_service(BootServiceServer::new(boot::Boot { app: shared() }))
            .add_service(MachineServiceServer::new(machine::Machines {
                app: shared(),
                streams: streams.clone(),
            }))
            .add_service(SwitchServiceServer::new(switch::Switches {
                app: shared(),
                streams: streams.clone(),
            }))
            .add_service(BmcServiceServer::new(bmc::Bmc { app: shared(), streams }))
            .prepare();
        Self { app: shared(), tasks: tasks.child("agents"), certificates, routes }
    }

    /// Accepts connections until cancelled.
    pub async fn run(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(self.app.config.limits.connections));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &room) => accepted,
                () = self.tasks.cancelled() => return,
            };
            let (socket, from, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: it passes when connections end.
                    tracing::warn!(error = metal_runtime::chain(&error), "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let config = match self.certificates.config() {
                Ok(config) => config,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "no certificate to serve agents with");
                    continue;
                }
            };
            let connection = Connection {
                app: Arc::clone(&self.app),
                tasks: self.tasks.clone(),
                routes: self.routes.clone(),
            };
            self.tasks.spawn("connection", async move {
                connection.serve(socket, from, config).await;
                drop(permit);
            });
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (socket, from) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, from, permit))
}

struct Connection {
    app: Arc<App>,
    tasks: TaskTree,
    routes: Routes,
}

impl Connection {
    async fn serve(self, socket: TcpStream, from: SocketAddr, config: Arc<rustls::ServerConfig>) {
        let handshake = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket));
        let handshake = tokio::select! {
            handshake = handshake => handshake,
            () = self.tasks.cancelled() => return,
        };
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let error = metal_runtime::chain(&error);
                tracing::debug!(peer = %from, error, "handshake with an agent failed");
                return;
            }
            Err(_) => {
                tracing::debug!(peer = %from, "an agent took too long for its handshake");
                return;
            }
        };
        let peer = Peer(identity_of(&stream, from));
        let (routes, app) = (self.routes.clone(), Arc::clone(&self.app));
        let service = service_fn(move |request: Request<Incoming>| {
            answer(Arc::clone(&app), routes.clone(), peer.clone(), request)
        });
        let mut builder = http2::Builder::new(Executor(self.tasks.clone()));
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .max_concurrent_streams(STREAMS);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.tasks.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %from, error = metal_runtime::chain(&error), "connection of an agent ended");
        }
    }
}

/// The TLS library has verified the certificate; one that names nobody is as good as none.
fn identity_of(stream: &TlsStream<TcpStream>, from: SocketAddr) -> Option<Identity> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    match peer_identity(certificate) {
        Ok(identity) => Some(identity),
        Err(error) => {
            tracing::warn!(peer = %from, error = metal_runtime::chain(&error), "certificate names nobody");
            None
        }
    }
}

async fn answer(
    app: Arc<App>,
    mut routes: Routes,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let started = metal_runtime::clock::monotonic();
    let method = request.uri().path().to_owned();
    request.extensions_mut().insert(peer);
    let response = routes.call(request).await?;
    // Only methods that exist: the label must not be the caller's choice.
    let is_known = response.headers().get("grpc-status").is_none_or(|status| status != "12");
    if is_known {
        let took = started.elapsed().as_secs_f64();
        app.metrics.grpc_durations.get_or_create(&Call { method }).observe(took);
    }
    Ok(response)
}

/// Requests of a connection are tasks of the tree like everything else.
#[derive(Clone)]
struct Executor(TaskTree);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        self.0.spawn("request", request);
    }
}
