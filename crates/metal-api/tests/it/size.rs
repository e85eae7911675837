//! Sizes, reservations and constraints on images through their life.

use serde_json::json;

use crate::api::{Api, Role};

#[tokio::test]
async fn sizes_from_creation_to_deletion() {
    let api = Api::new().await;
    let size = json!({"id": "c1", "name": "one", "constraints": [{"type": "cores", "min": 1, "max": 4}]});
    let created = api.put("/v1/size", size.clone()).await.expect(201);
    assert_eq!(created["labels"], json!({}));
    api.put("/v1/size", size).await.refused(409);
    api.put("/v1/size", json!({"id": "unknown", "constraints": []})).await.refused(400);
    let overlapping = json!({"id": "c2", "constraints": [{"type": "cores", "min": 4, "max": 8}]});
    api.put("/v1/size", overlapping).await.refused(400);
    let wrong = json!({"id": "c3", "constraints": [{"type": "cores", "min": 9, "max": 8}]});
    api.put("/v1/size", wrong).await.refused(422);
    let changed = api
        .post("/v1/size", json!({"id": "c1", "constraints": null, "labels": {"a": "b"}}))
        .await
        .expect(200);
    assert_eq!(changed["constraints"][0]["max"], 4);
    assert_eq!(api.get("/v1/size").await.expect(200), json!([changed]));
    api.delete("/v1/size/c1").await.expect(200);
    api.get("/v1/size/c1").await.refused(404);
}

#[tokio::test]
async fn reservations_from_creation_to_deletion() {
    let api = Api::new().await;
    api.furnish().await;
    let wish = json!({"id": "", "sizeid": "c1", "projectid": "p1", "partitionids": ["fra"], "amount": 2, "labels": null});
    let created = api.call(Role::Edit, "PUT", "/v1/size/reservations", wish).await.expect(201);
    let id = created["id"].as_str().unwrap();
    assert!(!id.is_empty(), "an id is made");
    let mut again = created.clone();
    again["amount"] = json!(3);
    api.put("/v1/size/reservations", again.clone()).await.refused(409);
    let changed = api.post("/v1/size/reservations", again).await.expect(200);
    assert_eq!(changed["amount"], 3);
    let found = api.post("/v1/size/reservations/find", json!({"partitionid": "fra"})).await.expect(200);
    assert_eq!(found, json!([changed]));
    let usage = api.post("/v1/size/reservations/usage", json!({})).await.expect(200);
    assert_eq!((&usage[0]["amount"], &usage[0]["usedamount"]), (&3.into(), &0.into()));
    api.delete("/v1/size/c1").await.refused(422);
    api.delete("/v1/project/p1").await.refused(400);
    api.delete(&format!("/v1/size/reservations/{id}")).await.expect(200);
    assert_eq!(api.get("/v1/size/reservations").await.expect(200), json!([]));
    api.put(
        "/v1/size/reservations",
        json!({"sizeid": "nonesuch", "projectid": "p1", "partitionids": ["fra"], "amount": 1}),
    )
    .await
    .message();
}

#[tokio::test]
async fn constraints_from_creation_to_deletion() {
    let api = Api::new().await;
    api.furnish().await;
    let constraint = json!({"id": "c1", "constraints": {"images": {"ubuntu": ">= 24.4"}}});
    let created = api.put("/v1/size-image-constraint", constraint.clone()).await.expect(201);
    assert_eq!(created["constraints"]["images"]["ubuntu"], ">= 24.4");
    api.put("/v1/size-image-constraint", constraint).await.refused(409);
    let try_ = |image: &str| json!({"size": "c1", "image": image});
    assert_eq!(api.post("/v1/size-image-constraint/try", try_("ubuntu-24.4.1")).await.expect(200), json!({}));
    api.put("/v1/image", json!({"id": "ubuntu-22.4.1", "url": "http://i"})).await.expect(201);
    api.post("/v1/size-image-constraint/try", try_("ubuntu-22.4.1")).await.refused(422);
    let changed = json!({"id": "c1", "constraints": {"images": {"ubuntu": ">= 22.4"}}});
    api.post("/v1/size-image-constraint", changed).await.expect(200);
    api.post("/v1/size-image-constraint/try", try_("ubuntu-22.4.1")).await.expect(200);
    assert_eq!(api.get("/v1/size-image-constraint").await.expect(200).as_array().unwrap().len(), 1);
    api.delete("/v1/size-image-constraint/c1").await.expect(200);
    api.get("/v1/size-image-constraint/c1").await.refused(404);
}

#[tokio::test]
async fn a_machine_suggests_its_size() {
    let api = Api::new().await;
    api.furnish().await;
    api.machine("m1", 1).await;
    let suggested = api.post("/v1/size/suggest", json!({"machineID": "m1"})).await.expect(200);
    assert!(
        suggested.as_array().unwrap().iter().any(|c| c["type"] == "cores" && c["min"] == 8),
        "{suggested}"
    );
    api.post("/v1/size/suggest", json!({"machineID": "nonesuch"})).await.refused(404);
}
