//! Changing networks.

use metal_plan::{Class, network};
use serde_json::{Value, json};

use crate::world::{World, decode};

fn world() -> World {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/16"],
        "defaultchildprefixlength": {"IPv4": 24}, "additionalAnnouncableCIDRs": ["10.240.0.0/12", "10.224.0.0/12"],
    }));
    world.create(json!({
        "id": "net", "prefixes": ["192.168.0.0/24", "192.168.1.0/24"], "destinationprefixes": ["0.0.0.0/0"],
    }));
    world
}

fn refused(world: &mut World, json: Value, force: bool) -> (Class, Option<&'static str>) {
    world.refused(|tx, env| network::update(tx, env, &decode(json), force))
}

fn update(world: &mut World, json: Value) {
    world.ok(|tx, env| network::update(tx, env, &decode(json), false));
}

#[test]
fn rules() {
    let mut world = world();
    world.acquire("net", None).unwrap();
    let child = world.child(json!({"projectid": "a", "partitionid": "p1"}));
    let keep = json!(["10.224.0.0/12", "10.240.0.0/12"]);
    let cases: &[(Value, Class, &str)] = &[
        (json!({"id": "net", "prefixes": ["x"]}), Class::Invalid, "prefixes"),
        (json!({"id": "net", "prefixes": ["192.168.1.0/24"]}), Class::Refused, "prefixes"),
        (json!({"id": "net", "prefixes": ["192.168.0.0/23"]}), Class::Refused, "prefixes"),
        (json!({"id": "net", "prefixes": ["192.168.0.0/24", "10.0.3.0/24"]}), Class::Refused, "prefixes"),
        (json!({"id": "net", "prefixes": ["192.168.0.0/24", "192.168.0.0/16"]}), Class::Refused, "prefixes"),
        (json!({"id": "net", "prefixes": ["192.168.0.0/24", "192.168.0.7/24"]}), Class::Refused, "prefixes"),
        (json!({"id": "net", "destinationprefixes": ["x"]}), Class::Invalid, "destinationprefixes"),
        (json!({"id": "net", "destinationprefixes": ["::/0"]}), Class::Invalid, "destinationprefixes"),
        (
            json!({"id": "net", "defaultchildprefixlength": {"IPv4": 24}}),
            Class::Refused,
            "defaultchildprefixlength",
        ),
        (
            json!({"id": "net", "defaultchildprefixlength": {"IPv9": 24}}),
            Class::Invalid,
            "defaultchildprefixlength",
        ),
        (
            json!({"id": "net", "additionalAnnouncableCIDRs": ["10.0.0.0/8"]}),
            Class::Invalid,
            "additionalAnnouncableCIDRs",
        ),
        (json!({"id": "super"}), Class::Invalid, "additionalAnnouncableCIDRs"),
        (
            json!({"id": "super", "additionalAnnouncableCIDRs": ["x"]}),
            Class::Invalid,
            "additionalAnnouncableCIDRs",
        ),
        (json!({"id": "super", "prefixes": ["10.3.0.0/16"]}), Class::Refused, "prefixes"),
        (
            json!({"id": "super", "prefixes": ["10.0.0.0/16", "fd00::/48"], "additionalAnnouncableCIDRs": keep}),
            Class::Invalid,
            "defaultchildprefixlength",
        ),
        (
            json!({"id": "super", "defaultchildprefixlength": {"IPv6": 64}, "additionalAnnouncableCIDRs": keep}),
            Class::Refused,
            "defaultchildprefixlength",
        ),
        (
            json!({"id": "super", "defaultchildprefixlength": {"IPv4": 16}, "additionalAnnouncableCIDRs": keep}),
            Class::Invalid,
            "defaultchildprefixlength",
        ),
    ];
    let before = world.snapshot.networks.iter().cloned().collect::<Vec<_>>();
    for (json, class, field) in cases {
        assert_eq!(refused(&mut world, json.clone(), false), (*class, Some(*field)), "{json}");
    }
    assert_eq!(refused(&mut world, json!({"id": "none"}), false).0, Class::NotFound);
    assert_eq!(before, world.snapshot.networks.iter().cloned().collect::<Vec<_>>());

    update(&mut world, json!({"id": child.id.as_str(), "shared": false}));
    update(&mut world, json!({"id": child.id.as_str(), "shared": true}));
    assert_eq!(world.network(child.id.as_str()).networktype.as_deref(), Some("child-shared"));
    let refusal = refused(&mut world, json!({"id": child.id.as_str(), "shared": false}), false);
    assert_eq!(refusal, (Class::Invalid, Some("shared")));
    // A child cannot take more of its parent.
    let mut prefixes = world.network(child.id.as_str()).prefixes;
    prefixes.push("10.0.9.0/24".into());
    let refusal = refused(&mut world, json!({"id": child.id.as_str(), "prefixes": prefixes}), false);
    assert_eq!(refusal, (Class::Refused, Some("prefixes")));
}

