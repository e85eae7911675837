//! The forms of the wire: paths, media types, statuses, error bodies, nulls and times.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Request};
use http_body_util::Full;
use metal_model::v1;
use metal_model::v1::operation::{ALL, MULTIPART};
use serde_json::{Map, Value, json};

use crate::api::{Answer, Api, Role};

fn request(
    api: &Api,
    role: Role,
    method: &str,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Request<Full<bytes::Bytes>> {
    let mut request = Request::new(Full::new(body.to_owned().into()));
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    *request.headers_mut() = api.sign(role, method);
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

async fn send(
    api: &Api,
    role: Role,
    method: &str,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Answer {
    api.send(request(api, role, method, path, headers, body)).await
}

#[tokio::test]
async fn slashes_at_the_end_and_bases_make_no_difference() {
    let api = Api::with(|config| config.base_path = "/metal/".to_owned()).await;
    for path in ["/metal/v1/machine", "/metal/v1/machine/"] {
        assert_eq!(api.get(path).await.expect(200), json!([]));
    }
    assert!(api.get("/v1/machine").await.refused(404).contains("Not Found"));
    assert_eq!(api.call(Role::Nobody, "GET", "/v1/machine", Value::Null).await.status, 403);
}

#[tokio::test]
async fn strangers_learn_nothing_about_paths() {
    let api = Api::new().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/v1/nonesuch"), ("PATCH", "/v1/machine"), ("POST", "/v1/machine/find")]
    {
        api.call(Role::Nobody, method, path, Value::Null).await.refused(403);
    }
    api.get("/v1/nonesuch").await.refused(404);
    let answer = api.call(Role::Admin, "PATCH", "/v1/machine", Value::Null).await;
    answer.refused(405);
    assert_eq!(answer.headers[ALLOW], "GET, POST");
}

#[tokio::test]
async fn media_types_are_checked() {
    let api = Api::new().await;
    let plain =
        send(&api, Role::Admin, "POST", "/v1/machine/find", &[("content-type", "text/plain")], "{}").await;
    plain.refused(415);
    send(&api, Role::Admin, "POST", "/v1/machine/find", &[], "{}").await.refused(415);
    let json = ("content-type", "application/json; charset=utf-8");
    assert_eq!(send(&api, Role::Admin, "POST", "/v1/machine/find", &[json], "{}").await.status, 200);
    let html = [json, ("accept", "text/html")];
    send(&api, Role::Admin, "POST", "/v1/machine/find", &html, "{}").await.refused(406);
    send(&api, Role::Admin, "GET", "/v1/machine", &[("accept", "text/html, */*;q=0.1")], "")
        .await
        .expect(200);
    // Anything may be sent where nothing is read.
    send(&api, Role::Admin, "POST", "/v1/network/free/x", &[("content-type", "text/plain")], "?")
        .await
        .refused(404);
}

#[tokio::test]
async fn ignored_bodies_may_be_anything() {
    let api = Api::new().await;
    for body in ["[]", "{}", "", "no json"] {
        let json = [("content-type", "application/json")];
        let answer = send(&api, Role::Admin, "POST", "/v1/machine/nonesuch/power/on", &json, body).await;
        assert_eq!(answer.refused(404), "NotFound no machine with id \"nonesuch\" found");
        let answer = send(&api, Role::Admin, "POST", "/v1/machine/nonesuch/power/on", &[], body).await;
        answer.refused(404);
        send(&api, Role::Admin, "DELETE", "/v1/firmware/bios/a/b/1", &json, body).await.refused(500);
    }
}

#[tokio::test]
async fn a_get_may_have_a_body() {
    let api = Api::new().await;
    let answer = api
        .call(Role::Edit, "GET", "/v1/machine/consolepassword", json!({"id": "m1", "reason": "test"}))
        .await;
    assert_eq!(answer.refused(404), "NotFound no machine with id \"m1\" found");
}

#[tokio::test]
async fn errors_are_strings_unless_asked_for_otherwise() {
    let api = Api::new().await;
    let answer = api.get("/v1/machine/x").await;
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
    assert_eq!(answer.body, v1::error::body(404, "NotFound no machine with id \"x\" found"));
    let problem =
        send(&api, Role::Admin, "GET", "/v1/machine/x", &[("accept", "application/problem+json")], "").await;
    assert_eq!(problem.headers[CONTENT_TYPE], "application/problem+json");
    let body = problem.expect(404);
    assert_eq!(body["status"], 404);
    assert_eq!(body["title"], "Not Found");
    assert_eq!(body["detail"], "NotFound no machine with id \"x\" found");
    let both =
        [("accept", "application/json, application/problem+json"), ("content-type", "application/json")];
    let body = send(&api, Role::Admin, "POST", "/v1/ip/find", &both, r#"{"tags":"x"}"#).await.expect(400);
    assert_eq!(body["field"], "tags");
    let list = send(&api, Role::Admin, "GET", "/v1/machine", &both[..1], "").await;
    assert_eq!(list.headers[CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn faults_of_bodies_name_the_field() {
    let api = Api::new().await;
    for (path, body, told) in [
        ("/v1/machine/allocate", r#"{"networks":[{"autoacquire":"yes"}]}"#, "networks[0].autoacquire"),
        ("/v1/ip/allocate", r#"{"tags":{"a":1}}"#, "tags"),
        ("/v1/network/allocate", r#"{"length":{"IPv4":-3}}"#, "length"),
        ("/v1/machine/find", r#"{"disk_sizes":[1e400]}"#, "malformed JSON"),
        ("/v1/machine/find", "{", "malformed JSON at line 1"),
    ] {
        let message = api.raw(Role::Admin, "POST", path, body).await.refused(400);
        assert!(message.contains(told), "{path}: {message}");
    }
    let message =
        api.raw(Role::Admin, "POST", "/v1/machine/find", b"{\"id\":\"\xff\"}".to_vec()).await.refused(400);
    assert!(message.contains("malformed"), "{message}");
    assert!(api.get("/v1/machine/%ff").await.refused(400).contains("UTF-8"));
    assert!(api.get("/v1/image?show-usage=maybe").await.refused(400).contains("show-usage"));
}

#[tokio::test]
async fn null_for_every_field_is_as_good_as_nothing() {
    let api = Api::new().await;
    let schemas: Vec<_> = v1::schemas();
    for operation in ALL.iter().filter(|o| !o.path.contains("firmware")) {
        let Some(name) = operation.request.filter(|name| *name != MULTIPART) else { continue };
        let named = schemas.iter().find(|s| s.name == name).unwrap();
        let schema = serde_json::to_value(&named.schema).unwrap();
        let mut nulls = Map::new();
        collect(&schema, &schemas, &mut nulls);
        nulls.insert("nobody knows this".to_owned(), json!({"a": [1]}));
        let path = crate::roles::path_of(operation);
        let method = operation.method.as_str();
        let with_nulls = api.call(Role::Admin, method, &path, nulls.into()).await;
        let with_nothing = api.call(Role::Admin, method, &path, json!({})).await;
        assert_eq!(with_nulls.status, with_nothing.status, "{}", operation.id);
        assert!(
            with_nulls.status < 500 || ["getVPNAuthKey", "findAuditTraces"].contains(&operation.id),
            "{}: {with_nulls:?}",
            operation.id
        );
    }
}

/// The properties of a schema, all null, through references and compositions.
fn collect(schema: &Value, all: &[v1::NamedSchema], into: &mut Map<String, Value>) {
    for name in schema["properties"].as_object().into_iter().flat_map(Map::keys) {
        into.insert(name.clone(), Value::Null);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let reference = part["$ref"].as_str().and_then(|r| r.strip_prefix("#/components/schemas/"));
        match reference.and_then(|name| all.iter().find(|s| s.name == name)) {
            Some(named) => collect(&serde_json::to_value(&named.schema).unwrap(), all, into),
            None => collect(part, all, into),
        }
    }
}

#[tokio::test]
async fn the_first_instant_of_year_one_is_no_time() {
    let api = Api::new().await;
    for unset in ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"] {
        let id = format!("os-1.0.{}", unset.len());
        let image = json!({"id": id, "url": "http://i", "expirationDate": unset, "features": null});
        let created = api.put("/v1/image", image).await.expect(201);
        assert!(created["expirationDate"].as_str().unwrap() > "2026-03", "ninety days on: {created}");
        assert_eq!(created["created"], crate::api::START);
        let found = api.post("/v1/audit/find", json!({"from": unset, "to": unset})).await;
        assert_eq!(found.status, 500, "no audit log is kept here");
    }
}

#[tokio::test]
async fn requests_have_names() {
    let api = Api::new().await;
    let answer = send(&api, Role::Nobody, "GET", "/v1/version", &[("x-request-id", "mine-1")], "").await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    let answer = send(&api, Role::Nobody, "GET", "/v1/version", &[], "").await;
    assert_eq!(answer.headers["x-request-id"].len(), 36);
    let mut odd = request(&api, Role::Nobody, "GET", "/v1/version", &[], "");
    odd.headers_mut().insert("x-request-id", HeaderValue::from_bytes(b"a b\xc3").unwrap());
    assert_eq!(
        api.send(odd).await.headers["x-request-id"].len(),
        36,
        "what cannot be logged is not taken over"
    );
}

#[tokio::test]
async fn other_sites_may_ask() {
    let api = Api::new().await;
    let preflight = [("origin", "https://ui.example"), ("access-control-request-method", "PUT")];
    let answer = send(&api, Role::Nobody, "OPTIONS", "/v1/machine", &preflight, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-methods"], "GET, POST, PUT, DELETE");
    for name in ["Content-Type", "Accept", "Authorization"] {
        assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains(name));
    }
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    let answer = send(&api, Role::View, "GET", "/v1/machine", &preflight[..1], "").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn health_and_version_are_open() {
    let api = Api::with(|config| config.release_version = Some("v0.22.0".to_owned())).await;
    let health = api.call(Role::Nobody, "GET", "/v1/health", Value::Null).await.expect(200);
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["services"].as_object().unwrap().len(), 3);
    let one = api.call(Role::Nobody, "GET", "/v1/health?service=ipam", Value::Null).await.expect(200);
    assert_eq!(one["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ipam"]);
    let version = api.call(Role::Nobody, "GET", "/v1/version", Value::Null).await.expect(200);
    assert_eq!(version["min_client_version"], "v0.0.1");
    assert_eq!(version["release_version"], "v0.22.0");
    // Wrong credentials are wrong everywhere.
    let wrong = [("authorization", "Metal-View 00"), ("x-date", crate::api::START)];
    send(&api, Role::Nobody, "GET", "/v1/version", &wrong, "").await.refused(403);
    // A store that cannot serve makes the same body with another status.
    api.app.store.close().await;
    let health = api.call(Role::Nobody, "GET", "/v1/health", Value::Null).await.expect(500);
    assert_eq!(health["status"], "unhealthy");
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let api = Api::with(|config| config.limits.body_bytes = 1000).await;
    let body = format!(r#"{{"id":"{}"}}"#, "x".repeat(2000));
    api.raw(Role::Admin, "POST", "/v1/machine/find", body).await.refused(413);
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let api = Api::with(|config| (config.limits.rate, config.limits.burst) = (1, 2)).await;
    assert_eq!(api.get("/v1/version").await.status, 200);
    assert_eq!(api.get("/v1/version").await.status, 200);
    let answer = api.get("/v1/version").await;
    answer.refused(429);
    assert!(answer.headers.contains_key("retry-after"));
    let other = api.call(Role::View, "GET", "/v1/version", Value::Null).await;
    assert_eq!(other.status, 200, "others are not concerned");
    let metrics = api.app.registry.encode();
    assert!(metrics.contains("metal_api_rate_limited_requests_total 1"), "{metrics}");
    assert!(metrics.contains("metal_api_requests_total{code=\"200\",method=\"GET\"} 3"), "{metrics}");
    let duration = "metal_api_request_duration_seconds_count{route=\"/v1/version\",method=\"GET\"} 3";
    assert!(metrics.contains(duration), "{metrics}");
}

#[tokio::test]
async fn what_is_not_configured_says_so() {
    let api = Api::new().await;
    assert!(api.get("/v1/firmware").await.refused(500).contains("disabled"));
    let firmware = json!({"kind": "bios", "revision": "1", "description": null});
    api.post("/v1/machine/update-firmware/m1", firmware).await.refused(500);
    api.post("/v1/vpn/authkey", json!({"pid": "p", "reason": "r"})).await.refused(500);
    let upload = send(
        &api,
        Role::Admin,
        "PUT",
        "/v1/firmware/bios/a/b/1",
        &[("content-type", "multipart/form-data; boundary=x")],
        "--x--",
    )
    .await;
    upload.refused(500);
    assert!(api.post("/v1/audit/find", json!({})).await.refused(500).contains("disabled"));
}
