//! Listening: connections in, requests to whoever answers them, and an orderly end. Knows HTTP and TLS, not the API.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use metal_runtime::{TaskTree, chain};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::config::Limits;
use crate::rest::Body;

/// Pause after the system refused to give a connection: usually it has run out of something.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    /// Answers one; must not fail.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What a listener needs beside its socket.
#[derive(Clone)]
pub(crate) struct Settings {
    /// TLS, where it is spoken.
    pub tls: Option<TlsAcceptor>,
    /// Bounds.
    pub limits: Limits,
    /// Connections open, for the metrics.
    pub connections: prometheus_client::metrics::gauge::Gauge,
}

/// Accepts connections until `tasks` is cancelled; those open then finish what they are at.
pub(crate) async fn listen<A: Answer>(
    listener: TcpListener,
    answer: Arc<A>,
    settings: Settings,
    tasks: TaskTree,
) {
    let room = Arc::new(Semaphore::new(settings.limits.connections));
    loop {
        let accepted = tokio::select! {
            () = tasks.cancelled() => return,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection = connection(stream, peer, answer.clone(), settings.clone(), tasks.clone());
                tasks.spawn("connection", async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Connections beyond the bound wait in the system's queue.
    let place = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn connection<A: Answer>(
    stream: TcpStream,
    peer: SocketAddr,
    answer: Arc<A>,
    settings: Settings,
    tasks: TaskTree,
) {
    // Answers are written whole; waiting to fill packets would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = chain(&error), "connection keeps delaying small packets");
    }
    let Some(tls) = &settings.tls else {
        return serve(stream, peer, answer, &settings, &tasks).await;
    };
    match tokio::time::timeout(settings.limits.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, answer, &settings, &tasks).await,
        Ok(Err(error)) => tracing::debug!(error = chain(&error), "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn serve<A, S>(stream: S, peer: SocketAddr, answer: Arc<A>, settings: &Settings, tasks: &TaskTree)
where
    A: Answer,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    settings.connections.inc();
    let service = service_fn(move |request| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer.answer(request, peer).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.limits.header_timeout)
        .pipeline_flush(true);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256).max_header_list_size(32 << 10);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = tasks.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    settings.connections.dec();
    if let Err(error) = outcome {
        // Clients go away in the middle all the time.
        tracing::debug!(error = chain(error.as_ref()), "connection ended early");
    }
}