#[test]
fn what_is_absent_is_kept() {
    let mut world = world();
    update(&mut world, json!({"id": "net", "name": "n", "labels": {"k": "v"}}));
    update(&mut world, json!({"id": "net", "description": "d", "prefixes": [], "destinationprefixes": []}));
    let net = world.network("net");
    assert_eq!((net.name.as_str(), net.description.as_str()), ("n", "d"));
    assert_eq!(net.labels.len(), 1);
    assert_eq!((net.prefixes.len(), net.destinationprefixes.len()), (2, 1));
    assert!(net.changed.0 > net.created.0);
}

#[test]
fn announcable_prefixes_are_removed_by_force_only() {
    let mut world = world();
    let less = json!({"id": "super", "additionalAnnouncableCIDRs": ["10.224.0.0/12", "172.16.0.0/12"]});
    assert_eq!(
        refused(&mut world, less.clone(), false),
        (Class::Invalid, Some("additionalAnnouncableCIDRs"))
    );
    world.ok(|tx, env| network::update(tx, env, &decode(less), true));
    assert_eq!(world.network("super").additional_announcable_cidrs, ["10.224.0.0/12", "172.16.0.0/12"]);
    world.ok(|tx, env| network::update(tx, env, &decode(json!({"id": "super"})), true));
    assert!(world.network("super").additional_announcable_cidrs.is_empty());
}

#[test]
fn a_super_network_gets_a_family_in_one_step_and_grows_around_its_children() {
    let mut world = world();
    let child = world.child(json!({"projectid": "a", "partitionid": "p1"}));
    update(
        &mut world,
        json!({
            "id": "super", "prefixes": ["10.0.0.0/15", "fd00::/48"], "defaultchildprefixlength": {"IPv6": 64},
            "additionalAnnouncableCIDRs": ["10.224.0.0/12", "10.240.0.0/12"],
        }),
    );
    let usage = world.network("super").consumption;
    assert_eq!(usage.ipv4.unwrap().used_prefixes, 1);
    assert_eq!(usage.ipv6.unwrap().used_prefixes, 0);
    let next = world.child(json!({"projectid": "a", "partitionid": "p1"}));
    assert_eq!(next.prefixes[0].to_string(), "10.0.1.0/24");
    assert_eq!(next.prefixes[1].to_string(), "fd00::/64");
    assert_eq!(world.network("super").defaultchildprefixlength.unwrap().len(), 2);
    world.ok(|tx, env| network::free(tx, env, child.id.as_str()));
    assert_eq!(world.network("super").consumption.ipv4.unwrap().used_prefixes, 1);
}

#[test]
fn prefixes_come_and_go() {
    let mut world = world();
    update(&mut world, json!({"id": "net", "prefixes": ["192.168.1.9/24", "192.168.2.0/24"]}));
    assert_eq!(world.network("net").prefixes, ["192.168.1.9/24", "192.168.2.0/24"]);
    assert_eq!(world.acquire("net", None).unwrap().address.to_string(), "192.168.1.1");
    world.create(json!({"id": "other", "prefixes": ["192.168.0.0/24"]}));
    let refusal = refused(&mut world, json!({"id": "net", "prefixes": ["192.168.0.0/23"]}), false);
    assert_eq!(refusal, (Class::Refused, Some("prefixes")));
}
