//! Projects and tenants through their life.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn from_creation_to_deletion() {
    let api = Api::new().await;
    let tenant = json!({"meta": {"id": "acme"}, "name": "Acme", "default_quotas": {"machine": {"quota": 3}}});
    let tenant = api.put("/v1/tenant", tenant).await.expect(201);
    assert_eq!((&tenant["meta"]["id"], &tenant["meta"]["kind"]), (&"acme".into(), &"Tenant".into()));
    api.put("/v1/tenant", tenant.clone()).await.refused(409);
    api.put("/v1/project", json!({"name": "x"})).await.refused(400);
    api.put("/v1/project", json!({"name": "x", "tenant_id": "nonesuch"})).await.refused(404);
    let project = api.put("/v1/project", json!({"name": "x", "tenant_id": "acme"})).await.expect(201);
    let id = project["meta"]["id"].as_str().unwrap().to_owned();
    assert_eq!(project["quotas"]["machine"]["quota"], 3, "the tenant's defaults are copied");
    api.delete("/v1/tenant/acme").await.refused(422);
    let read = api.get(&format!("/v1/project/{id}")).await.expect(200);
    assert!(read["quotas"]["ip"].is_object(), "usage is told: {read}");
    let mut changed = read.clone();
    changed["description"] = json!("d");
    let changed = api.post("/v1/project", changed).await.expect(200);
    assert_eq!(changed["description"], "d");
    let mut stale = changed.clone();
    stale["meta"]["version"] = json!(-1);
    api.post("/v1/project", stale).await.refused(422);
    let found = api.post("/v1/project/find", json!({"tenant_id": "acme"})).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(api.get("/v1/project").await.expect(200).as_array().unwrap().len(), 1);
    api.delete(&format!("/v1/project/{id}")).await.expect(200);
    api.delete("/v1/tenant/acme").await.expect(200);
    let tenants =
        api.post("/v1/tenant/find", json!({"name": "Acme", "paging": {"page": 1}})).await.expect(200);
    assert_eq!(tenants, json!([]));
    assert_eq!(api.get("/v1/tenant").await.expect(200).as_array().unwrap().len(), 1, "the provider's");
}
