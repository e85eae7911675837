//! Load from many keep-alive connections, one task each, on this process' share of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What is sent: method, path and body of the n-th request.
pub type Make = Arc<dyn Fn(usize) -> (Method, String, Bytes) + Send + Sync>;

/// What came of a load.
#[derive(Debug)]
pub struct Outcome {
    /// Wall clock from first to last request.
    pub took: Duration,
    /// Latency of each request, sorted.
    pub latencies: Vec<Duration>,
    /// Requests answered with another code than wanted, and the first such answer.
    pub failed: usize,
    /// The first unexpected answer.
    pub first_failure: Option<String>,
    /// Bodies, where they were kept.
    pub bodies: Vec<Bytes>,
}

impl Outcome {
    /// Answered requests per second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        (self.latencies.len() - self.failed) as f64 / self.took.as_secs_f64()
    }
}

/// The three headers of the scheme.
pub type Headers = [(&'static str, String); 3];

/// Headers for a method, and when they were signed.
type Signed = (Method, Instant, Headers);

/// Signs requests like the technical user `Metal-Admin`.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Arc<String>,
}

impl Signer {
    /// Takes the admin key of a server.
    pub fn new(key: &str) -> Self {
        Self { key: Arc::new(key.to_owned()) }
    }

    /// Headers that are valid for about a minute: the scheme signs date, method and salt only.
    pub fn headers(&self, method: &Method) -> Headers {
        let date = metal_runtime::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let salt = "abcdefghijklmnopqrstuvwx".to_owned();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, self.key.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, format!("{date}{method}{salt}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        [("authorization", format!("Metal-Admin {hex}")), ("x-date", date), ("x-data-salt", salt)]
    }
}

/// Opens a connection; the returned future-driver runs as a task of this process.
pub async fn connect(address: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with its connection, in a program that only measures"
    )]
    tokio::spawn(async move {
        // A server that is killed on purpose breaks connections.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Sends one request and reads the whole answer.
pub async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    headers: &[(&'static str, String)],
    (method, path, body): (Method, String, Bytes),
    keep: bool,
) -> anyhow::Result<(u16, Bytes)> {
    let mut request = Request::builder().method(method).uri(path).header("host", "bench");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request = request.header("content-type", "application/json");
    sender.ready().await?;
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let status = answer.status().as_u16();
    Ok((status, read(answer.into_body(), keep || status >= 300).await?))
}

/// The whole body; where nobody wants it, every byte is received and none is kept.
async fn read(mut body: hyper::body::Incoming, keep: bool) -> anyhow::Result<Bytes> {
    if keep {
        return Ok(body.collect().await?.to_bytes());
    }
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(Bytes::new())
}

/// Sends `total` requests over `connections` connections.
pub async fn run(
    address: &str,
    signer: &Signer,
    connections: usize,
    total: usize,
    keep: bool,
    make: Make,
) -> anyhow::Result<Outcome> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = Vec::with_capacity(connections);
    for _ in 0..connections {
        senders.push(connect(address).await?);
    }
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for mut sender in senders {
        let (next, make, signer) = (next.clone(), make.clone(), signer.clone());
        workers.spawn(async move {
            let mut mine = Worker::default();
            let mut signed: Option<Signed> = None;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    return mine;
                }
                let request = make(n);
                let fresh = signed.as_ref().is_some_and(|(method, at, _)| {
                    *method == request.0 && at.elapsed() < Duration::from_secs(20)
                });
                if !fresh {
                    signed = Some((request.0.clone(), Instant::now(), signer.headers(&request.0)));
                }
                let headers = signed.as_ref().map_or(&[][..], |(_, _, headers)| &headers[..]);
                let sent = Instant::now();
                mine.note(sent, send(&mut sender, headers, request, keep).await, keep);
                if sender.is_closed() {
                    return mine;
                }
            }
        });
    }
    let mut outcome = Outcome {
        took: Duration::ZERO,
        latencies: Vec::with_capacity(total),
        failed: 0,
        first_failure: None,
        bodies: Vec::new(),
    };
    while let Some(done) = workers.join_next().await {
        let done = done?;
        outcome.latencies.extend(done.latencies);
        outcome.failed += done.failed;
        outcome.first_failure = outcome.first_failure.or(done.first_failure);
        outcome.bodies.extend(done.bodies);
    }
    outcome.took = start.elapsed();
    outcome.latencies.sort_unstable();
    if outcome.latencies.len() < total {
        bail!(
            "only {} of {total} requests were answered: {:?}",
            outcome.latencies.len(),
            outcome.first_failure
        );
    }
    Ok(outcome)
}

#[derive(Debug, Default)]
struct Worker {
    latencies: Vec<Duration>,
    failed: usize,
    first_failure: Option<String>,
    bodies: Vec<Bytes>,
}

impl Worker {
    fn note(&mut self, sent: Instant, answer: anyhow::Result<(u16, Bytes)>, keep: bool) {
        self.latencies.push(sent.elapsed());
        match answer {
            Ok((status, body)) if (200..300).contains(&status) => {
                if keep {
                    self.bodies.push(body);
                }
            }
            Ok((status, body)) => {
                self.failed += 1;
                self.first_failure.get_or_insert(format!("{status} {}", String::from_utf8_lossy(&body)));
            }
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert(format!("{error:#}"));
            }
        }
    }
}
