//! Images through their life.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn from_creation_to_deletion() {
    let api = Api::new().await;
    let image = json!({"id": "ubuntu-24.04.20250101", "url": "http://i", "features": ["machine"]});
    let created = api.put("/v1/image", image.clone()).await.expect(201);
    assert_eq!(created["classification"], "preview");
    api.put("/v1/image", image).await.refused(409);
    let newer = json!({"id": "ubuntu-24.04.20250102", "url": "http://i"});
    api.put("/v1/image", newer).await.expect(201);
    let latest = api.get("/v1/image/ubuntu-24.04/latest").await.expect(200);
    assert_eq!(latest["id"], "ubuntu-24.04.20250102");
    assert_eq!(api.get("/v1/image/ubuntu-24.04/query").await.expect(200).as_array().unwrap().len(), 2);
    api.get("/v1/image/ubuntu-24.04").await.refused(404);
    api.get("/v1/image/ubuntu-26.04/latest").await.refused(404);
    let found =
        api.post("/v1/image/find", json!({"os": "ubuntu", "classification": "preview"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 2);
    let changed = json!({"id": "ubuntu-24.04.20250101", "classification": "supported", "usedby": ["x"]});
    let changed = api.post("/v1/image", changed).await.expect(200);
    assert_eq!(
        (&changed["classification"], &changed["features"]),
        (&"supported".into(), &json!(["machine"]))
    );
    api.delete("/v1/image/ubuntu-24.04.20250101").await.expect(200);
    assert_eq!(api.get("/v1/image?show-usage=true").await.expect(200)[0]["usedby"], json!([]));
}

#[tokio::test]
async fn wrong_ones_are_refused() {
    let api = Api::new().await;
    let before = api.revision();
    for wrong in [
        json!({"id": "", "url": "http://i"}),
        json!({"id": "ubuntu", "url": "http://i"}),
        json!({"id": "ubuntu-x", "url": "http://i"}),
        json!({"id": "ubuntu-1.0.0", "url": ""}),
        json!({"id": "ubuntu-1.0.0", "url": "http://i", "features": ["toaster"]}),
        json!({"id": "ubuntu-1.0.0", "url": "http://i", "classification": "fine"}),
    ] {
        api.put("/v1/image", wrong).await.refused(400);
    }
    assert_eq!(api.revision(), before);
}
