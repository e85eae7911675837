//! The server on a real socket: HTTP/1.1 with connections kept, TLS, long lists in pieces, clients that misbehave,
//! and an end that loses nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use metal_api::{App, Builder, Server};
use metal_model::machine::Machine;
use metal_runtime::Clock;
use metal_runtime::pki::{Authority, Identity};
use metal_runtime::tls;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::{Role, quiet, signature};

async fn start(change: impl FnOnce(&mut metal_api::Config)) -> Server {
    let builder = Builder::default().configure(quiet).configure(change);
    Server::start(builder.build().await.unwrap()).await.unwrap()
}

fn head(app: &App, role: Role, method: &str, path: &str, more: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n");
    for (name, value) in &signature(app, app.clock.now(), role, method) {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head + more + "\r\n"
}

/// Reads one answer: its head, and its body whether it has a length or comes in chunks.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "closed early: {}",
            String::from_utf8_lossy(&bytes)
        );
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let mut body = bytes.split_off(end);
    if let Some(length) = head.split("content-length: ").nth(1) {
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        while body.len() < length {
            assert!(stream.read_buf(&mut body).await.unwrap() > 0);
        }
        return (head, body);
    }
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    while !body.ends_with(b"0\r\n\r\n") {
        assert!(stream.read_buf(&mut body).await.unwrap() > 0);
    }
    let mut whole = Vec::new();
    let mut rest = body.as_slice();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return (head, whole);
        }
        whole.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (String, Vec<u8>) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Puts machines into the store.
async fn fill(app: &Arc<App>, count: usize) {
    let decide = move |tx: &mut metal_plan::Tx, _: &mut metal_plan::Env| {
        for number in 0..count {
            tx.put(Machine { id: format!("m{number:05}").into(), ..Machine::default() });
        }
        Ok(())
    };
    app.transact("test fill", &app.system_caller(), decide).await.unwrap();
}

#[tokio::test]
async fn connections_are_kept_and_long_lists_come_in_pieces() {
    let server = start(|_| ()).await;
    fill(&server.app, 1500).await;
    let mut stream = connect(server.rest).await;
    for _ in 0..2 {
        let (head, body) = ask(&mut stream, &head(&server.app, Role::View, "GET", "/v1/machine", "")).await;
        assert!(head.starts_with("http/1.1 200") && head.contains("transfer-encoding: chunked"), "{head}");
        let list: Vec<Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(list.len(), 1500);
        assert_eq!(list[1499]["id"], "m01499");
    }
    let (head, _) = ask(&mut stream, &head(&server.app, Role::View, "GET", "/v1/machine/issues", "")).await;
    assert!(head.contains("content-length"), "{head}");
    drop(stream);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_writer() {
    let server = start(|_| ()).await;
    fill(&server.app, 5000).await;
    let mut stream = connect(server.rest).await;
    stream.write_all(head(&server.app, Role::View, "GET", "/v1/machine", "").as_bytes()).await.unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    assert!(server.stop().await.is_clean(), "the writer of the list must have ended");
}

#[tokio::test]
async fn what_is_not_http_hurts_nobody() {
    let server = start(|config| config.limits.body_bytes = 100).await;
    for garbage in ["\x16\x03\x01\x02\x00", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n"] {
        let mut stream = connect(server.rest).await;
        stream.write_all(garbage.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    let mut stream = connect(server.rest).await;
    let more = "content-type: application/json\r\ncontent-length: 1000000\r\n";
    let (head, _) = ask(&mut stream, &head(&server.app, Role::View, "POST", "/v1/machine/find", more)).await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    let mut stream = connect(server.rest).await;
    let more = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let long = format!("{}\r\nc8\r\n{}\r\n0\r\n\r\n", "", "x".repeat(200));
    let request = self::head(&server.app, Role::View, "POST", "/v1/machine/find", more)
        + long.trim_start_matches("\r\n");
    let (head, _) = ask(&mut stream, &request).await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    drop(stream);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn probes_and_metrics_need_no_credentials() {
    let server = start(|config| config.listen.metrics = Some(([127, 0, 0, 1], 0).into())).await;
    let mut stream = connect(server.rest).await;
    for path in ["/healthz", "/readyz"] {
        let (head, body) = ask(&mut stream, &head(&server.app, Role::Nobody, "GET", path, "")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, b"ok\n");
    }
    let mut scrape = connect(server.metrics.unwrap()).await;
    for (path, status) in [("/metrics", "200"), ("/healthz", "200"), ("/readyz", "200"), ("/", "404")] {
        let (head, body) = ask(&mut scrape, &head(&server.app, Role::Nobody, "GET", path, "")).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
        let text = String::from_utf8(body).unwrap();
        assert!(path != "/metrics" || text.contains("metal_store_revision"), "{text}");
        assert!(path != "/metrics" || text.ends_with("# EOF\n"), "{text}");
    }
    drop((stream, scrape));
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn tls_is_spoken_where_configured() {
    let clock = Clock::system();
    let day = SignedDuration::from_hours(24);
    let authority = Authority::generate("test", day, clock.now()).unwrap();
    let identity = Identity::Server("test".to_owned());
    let (own, _) = authority.issue(&identity, &["localhost"], day, clock.now()).unwrap();
    let server = start(|config| config.listen.tls = Some(own)).await;
    let config = tls::client_config(authority.certificate_pem(), None, &clock, &["http/1.1"]).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, connect(server.rest).await).await.unwrap();
    let (head, _) = ask(&mut stream, &head(&server.app, Role::View, "GET", "/v1/machine", "")).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    drop(stream);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn streams_do_not_keep_the_server_from_ending() {
    let server = start(|_| ()).await;
    let mut stream = connect(server.rest).await;
    stream.write_all(head(&server.app, Role::View, "GET", "/v1/machine/watch", "").as_bytes()).await.unwrap();
    let mut some = [0; 100];
    stream.read_exact(&mut some).await.unwrap();
    let (rest, app) = (server.rest, server.app.clone());
    assert!(server.stop().await.is_clean());
    assert!(app.not_ready().is_some());
    assert!(TcpStream::connect(rest).await.is_err(), "nobody listens any more");
    let mut left = Vec::new();
    stream.read_to_end(&mut left).await.unwrap();
    assert!(
        left.ends_with(b"0\r\n\r\n"),
        "the stream has an orderly end: {}",
        String::from_utf8_lossy(&left)
    );
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_before_the_end() {
    let server = start(|_| ()).await;
    let app = server.app.clone();
    let body = r#"{"id":"late","constraints":[]}"#;
    let more = format!(
        "content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n",
        body.len()
    );
    let mut stream = connect(server.rest).await;
    stream.write_all(head(&app, Role::Admin, "PUT", "/v1/size", &more).as_bytes()).await.unwrap();
    // The server asks for the body only when the request is on its way.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let ending = tokio::spawn(server.stop());
    app.edges.cancelled().await;
    let (head, _) = ask(&mut stream, body).await;
    assert!(head.starts_with("http/1.1 201"), "{head}");
    assert!(ending.await.unwrap().is_clean());
    assert!(app.store.snapshot().state.sizes.contains("late"));
}

#[tokio::test]
async fn two_servers_cannot_have_one_port() {
    let server = start(|_| ()).await;
    let port = server.rest.port();
    let other = Builder::default().configure(|config| config.listen.port = port).build().await.unwrap();
    let error = Server::start(other).await.unwrap_err();
    assert!(format!("{error:#}").contains(&port.to_string()), "{error:#}");
    assert!(server.stop().await.is_clean());
}
