//! Partitions through their life.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::api::{Api, START};
use crate::issuer::read_head;

fn partition(id: &str) -> Value {
    json!({"id": id, "bootconfig": {"imageurl": "http://i", "kernelurl": "http://k", "commandline": "c"}})
}

#[tokio::test]
async fn from_creation_to_deletion() {
    let api = Api::new().await;
    let created = api.put("/v1/partition", partition("fra")).await.expect(201);
    assert_eq!(created["id"], "fra");
    assert_eq!((&created["name"], &created["description"]), (&"".into(), &"".into()), "always strings");
    assert_eq!(created["labels"], json!({}));
    assert_eq!(created["created"], START);
    assert_eq!(created["bootconfig"]["commandline"], "c");
    let message = api.put("/v1/partition", partition("fra")).await.refused(409);
    assert_eq!(message, "Conflict cannot create partition in database, entity already exists: fra");
    let changed = json!({"id": "fra", "description": "d", "labels": {"a": "b"}, "bootconfig": null, "dns_servers": [{"ip": "1.1.1.1"}]});
    let changed = api.post("/v1/partition", changed).await.expect(200);
    assert_eq!(changed["bootconfig"]["imageurl"], "http://i", "absent is kept");
    assert_eq!(changed["dns_servers"], json!([{"ip": "1.1.1.1"}]));
    assert_eq!(api.get("/v1/partition/fra").await.expect(200), changed);
    assert_eq!(api.get("/v1/partition").await.expect(200), json!([changed]));
    api.post("/v1/partition", json!({"id": "muc"})).await.refused(404);
    api.delete("/v1/partition/fra").await.expect(200);
    assert_eq!(
        api.get("/v1/partition/fra").await.refused(404),
        "NotFound no partition with id \"fra\" found"
    );
    api.delete("/v1/partition/fra").await.refused(404);
}

#[tokio::test]
async fn wrong_ones_are_refused() {
    let api = Api::new().await;
    let before = api.revision();
    api.put("/v1/partition", json!({})).await.refused(400);
    let mut servers = partition("x");
    servers["dns_servers"] = json!([{"ip": "not an address"}]);
    api.put("/v1/partition", servers).await.refused(400);
    assert_eq!(api.revision(), before);
}

/// A server that answers every request with one status.
async fn answering(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            assert!(read_head(&mut stream).await.starts_with("HEAD "));
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn urls_are_asked_for_where_that_is_wanted() {
    let api = Api::with(|config| config.check_urls = true).await;
    let (good, bad) = (answering(200).await, answering(404).await);
    let boot = |image: &str, kernel: &str| json!({"id": "fra", "bootconfig": {"imageurl": image, "kernelurl": kernel}});
    let before = api.revision();
    assert!(api.put("/v1/partition", boot(&good, &bad)).await.refused(400).contains("kernelurl"));
    assert!(api.put("/v1/partition", boot("", &good)).await.refused(400).contains("imageurl"));
    assert!(api.put("/v1/partition", boot(&good, "no url")).await.refused(400).contains("kernelurl"));
    assert_eq!(api.revision(), before);
    api.put("/v1/partition", boot(&good, &good)).await.expect(201);
    api.put("/v1/partition", boot(&bad, &bad)).await.refused(409);
    let image = |url: &str| json!({"id": "os-1.0.0", "url": url});
    assert!(api.put("/v1/image", image(&bad)).await.refused(400).contains("url"));
    api.put("/v1/image", image(&good)).await.expect(201);
    api.put("/v1/image", image(&bad)).await.refused(409);
    api.post("/v1/image", image(&bad)).await.refused(400);
    api.post("/v1/image", json!({"id": "os-1.0.0", "name": "n"})).await.expect(200);
}

#[tokio::test]
async fn capacity_counts_machines() {
    let api = Api::new().await;
    api.furnish().await;
    api.machine("m1", 1).await;
    api.machine("m2", 2).await;
    let capacity =
        api.post("/v1/partition/capacity", json!({"id": "fra", "projectid": null})).await.expect(200);
    let server = &capacity[0]["servers"][0];
    assert_eq!(
        (&server["size"], &server["total"], &server["waiting"]),
        (&"c1".into(), &2.into(), &2.into()),
        "{capacity}"
    );
    api.post("/v1/partition/capacity", json!({"id": "nonesuch"})).await.refused(400);
}
