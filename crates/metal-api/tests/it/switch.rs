//! Switches through their life.

use serde_json::{Value, json};

use crate::api::{Api, Role};

#[tokio::test]
async fn from_registration_to_deletion() {
    let api = Api::new().await;
    api.furnish().await;
    let leaf = api.get("/v1/switch/leaf01").await.expect(200);
    assert_eq!((&leaf["rack_id"], &leaf["partition"]["id"]), (&"r1".into(), &"fra".into()));
    assert_eq!(leaf["nics"].as_array().unwrap().len(), 8);
    let again = json!({
        "id": "leaf01", "name": "leaf01", "rack_id": "r1", "partition_id": "fra", "nics": leaf["nics"],
        "os": {"vendor": "SONiC"},
    });
    api.call(Role::Edit, "POST", "/v1/switch/register", again).await.expect(200);
    api.machine("m1", 1).await;
    let leaf = api.get("/v1/switch/leaf01").await.expect(200);
    assert_eq!(leaf["connections"][0]["machine_id"], "m1");
    assert_eq!(leaf["connections"][0]["nic"]["name"], "Ethernet1");
    let notify = json!({"sync_duration": 1_000_000, "error": null, "port_states": {"Ethernet1": "UP"}});
    let notified = api.call(Role::Edit, "POST", "/v1/switch/leaf01/notify", notify).await.expect(200);
    assert_eq!(notified["last_sync"]["duration"], 1_000_000);
    api.post("/v1/switch/nonesuch/notify", json!({})).await.refused(404);
    let toggled = json!({"nic": "Ethernet1", "status": "DOWN"});
    api.post("/v1/switch/leaf01/port", toggled).await.expect(200);
    api.post("/v1/switch/leaf01/port", json!({"nic": "Ethernet1", "status": "SIDEWAYS"})).await.refused(400);
    api.post("/v1/switch/leaf01/port", json!({"nic": "nonesuch", "status": "UP"})).await.refused(404);
    let changed = json!({"id": "leaf01", "description": "d", "mode": "replace"});
    assert_eq!(api.post("/v1/switch", changed).await.expect(200)["mode"], "replace");
    let found = api.post("/v1/switch/find", json!({"rackid": "r1", "osvendor": "SONiC"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 2);
    api.post("/v1/switch/migrate", json!({"old_switch_id": "leaf01", "new_switch_id": "leaf02"}))
        .await
        .refused(400);
    api.call(Role::Edit, "DELETE", "/v1/switch/leaf01", Value::Null).await.refused(400);
    api.call(Role::Edit, "DELETE", "/v1/switch/leaf01?force=true", Value::Null).await.expect(200);
    api.get("/v1/switch/leaf01").await.refused(404);
}

#[tokio::test]
async fn wrong_registrations_are_refused() {
    let api = Api::new().await;
    let before = api.revision();
    api.post("/v1/switch/register", json!({})).await.refused(400);
    let unknown = json!({"id": "x", "partition_id": "nonesuch", "rack_id": "r"});
    api.post("/v1/switch/register", unknown).await.refused(404);
    assert_eq!(api.revision(), before);
}
