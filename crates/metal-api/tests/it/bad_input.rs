//! Whatever is sent, the answer is one of the published statuses, never a failure of the server, and what is refused
//! has changed nothing. Bodies are made from the schemas of the models, right and wrong in every way.

use metal_model::v1::operation::{ADDITIONS, ALL, MULTIPART};
use metal_model::v1::{Body, NamedSchema, Operation, schemas};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::api::{Api, Role};
use crate::roles::path_of;

/// Requests for each operation.
const CASES: u32 = 48;

/// Values that hurt, and some that exist.
fn nasty_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("fra".to_owned()),
        Just("p1".to_owned()),
        Just("c1".to_owned()),
        Just("m1".to_owned()),
        Just("super".to_owned()),
        Just("internet".to_owned()),
        Just("leaf01".to_owned()),
        Just("ubuntu-24.4".to_owned()),
        Just("ubuntu-24.4.1".to_owned()),
        Just("10.0.0.0/8".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("::/0".to_owned()),
        Just("10.0.0.1/33".to_owned()),
        Just("2001:db8::/129".to_owned()),
        Just("192.0.2.5".to_owned()),
        Just("::ffff:192.0.2.5".to_owned()),
        Just("0001-01-01T00:00:00Z".to_owned()),
        Just("9999-12-31T23:59:59.999Z".to_owned()),
        Just("99999999999999999999.1.1".to_owned()),
        Just("*".to_owned()),
        Just("a/b%2F../\u{0}\u{202e}".to_owned()),
        "\\PC{0,40}",
        "[a-z0-9.:/*\\-]{0,40}",
    ]
}

