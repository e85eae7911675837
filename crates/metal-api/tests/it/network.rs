//! Networks through their life.

use serde_json::{Value, json};

use crate::api::{Api, Role};

#[tokio::test]
async fn from_creation_to_deletion() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let internet = api.get("/v1/network/internet").await.expect(200);
    assert_eq!((&internet["vrf"], &internet["labels"]), (&104_009.into(), &json!({})));
    assert!(internet["consumption"]["ipv4"]["available_ips"].as_u64().unwrap() > 0);
    api.put("/v1/network", json!({"id": "internet", "prefixes": ["192.0.2.0/24"]})).await.refused(409);
    let overlapping =
        json!({"id": "other", "prefixes": ["192.0.2.0/25"], "destinationprefixes": ["0.0.0.0/0"]});
    api.put("/v1/network", overlapping).await.refused(422);
    let id = api.private_network().await;
    let child = api.get(&format!("/v1/network/{id}")).await.expect(200);
    assert_eq!((&child["parentnetworkid"], &child["projectid"]), (&"super".into(), &"p1".into()));
    assert_eq!(child["prefixes"], json!(["10.0.0.0/24"]));
    let found = api.post("/v1/network/find", json!({"projectid": "p1", "prefixes": null})).await.expect(200);
    assert_eq!(found, json!([child]));
    api.post("/v1/network/find", json!({"prefixes": ["10.0.0.0"]})).await.refused(400);
    api.delete("/v1/network/super").await.refused(422);
    let changed = json!({"id": id, "name": "n", "labels": {"a": "b"}});
    assert_eq!(api.post("/v1/network?force=true", changed).await.expect(200)["labels"], json!({"a": "b"}));
    api.call(Role::Edit, "DELETE", &format!("/v1/network/free/{id}"), Value::Null).await.expect(200);
    api.get(&format!("/v1/network/{id}")).await.refused(404);
    api.delete("/v1/network/super").await.expect(200);
}

#[tokio::test]
async fn a_dry_run_tells_and_takes_nothing() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let before = api.revision();
    let wish = json!({"projectid": "p1", "partitionid": "fra"});
    let told =
        api.call(Role::Edit, "POST", "/v1/network/allocate?dry-run=true", wish.clone()).await.expect(200);
    assert_eq!(told["prefixes"], json!(["10.0.0.0/24"]));
    let ip = json!({"projectid": "p1", "networkid": "internet"});
    let told = api.call(Role::Edit, "POST", "/v1/ip/allocate?dry-run=true", ip.clone()).await.expect(200);
    let would = told["ipaddress"].clone();
    api.post("/v1/network/allocate?dry-run=true", json!({})).await.refused(400);
    assert_eq!(api.revision(), before);
    assert_eq!(api.post("/v1/ip/allocate", ip).await.expect(201)["ipaddress"], would);
    assert_eq!(api.post("/v1/network/allocate", wish).await.expect(201)["prefixes"], json!(["10.0.0.0/24"]));
}

#[tokio::test]
async fn the_deprecated_way_of_freeing_still_works() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let id = api.private_network().await;
    let answer = api.call(Role::Edit, "POST", &format!("/v1/network/free/{id}"), Value::Null).await;
    assert_eq!(answer.expect(200)["id"], id);
}
