//! Who asks: signatures, their age, and what the server makes of them.

use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use jiff::SignedDuration;
use serde_json::Value;

use crate::api::{Api, Role};

#[tokio::test]
async fn everybody_is_told_who_they_are() {
    let api = Api::new().await;
    let me = api.call(Role::Edit, "GET", "/v1/user/me", Value::Null).await.expect(200);
    assert_eq!(me["EMail"], "metal-edit@metal-stack.io");
    assert_eq!(me["Name"], "Metal-Edit");
    assert_eq!(me["Tenant"], "metal-stack");
    assert_eq!(me["Groups"], serde_json::json!(["k8s_kaas-edit", "maas-all-all-edit"]));
    assert_eq!((&me["Issuer"], &me["Subject"]), (&"".into(), &"".into()));
    api.call(Role::Nobody, "GET", "/v1/user/me", Value::Null).await.refused(403);
}

#[tokio::test]
async fn old_signatures_are_worth_nothing() {
    let api = Api::new().await;
    let headers = api.sign(Role::View, "GET");
    let request = || {
        let mut request = Request::new(Full::new(bytes::Bytes::new()));
        *request.uri_mut() = "/v1/machine".parse().unwrap();
        *request.headers_mut() = headers.clone();
        request
    };
    api.send(request()).await.expect(200);
    api.clock.advance(SignedDuration::from_secs(30));
    api.send(request()).await.expect(200);
    api.clock.advance(SignedDuration::from_secs(1));
    assert!(api.send(request()).await.refused(403).contains("too old"));
}

#[tokio::test]
async fn a_signature_is_for_one_method() {
    let api = Api::new().await;
    let mut request = Request::new(Full::new(bytes::Bytes::new()));
    *request.uri_mut() = "/v1/machine".parse().unwrap();
    *request.headers_mut() = api.sign(Role::Admin, "POST");
    assert!(api.send(request).await.refused(403).contains("does not match"));
}

#[tokio::test]
async fn what_is_no_credential_is_a_guest() {
    let api = Api::new().await;
    for shown in ["Basic YTpi", "Metal-Other 00", "Metal-Admin", "x"] {
        let mut request = Request::new(Full::new(bytes::Bytes::new()));
        *request.uri_mut() = "/v1/machine".parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, shown.parse().unwrap());
        assert_eq!(api.send(request).await.refused(403), "tenant  not allowed", "{shown}");
    }
}

#[tokio::test]
async fn the_tenant_of_the_provider_exists_from_the_start() {
    let api = Api::with(|config| config.provider_tenant = "acme".to_owned()).await;
    let tenant = api.get("/v1/tenant/acme").await.expect(200);
    assert_eq!(tenant["meta"]["id"], "acme");
}
