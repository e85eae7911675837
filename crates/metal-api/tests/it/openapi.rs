//! The table of operations and the document made from it, compared with the published interface as transcribed in
//! `operations.tsv`.

use std::collections::BTreeMap;

use metal_model::v1::operation::ALL;
use metal_model::v1::{Access, Body};
use serde_json::Value;

use crate::api::{Api, Role};

/// One line of the published interface.
struct Published {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    role: &'static str,
    request: &'static str,
    ok: Vec<u16>,
    response: &'static str,
    typed: Vec<u16>,
}

fn codes(text: &str) -> Vec<u16> {
    text.split(',').filter_map(|code| code.parse().ok()).collect()
}

fn published() -> Vec<Published> {
    let lines = include_str!("operations.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&'static str> = line.split('\t').collect();
            let [method, path, id, role, request, ok, response, typed] = parts[..] else { panic!("{line}") };
            Published { method, path, id, role, request, ok: codes(ok), response, typed: codes(typed) }
        })
        .collect()
}

fn role_of(access: Access) -> &'static str {
    match access {
        Access::Open => "open",
        Access::Member => "member",
        Access::View => "view",
        Access::Edit => "edit",
        Access::Admin => "admin",
    }
}

/// A schema's name without the package it is of.
fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, rest)| rest)
}

#[test]
fn the_table_is_the_published_interface() {
    let published = published();
    assert_eq!(published.len(), 114);
    for wanted in &published {
        let found =
            ALL.iter().find(|o| o.id == wanted.id).unwrap_or_else(|| panic!("{} is missing", wanted.id));
        let id = wanted.id;
        assert_eq!((found.method.as_str(), found.path), (wanted.method, wanted.path), "{id}");
        assert_eq!(role_of(found.role), wanted.role, "{id}");
        assert_eq!(found.ok, wanted.ok, "{id}");
        assert_eq!(found.typed, wanted.typed, "{id}");
        let response = match found.response {
            Body::None => "-".to_owned(),
            Body::One(schema) => short(schema).to_owned(),
            Body::List(schema) | Body::Stream(schema) => format!("[{}]", short(schema)),
        };
        assert_eq!(response, wanted.response, "{id}");
        let request = match found.request {
            None => "-",
            Some("multipart/form-data") => "multipart",
            Some(schema) => short(schema),
        };
        assert_eq!(request, wanted.request, "{id}");
    }
}

#[tokio::test]
async fn the_document_tells_all_of_it() {
    let api = Api::new().await;
    let document = api.call(Role::View, "GET", "/apidocs.json", Value::Null).await.expect(200);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for wanted in published() {
        let described = &document["paths"][wanted.path][wanted.method.to_lowercase()];
        assert_eq!(described["operationId"], wanted.id);
        let responses = described["responses"].as_object().unwrap();
        let expected = wanted.ok.iter().chain(&wanted.typed);
        for code in expected {
            assert!(responses.contains_key(&code.to_string()), "{} does not tell {code}", wanted.id);
        }
        assert!(responses.contains_key("default"), "{}", wanted.id);
        let parameters = wanted.path.matches('{').count();
        let told =
            described["parameters"].as_array().map_or(0, |p| p.iter().filter(|p| p["in"] == "path").count());
        assert_eq!(told, parameters, "{}", wanted.id);
    }
    let text = document.to_string();
    let references: BTreeMap<&str, ()> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| Some((rest.split('"').next()?, ())))
        .collect();
    assert!(references.len() > 50);
    for name in references.keys() {
        assert!(schemas.contains_key(*name), "{name} is referred to and not described");
    }
}

#[tokio::test]
async fn the_document_needs_no_tenant_but_good_credentials() {
    let api = Api::with(|config| config.base_path = "/metal/".to_owned()).await;
    let document = api.call(Role::Nobody, "GET", "/metal/apidocs.json", Value::Null).await.expect(200);
    assert_eq!(document["servers"][0]["url"], "/metal");
    assert_eq!(metal_api::openapi("/metal/"), document);
}
