//! Metrics and probes over HTTP, for the operator's network only: nobody is asked who they are.

use std::convert::Infallible;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metal_runtime::metrics::CONTENT_TYPE as METRICS;
use metal_runtime::{TaskTree, chain};
use tokio::net::{TcpListener, TcpStream};

use super::Shared;

/// Who has not asked by then is not worth a socket.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers until cancelled.
pub(super) async fn serve(listener: TcpListener, shared: Shared, tree: TaskTree) {
    loop {
        let accepted = tokio::select! {
            () = tree.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tree.spawn("scrape", answer(stream, shared.clone(), tree.clone()));
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, shared: Shared, tree: TaskTree) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&shared, request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = connection => ended,
        () = tree.cancelled() => return,
    };
    if let Err(error) = ended {
        tracing::debug!(error = chain(&error), "scrape ended early");
    }
}

fn respond(shared: &Shared, path: &str) -> Response<String> {
    let (status, kind, text) = match path {
        "/metrics" => (StatusCode::OK, METRICS, shared.metrics.registry().encode()),
        "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => match not_ready(shared) {
            None => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "text/plain", "here are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What is still missing; a switch that lost its control plane later stays ready.
fn not_ready(shared: &Shared) -> Option<&'static str> {
    if shared.ports.borrow().is_none() {
        return Some("the device is not ready");
    }
    if shared.config.api.is_some() && !*shared.is_registered.borrow() {
        return Some("the switch is not registered");
    }
    (shared.outcome.borrow().runs == 0).then_some("the switch was not compared with what is wanted yet")
}
