//! The life of the process: listeners and background tasks begin, a signal comes, requests drain, the store closes.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use metal_runtime::ShutdownReport;
use metal_runtime::metrics::CONTENT_TYPE as METRICS;
use metal_runtime::signal::Signals;
use metal_runtime::tls::{self, ClientAuth};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::config::Limits;
use crate::rest::{Body, Rest};
use crate::server::{self, Answer, Settings};
use crate::{agent, reconcile};

/// A server that is listening. Dropping it does not end it; [`Server::stop`] does.
#[derive(Debug)]
pub struct Server {
    /// What it is made of.
    pub app: Arc<App>,
    /// Where the public API is.
    pub rest: SocketAddr,
    /// Where the agents' API is.
    pub grpc: Option<SocketAddr>,
    /// Where metrics are.
    pub metrics: Option<SocketAddr>,
}

impl Answer for Rest {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        self.handle(request, peer).await
    }
}

impl Server {
    /// Binds all ports, then starts everything; nothing runs when a port is taken.
    pub async fn start(app: Arc<App>) -> anyhow::Result<Self> {
        let rest = Rest::new(app.clone()).context("put the public API together")?;
        let config = &app.config;
        let (edges, background) = (app.edges.clone(), app.background.clone());
        let listener = bind(SocketAddr::new(config.listen.address, config.listen.port)).await?;
        let scrape = match config.listen.metrics {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let settings = Settings {
            tls: acceptor(&app)?,
            limits: config.limits.clone(),
            connections: app.metrics.connections.clone(),
        };
        let rest_address = listener.local_addr().context("read the address of the public API")?;
        let metrics_address = scrape
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
            .context("read the address of the metrics")?;
        let grpc = agent::start(&app, &edges).await.context("start the agents' API")?;
        edges.spawn_essential("rest", server::listen(listener, rest, settings, edges.clone()));
        if let Some(scrape) = scrape {
            let limits = Limits { connections: 64, ..config.limits.clone() };
            let settings = Settings { tls: None, limits, connections: Default::default() };
            let probes = Arc::new(Probes(app.clone()));
            background
                .spawn_essential("metrics", server::listen(scrape, probes, settings, background.clone()));
        }
        reconcile::start(&app, &background);
        tracing::info!(rest = %rest_address, grpc = ?grpc, metrics = ?metrics_address, replica = app.replica, "serving");
        Ok(Self { app, rest: rest_address, grpc, metrics: metrics_address })
    }

    /// Serves until a signal comes or an essential task ends, then ends in order. True when all ended well.
    pub async fn run(self, mut signals: Signals) -> bool {
        tokio::select! {
            signal = signals.recv() => tracing::info!(reason = signal, "shutting down"),
            () = self.app.tasks.cancelled() => tracing::error!(reason = "a task ended the process", "shutting down"),
        }
        let hurry = async move {
            let signal = signals.recv().await;
            tracing::warn!(reason = signal, "told twice, not waiting for requests");
        };
        self.end(hurry).await.is_clean()
    }

    /// Ends in order: no new connections, requests drain within the configured time, then the store closes.
    pub async fn stop(self) -> ShutdownReport {
        self.end(std::future::pending()).await
    }

    async fn end(self, hurry: impl Future<Output = ()>) -> ShutdownReport {
        let drain = self.app.config.drain;
        let mut report = self.app.edges.shutdown_unless(drain, hurry).await;
        let background = self.app.background.shutdown(drain).await;
        self.app.close().await;
        let rest = self.app.tasks.shutdown(drain).await;
        for other in [background, rest] {
            report.ended.extend(other.ended);
            report.aborted.extend(other.aborted);
            report.faults = other.faults;
        }
        if report.is_clean() {
            tracing::info!("ended in order");
        } else {
            tracing::error!(aborted = ?report.aborted, faults = ?report.faults, "ended in disorder");
        }
        report
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

fn acceptor(app: &App) -> anyhow::Result<Option<TlsAcceptor>> {
    let Some(own) = &app.config.listen.tls else { return Ok(None) };
    let config = tls::server_config(own, &ClientAuth::None, &app.clock, &["h2", "http/1.1"])
        .context("set up TLS of the public API")?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Metrics and probes, for the operator's network only: nobody is asked who they are.
struct Probes(Arc<App>);

impl Answer for Probes {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        let (status, kind, text) = match request.uri().path() {
            "/metrics" => (StatusCode::OK, METRICS, self.0.registry.encode()),
            "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/readyz" => match self.0.not_ready() {
                None => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
                Some(why) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", why),
            },
            _ => {
                (StatusCode::NOT_FOUND, "text/plain", "here are /metrics, /healthz and /readyz\n".to_owned())
            }
        };
        let mut response = Response::new(Body::full(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}
