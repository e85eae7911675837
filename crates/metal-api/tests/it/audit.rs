//! What is done leaves traces, before and after; what is only looked at does not.

use metal_api::config;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, Role};

async fn api() -> (Api, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let audit = config::Audit { dir: dir.path().to_owned(), max_bytes: 1 << 20 };
    (Api::with(|config| config.audit = Some(audit)).await, dir)
}

async fn find(api: &Api, query: Value) -> Vec<Value> {
    api.post("/v1/audit/find", query).await.expect(200).as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_leaves_two_traces() {
    let (api, _dir) = api().await;
    api.call(Role::Edit, "POST", "/v1/ip/allocate", json!({"networkid": "n", "projectid": "p"}))
        .await
        .refused(404);
    let traces = find(&api, json!({"limit": null, "user": "metal-edit@metal-stack.io"})).await;
    let [request, response] = &traces[..] else { panic!("{traces:?}") };
    assert_eq!(request["phase"], "request");
    assert_eq!(request["type"], "http");
    assert_eq!(request["detail"], "POST");
    assert_eq!(request["path"], "/v1/ip/allocate");
    assert_eq!(request["project"], "p");
    assert_eq!(request["tenant"], "metal-stack");
    assert_eq!(request["remote_addr"], "127.0.0.1:4711");
    assert_eq!(request["status_code"], Value::Null);
    assert_eq!(request["body"], r#"{"networkid":"n","projectid":"p"}"#);
    assert_eq!(response["phase"], "response");
    assert_eq!(response["status_code"], 404);
    assert!(response["error"].as_str().unwrap().contains("NotFound"));
    assert_eq!(request["rqid"], response["rqid"]);
}

#[tokio::test]
async fn refused_requests_leave_traces_too() {
    let (api, _dir) = api().await;
    api.call(Role::View, "DELETE", "/v1/partition/fra", Value::Null).await.refused(403);
    let traces = find(&api, json!({"path": "partition/FRA", "status_code": 403})).await;
    assert_eq!(traces.len(), 1, "{traces:?}");
}

#[tokio::test]
async fn reading_leaves_none() {
    let (api, _dir) = api().await;
    api.get("/v1/machine").await.expect(200);
    api.post("/v1/machine/find", json!({})).await.expect(200);
    api.post("/v1/partition/capacity", json!({})).await.expect(200);
    api.post("/v1/switch/s/notify", json!({})).await.refused(404);
    assert_eq!(find(&api, json!({})).await, Vec::<Value>::new());
}

#[tokio::test]
async fn console_passwords_leave_a_trace_without_the_password() {
    let (api, _dir) = api().await;
    api.furnish().await;
    api.networks().await;
    let network = api.private_network().await;
    api.machine("m1", 1).await;
    let wish = json!({
        "uuid": "m1", "name": "a", "hostname": "a", "projectid": "p1", "partitionid": "fra", "sizeid": "c1",
        "imageid": "ubuntu-24.4", "networks": [{"networkid": network}],
    });
    api.call(Role::Edit, "POST", "/v1/machine/allocate", wish).await.expect(200);
    let caller = api.app.system_caller();
    let set = |tx: &mut metal_plan::Tx, _: &mut metal_plan::Env| {
        tx.modify::<metal_model::machine::Machine>("m1", |machine| {
            let mut allocation = machine.allocation.as_deref().unwrap().clone();
            allocation.console_password = "hunter2".to_owned();
            machine.allocation = Some(allocation.into());
        })
    };
    api.app.transact("test password", &caller, set).await.unwrap();
    let wish = json!({"id": "m1", "reason": "because"});
    let told = api.call(Role::Edit, "GET", "/v1/machine/consolepassword", wish).await.expect(200);
    assert_eq!(told["console_password"], "hunter2");
    let traces = find(&api, json!({"path": "consolepassword"})).await;
    assert_eq!(traces.len(), 2);
    assert!(traces[0]["body"].as_str().unwrap().contains("because"));
    assert!(!Value::from(traces).to_string().contains("hunter2"));
}

#[tokio::test]
async fn without_a_trace_nothing_happens() {
    let (api, _dir) = api().await;
    let before = api.revision();
    api.app.audit.as_ref().unwrap().close().await;
    let size = json!({"id": "s", "constraints": []});
    assert!(api.put("/v1/size", size).await.refused(500).contains("audit"));
    assert_eq!(api.revision(), before);
    api.get("/v1/size").await.expect(200);
}