fn nasty_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(24)),
        Just(json!(255)),
        Just(json!(-1)),
        Just(json!(i64::MIN)),
        Just(json!(i64::MAX)),
        Just(json!(u64::MAX)),
        Just(json!(1.5)),
        Just(json!(1e300)),
        any::<i32>().prop_map(|n| json!(n)),
    ]
}

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        nasty_number(),
        nasty_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((nasty_text(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Bodies of a schema: mostly right, some members missing, null or of another type.
fn of_schema(schema: &Value, all: &[NamedSchema], depth: u32) -> BoxedStrategy<Value> {
    if depth == 0 {
        return Just(Value::Null).boxed();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/components/schemas/")) {
        let named = all.iter().find(|s| s.name == name);
        let schema = named.map(|s| serde_json::to_value(&s.schema).unwrap()).unwrap_or_default();
        return of_schema(&schema, all, depth - 1);
    }
    for composition in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[composition].as_array() {
            let parts: Vec<_> = parts.iter().map(|part| of_schema(part, all, depth)).collect();
            return proptest::strategy::Union::new(parts).boxed();
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts: Vec<_> = parts.iter().map(|part| of_schema(part, all, depth)).collect();
        return parts.prop_map(merge).boxed();
    }
    if let Some(values) = schema["enum"].as_array() {
        return proptest::sample::select(values.clone()).boxed();
    }
    let kind = &schema["type"];
    let is =
        |name: &str| kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == name));
    if is("array") {
        return vec(of_schema(&schema["items"], all, depth - 1), 0..4).prop_map(Value::from).boxed();
    }
    if is("string") {
        return nasty_text().prop_map(Value::from).boxed();
    }
    if is("integer") || is("number") {
        return nasty_number().boxed();
    }
    if is("boolean") {
        return any::<bool>().prop_map(Value::from).boxed();
    }
    object(schema, all, depth)
}

fn merge(parts: Vec<Value>) -> Value {
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(objects.flatten().collect())
}

fn object(schema: &Value, all: &[NamedSchema], depth: u32) -> BoxedStrategy<Value> {
    let Some(properties) = schema["properties"].as_object() else {
        let values = of_map(&schema["additionalProperties"], all, depth);
        return vec((nasty_text(), values), 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
            .boxed();
    };
    let members: Vec<_> = properties
        .iter()
        .map(|(name, schema)| {
            let right = of_schema(schema, all, depth - 1);
            let value = prop_oneof![
                20 => right.prop_map(Some),
                3 => Just(None),
                1 => Just(Some(Value::Null)),
                1 => anything().prop_map(Some),
            ];
            (Just(name.clone()), value)
        })
        .collect();
    members
        .prop_map(|members| {
            Value::Object(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
        })
        .boxed()
}

fn of_map(schema: &Value, all: &[NamedSchema], depth: u32) -> BoxedStrategy<Value> {
    if schema.is_object() { of_schema(schema, all, depth - 1) } else { anything() }
}

/// What may fail on the server's side, as published.
fn may_fail(operation: &Operation, message: &str) -> bool {
    operation.tag == "firmware"
        || operation.tag == "vpn"
        || operation.tag == "audit"
        || operation.id == "updateFirmware"
        || message.contains("no ips left")
        || operation.tag == "network" && message.starts_with("Internal ")
}

async fn check(api: &Api, operation: &Operation, path: &str, body: Vec<u8>) -> Result<(), TestCaseError> {
    let before = api.revision();
    let shown = String::from_utf8_lossy(&body).into_owned();
    let answer = api.raw(Role::Admin, operation.method.as_str(), path, body).await;
    let context = format!(
        "{} {path}: {} {}\n{shown}",
        operation.id,
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    // A dry run answers 200 whatever the operation itself would.
    if operation.ok.contains(&answer.status) || answer.status == 200 && path.contains("dry%2Drun=") {
        return Ok(());
    }
    let message = answer.message();
    prop_assert!(answer.status >= 400, "{context}");
    prop_assert!(answer.status < 500 || may_fail(operation, &message), "{context}");
    prop_assert!(!message.is_empty(), "{context}");
    prop_assert_eq!(api.revision(), before, "refused, and yet something was written: {}", context);
    Ok(())
}

fn run(operation: &'static Operation, bodies: BoxedStrategy<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(async {
        let api = Api::new().await;
        api.furnish().await;
        api.networks().await;
        api.machine("m1", 1).await;
        api
    });
    let parameters = operation.path_parameters().count();
    let segments = vec(nasty_text(), parameters..=parameters);
    let value = prop_oneof![nasty_text(), Just("true".to_owned())];
    let query = vec((query_name(operation), value), 0..3);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(bodies, segments, query), |(body, segments, query)| {
        let mut segments = segments.into_iter();
        let parts = operation.path.split('/').map(|part| match part.starts_with('{') {
            true => escape(&segments.next().unwrap_or_default()),
            false => part.to_owned(),
        });
        let query = query.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        let path = format!("{}?{}", parts.collect::<Vec<_>>().join("/"), query.collect::<Vec<_>>().join("&"));
        runtime.block_on(check(&api, operation, &path, body))
    });
    if let Err(error) = outcome {
        panic!("{}: {error}", operation.id);
    }
    assert!(
        !runtime.block_on(async { api.app.registry.encode() }).contains("metal_api_handler_panics_total 1")
    );
}

/// The names an operation knows, and others.
fn query_name(operation: &Operation) -> BoxedStrategy<String> {
    let mut names: Vec<String> = operation.query.iter().map(|parameter| parameter.name.to_owned()).collect();
    names.extend(["dry-run".to_owned(), "other".to_owned()]);
    proptest::sample::select(names).boxed()
}

/// Escapes a segment of a path; an empty one would be another path.
fn escape(text: &str) -> String {
    if text.is_empty() {
        return "x".to_owned();
    }
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// One test for each group of operations, so that they run side by side and a failure names its group.
macro_rules! groups {
    ($($name:ident $tag:literal;)*) => {
        $(#[test]
        fn $name() {
            group($tag);
        })*

        #[test]
        fn every_group_is_tried() {
            let tried = [$($tag),*];
            for operation in ALL.iter().chain(ADDITIONS) {
                assert!(tried.contains(&operation.tag), "{}", operation.tag);
            }
        }
    };
}

groups! {
    machines "machine";
    firewalls "firewall";
    networks "network";
    ips "ip";
    images "image";
    sizes "size";
    constraints "size-image-constraint";
    partitions "partition";
    layouts "filesystemlayout";
    switches "switch";
    projects "project";
    tenants "tenant";
    firmware "firmware";
    audits "audit";
    vpns "vpn";
    certificates "pki";
    users "user";
    health "health";
    version "version";
    tasks "task";
}

fn group(tag: &str) {
    let all = schemas();
    for operation in ALL.iter().chain(ADDITIONS).copied().filter(|o| o.tag == tag) {
        // Streams never end, so there is no whole answer to look at.
        if matches!(operation.response, Body::Stream(_)) || operation.request == Some(MULTIPART) {
            continue;
        }
        let bodies = match operation.request {
            None => Just(Vec::new()).boxed(),
            Some(name) => bodies_of(name, &all),
        };
        run(operation, bodies);
    }
}

fn bodies_of(name: &str, all: &[NamedSchema]) -> BoxedStrategy<Vec<u8>> {
    let named = all.iter().find(|s| s.name == name).unwrap();
    let schema = serde_json::to_value(&named.schema).unwrap();
    prop_oneof![
        12 => of_schema(&schema, all, 6).prop_map(|body| serde_json::to_vec(&body).unwrap()),
        2 => anything().prop_map(|body| serde_json::to_vec(&body).unwrap()),
        1 => vec(any::<u8>(), 0..64),
    ]
    .boxed()
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    let api = Api::new().await;
    let deep = "[".repeat(100_000);
    for operation in
        ALL.iter().filter(|o| o.request.is_some_and(|name| name != MULTIPART && name != "v1.EmptyBody"))
    {
        let answer = api.raw(Role::Admin, operation.method.as_str(), &path_of(operation), deep.clone()).await;
        answer.refused(400);
    }
}
