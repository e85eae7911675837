//! Machines and firewalls through their life.

use serde_json::{Value, json};

use crate::api::{Api, Role};

async fn api() -> (Api, String) {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let network = api.private_network().await;
    (api, network)
}

fn wish(network: &str) -> Value {
    json!({
        "name": "web", "hostname": "web", "description": "d", "projectid": "p1", "partitionid": "fra",
        "sizeid": "c1", "imageid": "ubuntu-24.4", "networks": [{"networkid": network}], "uuid": null,
        "ssh_pub_keys": null, "tags": ["mine"], "ips": [],
    })
}

#[tokio::test]
async fn from_waiting_to_free() {
    let (api, network) = api().await;
    api.machine("m1", 1).await;
    let machine = api.get("/v1/machine/m1").await.expect(200);
    assert_eq!(machine["allocation"], Value::Null);
    assert_eq!((&machine["liveliness"], &machine["rackid"]), (&"Alive".into(), &"r1".into()));
    assert_eq!(machine["events"]["log"][0]["event"], "Waiting");
    let allocated = api.call(Role::Edit, "POST", "/v1/machine/allocate", wish(&network)).await.expect(200);
    let allocation = &allocated["allocation"];
    assert_eq!((&allocation["name"], &allocation["role"]), (&"web".into(), &"machine".into()));
    assert_eq!(allocation["image"]["id"], "ubuntu-24.4.1", "resolved");
    assert_eq!(allocation["creator"], "metal-edit@metal-stack.io");
    assert_eq!(allocation["networks"][0]["ips"].as_array().unwrap().len(), 1);
    assert_eq!(allocation["filesystemlayout"]["id"], "plain");
    let full = api.call(Role::Edit, "POST", "/v1/machine/allocate", wish(&network)).await;
    assert!([404, 422].contains(&full.status), "nothing left: {full:?}");
    let found =
        api.post("/v1/machine/find", json!({"allocation_project": "p1", "tags": ["mine"]})).await.expect(200);
    assert_eq!(found, json!([api.get("/v1/machine/m1").await.expect(200)]));
    api.call(Role::Admin, "DELETE", "/v1/machine/m1", Value::Null).await.refused(422);
    let changed =
        api.post("/v1/machine", json!({"id": "m1", "description": "other", "tags": null})).await.expect(200);
    assert_eq!(changed["allocation"]["description"], "other");
    let reinstall = json!({"id": "", "imageid": "ubuntu-24.4.1"});
    let reinstalled = api.call(Role::Edit, "POST", "/v1/machine/m1/reinstall", reinstall).await.expect(200);
    assert_eq!(reinstalled["allocation"]["reinstall"], true);
    let freed = api.call(Role::Edit, "DELETE", "/v1/machine/m1/free", Value::Null).await.expect(200);
    assert_eq!(freed["allocation"], Value::Null);
    assert_eq!(api.post("/v1/ip/find", json!({"machineid": "m1"})).await.expect(200), json!([]));
    api.call(Role::Edit, "DELETE", &format!("/v1/network/free/{network}"), Value::Null).await.expect(200);
    api.post("/v1/machine/m1/reinstall", json!({"imageid": "ubuntu-24.4.1"})).await.refused(400);
    api.post("/v1/machine", json!({"id": "m1"})).await.refused(400);
}

