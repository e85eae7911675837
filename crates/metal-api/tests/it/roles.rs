//! Every operation, asked as nobody and as each role, answers as the table says: too little is 403 and nothing else,
//! enough is anything else.

use metal_model::v1::operation::{ADDITIONS, ALL, MULTIPART};
use metal_model::v1::{Access, Operation};
use serde_json::{Value, json};

use crate::api::{Api, Role};

/// A path with its parameters filled in by something that does not exist.
pub fn path_of(operation: &Operation) -> String {
    operation
        .path
        .split('/')
        .map(|part| if part.starts_with('{') { "nonesuch" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

fn may(role: Role, needed: Access) -> bool {
    match needed {
        Access::Open => true,
        // The three technical users all belong to the provider's tenant.
        Access::Member => role != Role::Nobody,
        Access::View => role >= Role::View,
        Access::Edit => role >= Role::Edit,
        Access::Admin => role == Role::Admin,
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_role() {
    for operation in ALL.iter().chain(ADDITIONS) {
        // One control plane each, so that an admin's deeds do not disturb the next.
        let api = Api::new().await;
        for role in Role::ALL {
            let body = match operation.request {
                None | Some(MULTIPART) => Value::Null,
                Some(_) => json!({}),
            };
            let path = path_of(operation);
            let request = api.call(role, operation.method.as_str(), &path, body);
            // Streams of changes never end by themselves; their head is enough.
            let status = if operation.path.ends_with("/watch") {
                head(&api, role, operation).await
            } else {
                request.await.status
            };
            let is_refused = status == 403;
            assert_eq!(is_refused, !may(role, operation.role), "{} as {role:?}: {status}", operation.id);
        }
    }
}

async fn head(api: &Api, role: Role, operation: &Operation) -> u16 {
    let mut request = http::Request::new(http_body_util::Full::new(bytes::Bytes::new()));
    *request.uri_mut() = operation.path.parse().unwrap();
    *request.headers_mut() = api.sign(role, "GET");
    api.rest.handle(request, ([127, 0, 0, 1], 1).into()).await.status().as_u16()
}

#[tokio::test]
async fn the_refusal_names_the_groups_that_may() {
    let api = Api::new().await;
    let message = api.call(Role::View, "PUT", "/v1/size", json!({"id": "s"})).await.refused(403);
    assert_eq!(message, "you are not member in one of [k8s_kaas-admin maas-all-all-admin]");
    let message = api.call(Role::View, "DELETE", "/v1/ip/free/10.0.0.1", Value::Null).await.refused(403);
    assert!(
        message.contains("maas-all-all-edit maas-all-all-admin") || message.contains("maas-all-all-edit k8s"),
        "{message}"
    );
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let api = Api::new().await;
    let before = api.revision();
    for operation in ALL.iter().filter(|o| o.role > Access::View && o.request != Some(MULTIPART)) {
        let body = json!({"id": "x", "constraints": [], "name": "x", "meta": {"id": "x"}});
        api.call(Role::View, operation.method.as_str(), &path_of(operation), body).await.refused(403);
    }
    assert_eq!(api.revision(), before);
}
