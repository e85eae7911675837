//! What goes over the wire, seen by a server that answers from a script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use metal_client::{Client, Error, HmacKind};
use metal_model::v1::{MachineConsolePasswordRequest, MachineFindRequest, SizeCreateRequest, error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one request with `answer` and returns the client of it and what was asked.
async fn serve(answer: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/metal", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a test needs no task tree")]
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_complete(&request) {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await.unwrap();
            request.extend_from_slice(&chunk[..count]);
            if count == 0 {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, asked)
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    body.len() >= length.map_or(0, |l| l.parse().unwrap())
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn header<'r>(request: &'r str, name: &str) -> &'r str {
    let line = request.lines().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)));
    line.map(|(_, value)| value).unwrap_or_default()
}

#[tokio::test]
async fn requests_are_signed_and_lists_may_be_null() {
    let (url, asked) = serve(answer("200 OK", "null")).await;
    let client = Client::builder(&url).hmac(HmacKind::View, "key").build().unwrap();
    let found = client
        .machine()
        .find(&MachineFindRequest { id: Some("m".into()), ..Default::default() })
        .await
        .unwrap();
    assert!(found.is_empty());
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /metal/v1/machine/find HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("{\"id\":\"m\"}"), "{asked}");
    let signature =
        metal_client::sign("key", header(&asked, "x-date"), "POST", header(&asked, "x-data-salt"));
    assert_eq!(header(&asked, "authorization"), format!("Metal-View {signature}"));
}

#[tokio::test]
async fn a_get_may_have_a_body() {
    let (url, asked) = serve(answer("200 OK", r#"{"id":"m","console_password":"secret","name":null}"#)).await;
    let client = Client::builder(&url).bearer("token").build().unwrap();
    let request = MachineConsolePasswordRequest { id: "m".into(), reason: "why".into() };
    assert_eq!(client.machine().console_password(&request).await.unwrap().console_password, "secret");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("GET /metal/v1/machine/consolepassword HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"id":"m","reason":"why"}"#), "{asked}");
    assert_eq!(header(&asked, "authorization"), "Bearer token");
}

#[tokio::test]
async fn commands_send_an_empty_list() {
    let (url, asked) = serve(answer("200 OK", r#"{"id":"m"}"#)).await;
    Client::builder(&url).build().unwrap().machine().off("m").await.unwrap();
    assert!(asked.await.unwrap().ends_with("\r\n\r\n[]"));
}

#[tokio::test]
async fn errors_tell_status_and_message() {
    let (url, _asked) = serve(answer("409 Conflict", &error::body(409, "it exists"))).await;
    let client = Client::builder(&url).build().unwrap();
    let failed = client.size().create(&SizeCreateRequest::default()).await.unwrap_err();
    assert!(failed.is_conflict() && failed.hint().is_some());
    assert_eq!(failed.to_string(), "createSize was refused with status 409: it exists");
}

#[tokio::test]
async fn a_success_that_is_not_declared_is_an_error() {
    let (url, _asked) = serve(answer("200 OK", "{}")).await;
    let failed = Client::builder(&url).build().unwrap().size().create(&SizeCreateRequest::default()).await;
    assert_eq!(failed.unwrap_err().status(), Some(200));
}

#[tokio::test]
async fn an_answer_that_is_something_else_names_the_field() {
    let (url, _asked) = serve(answer("200 OK", r#"{"id":"m","allocation":{"created":"never"}}"#)).await;
    let failed = Client::builder(&url).build().unwrap().machine().get("m").await.unwrap_err();
    let why = std::error::Error::source(&failed).unwrap().to_string();
    assert!(why.contains("allocation.created"), "{why}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failed = Client::builder(&url).build().unwrap().version().await.unwrap_err();
    assert!(matches!(&failed, Error::Connect { url: asked, .. } if asked.starts_with(&url)), "{failed:?}");
    assert!(failed.hint().unwrap().contains("running"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder(&url).timeout(Duration::from_millis(50)).build().unwrap();
    assert!(matches!(client.version().await.unwrap_err(), Error::Timeout { .. }));
}

#[tokio::test]
async fn changes_are_streamed() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let event = "data: {\"revision\":3,\"kind\":\"changed\",\"id\":\"m\",\"object\":{\"id\":\"m\"}}\n\n";
    let (url, asked) = serve(format!("{head}: here\n\n{event}")).await;
    let client = Client::builder(&url).build().unwrap();
    let mut watch = client.machine().watch(Some(2)).await.unwrap();
    let seen = watch.next().await.unwrap().unwrap();
    assert_eq!((seen.revision, seen.object.unwrap().id.as_str()), (3, "m"));
    assert!(watch.next().await.is_none());
    assert!(asked.await.unwrap().starts_with("GET /metal/v1/machine/watch?after=2 "));
}
