//! Addresses through their life.

use serde_json::{Value, json};

use crate::api::{Api, Role};

#[tokio::test]
async fn from_allocation_to_release() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let wish = json!({"networkid": "internet", "projectid": "p1", "name": "mine", "type": "static", "tags": ["b", "a", "a"]});
    let ip = api.call(Role::Edit, "POST", "/v1/ip/allocate", wish).await.expect(201);
    let address = ip["ipaddress"].as_str().unwrap().to_owned();
    assert_eq!((&ip["type"], &ip["tags"]), (&"static".into(), &json!(["a", "b"])));
    assert_eq!(api.get(&format!("/v1/ip/{address}")).await.expect(200), ip);
    let taken = json!({"networkid": "internet", "projectid": "p1"});
    api.post(&format!("/v1/ip/allocate/{address}"), taken.clone()).await.refused(409);
    api.post("/v1/ip/allocate/198.51.100.1", taken.clone()).await.refused(422);
    let specific = api.post("/v1/ip/allocate/192.0.2.77", taken).await.expect(201);
    assert_eq!((&specific["ipaddress"], &specific["type"]), (&"192.0.2.77".into(), &"ephemeral".into()));
    let changed = json!({"ipaddress": address, "type": "ephemeral"});
    api.post("/v1/ip", changed).await.refused(400);
    let changed = json!({"ipaddress": address, "type": "static", "tags": [], "description": "d"});
    let changed = api.call(Role::Edit, "POST", "/v1/ip", changed).await.expect(200);
    assert_eq!((&changed["tags"], &changed["description"]), (&json!([]), &"d".into()));
    let found =
        api.post("/v1/ip/find", json!({"networkid": "internet", "projectid": "p1"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 2);
    api.delete("/v1/network/internet").await.refused(422);
    api.delete("/v1/project/p1").await.refused(400);
    api.call(Role::Edit, "DELETE", &format!("/v1/ip/free/{address}"), Value::Null).await.expect(200);
    assert_eq!(api.get("/v1/ip").await.expect(200).as_array().unwrap().len(), 1);
    api.delete(&format!("/v1/ip/free/{address}")).await.refused(404);
}

#[tokio::test]
async fn an_exhausted_network_says_so() {
    let api = Api::new().await;
    api.furnish().await;
    let network = json!({"id": "tiny", "prefixes": ["203.0.113.0/30"], "destinationprefixes": ["0.0.0.0/0"]});
    api.put("/v1/network", network).await.expect(201);
    let wish = json!({"networkid": "tiny", "projectid": "p1"});
    let mut taken = 0;
    let last = loop {
        let answer = api.post("/v1/ip/allocate", wish.clone()).await;
        if answer.status != 201 {
            break answer;
        }
        taken += 1;
        assert!(taken <= 4);
    };
    assert!(last.refused(500).contains("no ips left"));
}

#[tokio::test]
async fn concurrent_allocations_never_share_an_address() {
    let api = Api::new().await;
    api.furnish().await;
    api.networks().await;
    let wish = json!({"networkid": "internet", "projectid": "p1"});
    let answers =
        futures::future::join_all((0..100).map(|_| api.post("/v1/ip/allocate", wish.clone()))).await;
    let mut addresses: Vec<String> =
        answers.iter().map(|a| a.expect(201)["ipaddress"].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 100);
}
