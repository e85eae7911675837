//! Streams of changes: all there is, then what changes, and on from where a client was.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use metal_api::rest::Body;
use serde_json::{Value, json};

use crate::api::{Api, Role};

/// A client of a stream.
struct Watcher {
    body: Body,
    text: String,
    last_id: Option<String>,
}

async fn open(api: &Api, path: &str, last_event_id: Option<&str>) -> Response<Body> {
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = path.parse().unwrap();
    *request.headers_mut() = api.sign(Role::View, "GET");
    if let Some(id) = last_event_id {
        request.headers_mut().insert("last-event-id", id.parse().unwrap());
    }
    api.rest.handle(request, ([127, 0, 0, 1], 1).into()).await
}

async fn watch(api: &Api, path: &str, last_event_id: Option<&str>) -> Watcher {
    let response = open(api, path, last_event_id).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Watcher { body: response.into_body(), text: String::new(), last_id: None }
}

impl Watcher {
    /// The next event with data; none when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) =
                self.text.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned()))
            {
                self.text = rest;
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                self.last_id = field("id: ").or(self.last_id.take());
                if let Some(data) = field("data: ") {
                    return Some(serde_json::from_str(&data).unwrap());
                }
                if field(":").is_some() {
                    return Some(Value::Null);
                }
            }
            let frame = self.body.frame().await?.unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }
}

#[tokio::test]
async fn all_there_is_then_what_changes() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let mut watcher = watch(&api, "/v1/network/watch", None).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let event = watcher.next().await.unwrap();
        assert_eq!(event["kind"], "added");
        ids.push(event["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids, ["internet", "super", "underlay"]);
    assert_eq!(watcher.last_id, Some(api.revision().to_string()));
    let child = api.private_network().await;
    let event = watcher.next().await.unwrap();
    assert_eq!((&event["kind"], &event["id"]), (&"added".into(), &child.as_str().into()));
    assert_eq!(event["object"]["parentnetworkid"], "super");
    api.call(Role::Edit, "DELETE", &format!("/v1/network/free/{child}"), Value::Null).await.expect(200);
    let mut event = watcher.next().await.unwrap();
    while event["kind"] != "deleted" {
        event = watcher.next().await.unwrap();
    }
    assert_eq!(event["id"], child.as_str());
    assert_eq!(event["object"], Value::Null);
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let api = Api::new().await;
    api.furnish().await;
    let before = api.revision();
    api.machine("m1", 1).await;
    let mut watcher = watch(&api, &format!("/v1/machine/watch?after={before}"), None).await;
    let event = watcher.next().await.unwrap();
    assert_eq!((&event["id"], &event["kind"]), (&"m1".into(), &"added".into()));
    let seen = event["revision"].as_u64().unwrap();
    // The header of a client that reconnects is newer than the URL it began with.
    api.call(Role::Edit, "POST", "/v1/machine/m1/power/off", Value::Null).await.expect(200);
    let mut again = watch(&api, &format!("/v1/machine/watch?after={before}"), Some(&seen.to_string())).await;
    let event = again.next().await.unwrap();
    assert_eq!(
        (&event["id"], &event["kind"]),
        (&"m1".into(), &"changed".into()),
        "its events are part of it"
    );
    assert!(event["revision"].as_u64().unwrap() > seen);
}

#[tokio::test]
async fn switches_and_addresses_are_streamed_too() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let mut switches = watch(&api, "/v1/switch/watch", None).await;
    assert_eq!(switches.next().await.unwrap()["id"], "leaf01");
    assert_eq!(switches.next().await.unwrap()["id"], "leaf02");
    api.post("/v1/switch/leaf02/notify", json!({"sync_duration": 5})).await.expect(200);
    let event = switches.next().await.unwrap();
    assert_eq!(event["id"], "leaf02");
    assert_eq!(event["object"]["last_sync"]["duration"], 5);

    let mut ips = watch(&api, "/v1/ip/watch", None).await;
    assert_eq!(ips.next().await.unwrap(), Value::Null, "nothing yet, and up to where is told");
    assert_eq!(ips.last_id, Some(api.revision().to_string()));
    api.post("/v1/ip/allocate", json!({"networkid": "internet", "projectid": "p1"})).await.expect(201);
    let event = ips.next().await.unwrap();
    assert_eq!(event["id"], event["object"]["ipaddress"]);
}

#[tokio::test]
async fn revisions_that_are_not_kept_are_told() {
    let api = Api::new().await;
    let response = open(&api, "/v1/machine/watch?after=99999", None).await;
    assert_eq!(response.status(), 410);
    assert_eq!(open(&api, "/v1/machine/watch?after=yesterday", None).await.status(), 400);
}

#[tokio::test]
async fn streams_are_limited_and_end_with_the_server() {
    let api = Api::with(|config| config.limits.streams = 1).await;
    let mut first = watch(&api, "/v1/machine/watch", None).await;
    assert_eq!(first.next().await, Some(Value::Null));
    assert_eq!(open(&api, "/v1/machine/watch", None).await.status(), 503);
    api.app.edges.cancel();
    assert_eq!(first.next().await, None);
}