#[tokio::test]
async fn a_firewall_is_a_machine_in_more_networks() {
    let (api, network) = api().await;
    api.machine("m1", 1).await;
    let mut wish = wish(&network);
    wish["imageid"] = json!("firewall-3.0");
    wish["networks"] = json!([{"networkid": network}, {"networkid": "internet"}]);
    wish["firewall_rules"] = json!({"egress": [{"ports": [443], "to": ["0.0.0.0/0"]}]});
    let told =
        api.call(Role::Edit, "POST", "/v1/firewall/allocate?dry-run=true", wish.clone()).await.expect(200);
    assert_eq!((&told["possible"], &told["machine"]["id"]), (&true.into(), &"m1".into()), "{told}");
    let firewall = api.call(Role::Edit, "POST", "/v1/firewall/allocate", wish).await.expect(200);
    assert_eq!(firewall["allocation"]["role"], "firewall");
    assert_eq!(firewall["allocation"]["firewall_rules"]["egress"][0]["protocol"], "tcp");
    let networks = firewall["allocation"]["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 3, "the underlay comes by itself: {networks:?}");
    assert_eq!(api.get("/v1/firewall").await.expect(200).as_array().unwrap().len(), 1);
    assert_eq!(api.get("/v1/firewall/m1").await.expect(200)["id"], "m1");
    api.machine("m2", 2).await;
    api.get("/v1/firewall/m2").await.refused(404);
    let found = api.post("/v1/firewall/find", json!({"allocation_project": "p1"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_dry_run_tells_why_not() {
    let (api, network) = api().await;
    api.machine("m1", 1).await;
    let before = api.revision();
    let told = api.post("/v1/machine/allocate?dry-run=true", wish(&network)).await.expect(200);
    assert_eq!(told["possible"], true);
    assert_eq!(told["machine"]["id"], "m1");
    assert_eq!(api.revision(), before);
    api.post("/v1/machine/m1/state", json!({"value": "RESERVED", "description": "mine"})).await.expect(200);
    let told = api.post("/v1/machine/allocate?dry-run=true", wish(&network)).await.expect(200);
    assert_eq!(told["possible"], false);
    assert!(!told["rejected"].as_array().unwrap().is_empty(), "{told}");
    assert!(told["reason"].is_string());
}

#[tokio::test]
async fn operators_reserve_and_lock() {
    let (api, network) = api().await;
    api.machine("m1", 1).await;
    api.post("/v1/machine/m1/state", json!({"value": "ODD", "description": "x"})).await.refused(400);
    api.post("/v1/machine/m1/state", json!({"value": "LOCKED"})).await.refused(400);
    let state = json!({"value": "TAINTED", "description": "for me"});
    let reserved = api.call(Role::Edit, "POST", "/v1/machine/m1/state", state).await.expect(200);
    assert_eq!(reserved["state"]["value"], "RESERVED");
    assert_eq!(reserved["state"]["issuer"], "metal-edit@metal-stack.io");
    let found = api.post("/v1/machine/find", json!({"state_value": "RESERVED"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1);
    let mut mine = wish(&network);
    mine["uuid"] = json!("m1");
    api.post("/v1/machine/allocate", mine).await.expect(200);
    api.post("/v1/machine/m1/state", json!({"value": "LOCKED", "description": "no"})).await.expect(200);
    api.delete("/v1/machine/m1/free").await.refused(422);
    api.post("/v1/machine/m1/reinstall", json!({"imageid": "ubuntu-24.4.1"})).await.refused(400);
    api.post("/v1/machine/m1/state", json!({"value": ""})).await.expect(200);
    api.delete("/v1/machine/m1/free").await.expect(200);
}

#[tokio::test]
async fn power_and_lights() {
    let (api, _) = api().await;
    api.machine("m1", 1).await;
    for command in ["on", "off", "reset", "cycle", "bios", "disk", "pxe"] {
        let answer =
            api.call(Role::Edit, "POST", &format!("/v1/machine/m1/power/{command}"), json!([])).await;
        assert_eq!(answer.expect(200)["id"], "m1", "{command}");
    }
    let lit = api
        .post("/v1/machine/m1/power/chassis-identify-led-on?description=look+here", json!([]))
        .await
        .expect(200);
    assert_eq!(lit["ledstate"], json!({"value": "LED-ON", "description": "look here"}));
    let events = api.get("/v1/machine/m1").await.expect(200)["events"]["log"].clone();
    assert_eq!(events[0]["event"], "Planned Reboot");
    assert!(!api.app.store.snapshot().state.bmc_commands.is_empty());
}

#[tokio::test]
async fn bmcs_report() {
    let (api, _) = api().await;
    api.machine("m1", 1).await;
    let report = json!({"partitionid": "fra", "reports": {
        "m1": {"BMCIp": "10.1.1.1", "BMCVersion": "1", "BIOSVersion": "2", "PowerState": "ON", "FRU": null, "PowerMetric": null},
        "m9": {"BMCIp": "10.1.1.9"},
    }});
    let answer = api.call(Role::Edit, "POST", "/v1/machine/ipmi", report).await.expect(200);
    assert_eq!(answer, json!({"updated": ["m1"], "created": ["m9"]}));
    let machine = api.get("/v1/machine/m1/ipmi").await.expect(200);
    assert_eq!(
        (&machine["ipmi"]["address"], &machine["ipmi"]["powerstate"]),
        (&"10.1.1.1:623".into(), &"ON".into())
    );
    api.get("/v1/machine/m9").await.refused(404);
    let listed = api.get("/v1/machine").await.expect(200);
    assert_eq!(listed[1]["id"], "m9");
    assert_eq!(listed[1]["liveliness"], "");
    let found = api.post("/v1/machine/ipmi/find", json!({"ipmi_address": "10.1.1.9:623"})).await.expect(200);
    assert_eq!(found[0]["id"], "m9");
    api.post("/v1/machine/ipmi", json!({})).await.refused(400);
    api.post("/v1/machine/ipmi", json!({"partitionid": "nonesuch"})).await.refused(404);
}

#[tokio::test]
async fn issues_are_told() {
    let (api, _) = api().await;
    api.machine("m1", 1).await;
    let catalogue = api.get("/v1/machine/issues").await.expect(200);
    assert_eq!(catalogue.as_array().unwrap().len(), 14);
    let found = api
        .post("/v1/machine/issues/evaluate", json!({"only": null, "omit": null, "severity": ""}))
        .await
        .expect(200);
    assert_eq!(found[0]["machineid"], "m1");
    api.post("/v1/machine/issues/evaluate", json!({"severity": "odd"})).await.refused(400);
    api.post("/v1/machine/issues/evaluate", json!({"only": ["odd"]})).await.refused(400);
}

#[tokio::test]
async fn a_reason_may_have_to_be_long_enough() {
    let api = Api::with(|config| config.password_reason_min_length = 10).await;
    let ask = |reason: &str| json!({"id": "m1", "reason": reason});
    let short = api.call(Role::Edit, "GET", "/v1/machine/consolepassword", ask("short")).await;
    assert!(short.refused(400).contains("10"));
    api.call(Role::Edit, "GET", "/v1/machine/consolepassword", ask("long enough")).await.refused(404);
    api.furnish().await;
    api.machine("m1", 1).await;
    api.call(Role::Edit, "GET", "/v1/machine/consolepassword", ask("long enough")).await.refused(422);
}

#[tokio::test]
async fn concurrent_allocations_never_share_a_machine() {
    let (api, network) = api().await;
    for port in 0..6 {
        api.machine(&format!("m{port}"), port).await;
    }
    let wishes = (0..12).map(|_| api.post("/v1/machine/allocate", wish(&network)));
    let answers = futures::future::join_all(wishes).await;
    let mut given: Vec<String> = answers
        .iter()
        .filter(|a| a.status == 200)
        .map(|a| a.json()["id"].as_str().unwrap().to_owned())
        .collect();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 6);
    let refused: Vec<u16> = answers.iter().map(|a| a.status).filter(|s| *s != 200).collect();
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(|s| *s < 500), "{refused:?}");
}
