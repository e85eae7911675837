//! Filesystem layouts through their life.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn from_creation_to_deletion() {
    let api = Api::new().await;
    api.furnish().await;
    let layout = api.get("/v1/filesystemlayout/plain").await.expect(200);
    assert_eq!(layout["constraints"]["sizes"], json!(["c1"]));
    api.put("/v1/filesystemlayout", layout.clone()).await.refused(409);
    let mut changed = layout.clone();
    changed["description"] = json!("d");
    assert_eq!(api.post("/v1/filesystemlayout", changed).await.expect(200)["description"], "d");
    let try_ = json!({"size": "c1", "image": "ubuntu-24.4.1"});
    assert_eq!(api.post("/v1/filesystemlayout/try", try_).await.expect(200)["id"], "plain");
    api.machine("m1", 1).await;
    let matches = json!({"machine": "m1", "filesystemlayout": "plain"});
    assert_eq!(api.post("/v1/filesystemlayout/matches", matches).await.expect(200)["id"], "plain");
    api.delete("/v1/filesystemlayout/plain").await.expect(200);
    api.post("/v1/filesystemlayout/try", json!({"size": "c1", "image": "ubuntu-24.4.1"})).await.refused(422);
    assert_eq!(api.get("/v1/filesystemlayout").await.expect(200), json!([]));
}

#[tokio::test]
async fn disks_that_do_not_fit_are_told() {
    let api = Api::new().await;
    api.furnish().await;
    api.machine("m1", 1).await;
    let other = json!({
        "id": "other", "constraints": {"sizes": [], "images": {}},
        "disks": [{"device": "/dev/nvme0n1", "partitions": [{"number": 1, "size": 0}]}],
    });
    api.put("/v1/filesystemlayout", other).await.expect(201);
    let matches = json!({"machine": "m1", "filesystemlayout": "other"});
    api.post("/v1/filesystemlayout/matches", matches).await.refused(422);
}
