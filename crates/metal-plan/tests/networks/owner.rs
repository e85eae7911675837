//! Projects and tenants.

use metal_model::v1;
use metal_plan::{Class, network, project, tenant};
use serde_json::{Value, json};

use crate::world::{World, decode, meta};

type Refusal = (Class, Option<&'static str>);

fn create(world: &mut World, json: Value) -> Refusal {
    world.refused(|tx, env| project::create(tx, env, &decode(json)))
}

fn update(world: &mut World, json: Value) -> Refusal {
    world.refused(|tx, env| project::update(tx, env, &decode(json)))
}

#[test]
fn project_create_rules() {
    let mut world = World::new();
    let limited = json!({"meta": {"id": "t2"}, "quotas": {"project": {"quota": 1, "used": 9}},
        "default_quotas": {"machine": {"quota": 5}}});
    world.ok(|tx, env| tenant::create(tx, env, &decode(limited)));
    assert_eq!(create(&mut world, json!({})), (Class::Invalid, Some("tenant_id")));
    assert_eq!(create(&mut world, json!({"tenant_id": "none"})), (Class::NotFound, Some("tenant_id")));
    let wrong = json!({"tenant_id": "t1", "meta": {"kind": "Tenant"}});
    assert_eq!(create(&mut world, wrong), (Class::Refused, Some("meta.kind")));
    let wrong = json!({"tenant_id": "t1", "meta": {"apiversion": "v2"}});
    assert_eq!(create(&mut world, wrong), (Class::Refused, Some("meta.apiversion")));

    let req = json!({
        "tenant_id": "t2", "name": "n", "description": "d",
        "meta": {"id": "new", "kind": "Project", "apiversion": "v1", "version": 7, "labels": ["l"],
                 "annotations": {"k": "v"}, "created_time": "0001-01-01T00:00:00.000Z"},
    });
    let made = world.ok(|tx, env| project::create(tx, env, &decode(req.clone())));
    let answer = serde_json::to_value(project::get_response(&world.snapshot, &made).unwrap()).unwrap();
    assert_eq!(
        answer,
        json!({
            "tenant_id": "t2", "name": "n", "description": "d",
            "meta": {"id": "new", "kind": "Project", "apiversion": "v1", "labels": ["l"], "annotations": {"k": "v"},
                     "created_time": answer["meta"]["created_time"], "updated_time": answer["meta"]["updated_time"]},
            "quotas": {"machine": {"quota": 5, "used": 0}, "ip": {"used": 0}},
        })
    );
    // The tenant may have one project: an existing id is a conflict all the same, another one is one too many.
    assert_eq!(create(&mut world, answer), (Class::Conflict, Some("meta.id")));
    assert_eq!(create(&mut world, json!({"tenant_id": "t2"})), (Class::Refused, Some("tenant_id")));
    let made = world.ok(|tx, env| project::create(tx, env, &decode(json!({"tenant_id": "t1"}))));
    assert_eq!(made.id.as_str().len(), 36);
}

#[test]
fn project_update_rules() {
    let mut world = World::new();
    assert_eq!(update(&mut world, json!({"name": "n"})), (Class::Invalid, Some("meta")));
    assert_eq!(update(&mut world, json!({"meta": {"id": "none"}})).0, Class::NotFound);
    let stranger = json!({"meta": {"id": "a"}, "tenant_id": "t2"});
    assert_eq!(update(&mut world, stranger), (Class::Refused, Some("tenant_id")));
    let req = json!({"meta": {"id": "a", "version": 4}, "tenant_id": "t1", "name": "n",
        "quotas": {"ip": {"quota": 3, "used": 8}}});
    let new = world.ok(|tx, env| project::update(tx, env, &decode(req.clone())));
    assert_eq!((new.meta.version, new.name.as_str()), (5, "n"));
    assert!(new.meta.updated > new.meta.created);
    assert_eq!(new.quotas.ip, Some(v1::Quota { used: None, quota: Some(3) }));
    assert_eq!(update(&mut world, req), (Class::Refused, Some("meta.version")));
    let last = json!({"meta": {"id": "a", "version": i64::MAX}});
    for _ in 0..2 {
        let new = world.ok(|tx, env| project::update(tx, env, &decode(last.clone())));
        assert_eq!(new.meta.version, i64::MAX);
    }
}

#[test]
fn project_with_property_stays() {
    let mut world = World::new();
    let net = world.create(json!({"prefixes": ["10.0.0.0/24"], "projectid": "b"}));
    let delete = |world: &mut World, id: &str| world.refused(|tx, env| project::delete(tx, env, id));
    assert_eq!(delete(&mut world, "b"), (Class::Invalid, Some("id")));
    let ip = world.acquire(net.id.as_str(), None).unwrap();
    assert_eq!(delete(&mut world, "a"), (Class::Invalid, Some("id")));
    assert_eq!(delete(&mut world, "none").0, Class::NotFound);
    let answer = project::get_response(&world.snapshot, world.snapshot.find("a").unwrap()).unwrap();
    assert_eq!(answer.quotas.unwrap().ip.unwrap().used, Some(1));
    world.ok(|tx, env| metal_plan::ip::free(tx, env, &ip.address.to_string()));
    world.ok(|tx, env| network::delete(tx, env, net.id.as_str()));
    world.ok(|tx, env| project::delete(tx, env, "a"));
    world.ok(|tx, env| project::delete(tx, env, "b"));
    world.ok(|tx, env| tenant::delete(tx, env, "t1"));
}

#[test]
fn tenant_rules() {
    let mut world = World::new();
    let create =
        |world: &mut World, json: Value| world.refused(|tx, env| tenant::create(tx, env, &decode(json)));
    assert_eq!(create(&mut world, json!({"meta": {"id": "t1"}})), (Class::Conflict, Some("meta.id")));
    assert_eq!(create(&mut world, json!({"meta": {"kind": "Project"}})), (Class::Refused, Some("meta.kind")));
    let made = world.ok(|tx, env| tenant::create(tx, env, &v1::Tenant::default()));
    assert_eq!(made.id.as_str().len(), 36);

    let update =
        |world: &mut World, json: Value| world.refused(|tx, env| tenant::update(tx, env, &decode(json)));
    assert_eq!(update(&mut world, json!({})), (Class::Invalid, Some("meta")));
    assert_eq!(update(&mut world, json!({"meta": {"id": "none"}})).0, Class::NotFound);
    let stale = json!({"meta": {"id": "t1", "version": -1}});
    assert_eq!(update(&mut world, stale), (Class::Refused, Some("meta.version")));
    let req = json!({"meta": {"id": "t1"}, "name": "n", "iam_config": {"issuer_config": {"url": "u"}}});
    let new = world.ok(|tx, env| tenant::update(tx, env, &decode(req)));
    let answer = serde_json::to_value(tenant::response(&world.snapshot, &new).unwrap()).unwrap();
    assert_eq!(answer["meta"]["version"], 1);
    assert_eq!(answer["iam_config"]["issuer_config"]["url"], "u");
    assert_eq!(world.refused(|tx, env| tenant::delete(tx, env, "t1")), (Class::Refused, Some("id")));
    assert_eq!(world.refused(|tx, env| tenant::delete(tx, env, "none")).0, Class::NotFound);
}

#[test]
fn finding() {
    let mut world = World::new();
    for id in ["t2", "t3", "t4"] {
        let annotations = [("even".to_owned(), (id == "t2" || id == "t4").to_string())].into();
        let meta = v1::Meta { annotations, ..meta(id) };
        world.ok(|tx, env| tenant::create(tx, env, &v1::Tenant { meta, ..v1::Tenant::default() }));
    }
    let tenants = |json: Value| {
        let found = tenant::find(&world.snapshot, &decode(json)).unwrap();
        found.iter().map(|tenant| tenant.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(tenants(json!({})), ["t1", "t2", "t3", "t4"]);
    assert_eq!(tenants(json!({"id": "t3"})), ["t3"]);
    assert_eq!(tenants(json!({"name": "x"})), [""; 0]);
    assert_eq!(tenants(json!({"annotations": {"even": "true"}})), ["t2", "t4"]);
    assert_eq!(tenants(json!({"paging": {"page": 1, "count": 3}})), ["t4"]);
    assert_eq!(tenants(json!({"paging": {"page": u64::MAX, "count": u64::MAX}})), [""; 0]);
    assert_eq!(tenants(json!({"paging": {"page": 3}})).len(), 4);

    let projects = |json: Value| {
        let found = project::find(&world.snapshot, &decode(json)).unwrap();
        found.iter().map(|project| project.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(projects(json!({})), ["a", "b"]);
    assert_eq!(projects(json!({"tenant_id": "t1"})), ["a", "b"]);
    assert_eq!(projects(json!({"tenant_id": "t2"})), [""; 0]);
    assert_eq!(projects(json!({"tenant_id": "t2", "id": "a"})), [""; 0]);
    assert_eq!(projects(json!({"tenant_id": "t1", "id": "a", "name": "", "description": ""})), ["a"]);
    assert_eq!(projects(json!({"name": "x"})), [""; 0]);
}
