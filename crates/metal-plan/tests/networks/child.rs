//! Child networks: taken from the private super network of their partition, given back, in use or not.

use metal_plan::{Class, network};
use serde_json::{Value, json};

use crate::world::{World, decode};

fn world() -> World {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "vrf": 0,
        "prefixes": ["10.0.0.0/23", "10.8.0.0/23", "2001:db8::/62"],
        "defaultchildprefixlength": {"IPv4": 24, "IPv6": 64},
    }));
    world
}

#[test]
fn rules() {
    let mut world = world();
    let base = json!({"projectid": "a", "partitionid": "p1"});
    let cases: &[(Value, Class, &str)] = &[
        (json!({"projectid": null, "partitionid": null}), Class::Invalid, "projectid"),
        (json!({"projectid": ""}), Class::Invalid, "projectid"),
        (json!({"partitionid": ""}), Class::Invalid, "partitionid"),
        (json!({"projectid": "nobody", "partitionid": "nowhere"}), Class::NotFound, "projectid"),
        (json!({"partitionid": "nowhere", "destinationprefixes": ["x"]}), Class::NotFound, "partitionid"),
        (json!({"partitionid": "p2", "destinationprefixes": ["x"]}), Class::Invalid, "destinationprefixes"),
        (json!({"partitionid": "p2"}), Class::NotFound, "partitionid"),
        (json!({"addressfamily": "IPv5"}), Class::Invalid, "addressfamily"),
        (json!({"length": {"IPv5": 24}}), Class::Invalid, "length"),
        (json!({"length": {"IPv4": 24, "ipv4": 25}}), Class::Invalid, "length"),
        (json!({"length": {"IPv4": 23}}), Class::Refused, "length"),
        (json!({"length": {"IPv4": 0}}), Class::Refused, "length"),
        (json!({"length": {"IPv4": 255}}), Class::Refused, "length"),
        (json!({"length": {"IPv6": 62}}), Class::Refused, "length"),
    ];
    for (change, class, field) in cases {
        let mut json = base.clone();
        for (key, value) in change.as_object().unwrap() {
            json[key] = value.clone();
        }
        let refusal = world.refused(|tx, env| network::allocate(tx, env, &decode(json)));
        assert_eq!(refusal, (*class, Some(*field)), "{change}");
    }
    assert_eq!((world.snapshot.networks.len(), world.snapshot.vrfs.len()), (1, 0));
}

#[test]
fn family_without_a_length() {
    let mut world = World::new();
    world.create(json!({
        "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/23"],
        "defaultchildprefixlength": {"IPv4": 24},
    }));
    let json = json!({"projectid": "a", "partitionid": "p1", "addressfamily": "IPv6"});
    let refusal = world.refused(|tx, env| network::allocate(tx, env, &decode(json)));
    assert_eq!(refusal, (Class::Invalid, Some("addressfamily")));
}

#[test]
fn takes_a_prefix_of_each_family_and_a_vrf() {
    let mut world = world();
    let child = world.child(json!({
        "name": "n", "description": "d", "projectid": "a", "partitionid": "p1", "labels": {"k": "v"},
        "destinationprefixes": ["0.0.0.0/0"], "nat": true,
    }));
    let answer = world.network(child.id.as_str());
    assert_eq!(answer.prefixes, ["10.0.0.0/24", "2001:db8::/64"]);
    assert_eq!(
        (answer.parentnetworkid.as_deref(), answer.networktype.as_deref()),
        (Some("super"), Some("child"))
    );
    assert_eq!((answer.partitionid.as_str(), answer.projectid.as_str()), ("p1", "a"));
    assert!(answer.nat && !answer.shared && answer.defaultchildprefixlength.is_none());
    assert!(answer.vrf.is_some_and(|vrf| (1..=131_072).contains(&vrf)));
    assert_eq!(world.snapshot.vrfs.get(&child.vrf.to_string()).unwrap().networks, vec![child.id.clone()]);

    let shared =
        world.child(json!({"projectid": "b", "partitionid": "p1", "shared": true, "addressfamily": "ipv4"}));
    let shared = world.network(shared.id.as_str());
    assert_eq!(
        (shared.networktype.as_deref(), shared.prefixes),
        (Some("child-shared"), vec!["10.0.1.0/24".into()])
    );

    let usage = world.network("super").consumption;
    let (v4, v6) = (usage.ipv4.unwrap(), usage.ipv6.unwrap());
    assert_eq!((v4.used_prefixes, v4.available_prefixes, v4.used_ips, v4.available_ips), (2, 128, 4, 1024));
    assert_eq!((v6.used_prefixes, v6.used_ips), (1, 1));

    // The first prefix is full.
    let json = json!({"projectid": "a", "partitionid": "p1"});
    let half =
        json!({"projectid": "a", "partitionid": "p1", "length": {"IPv4": 25}, "addressfamily": "IPv4"});
    for prefix in ["10.8.0.0/25", "10.8.0.128/25", "10.8.1.0/25"] {
        assert_eq!(world.child(half.clone()).prefixes[0].to_string(), prefix);
    }
    let refusal = world.refused(|tx, env| network::allocate(tx, env, &decode(json.clone())));
    assert_eq!(refusal, (Class::Refused, Some("length")));

    let freed = world.ok(|tx, env| network::free(tx, env, child.id.as_str()));
    let answer = network::response(&world.snapshot, &freed).unwrap();
    assert_eq!(answer.consumption, metal_model::v1::NetworkConsumption::default());
    assert!(world.snapshot.vrfs.get(&child.vrf.to_string()).is_none());
    assert_eq!(world.child(json).prefixes, child.prefixes);
}

#[test]
fn in_use_is_not_given_back() {
    let mut world = world();
    let child = world.child(json!({"projectid": "a", "partitionid": "p1"}));
    let id = child.id.as_str();
    world.acquire(id, None).unwrap();
    assert_eq!(world.refused(|tx, env| network::free(tx, env, id)), (Class::Refused, Some("id")));
    assert_eq!(world.refused(|tx, env| network::delete(tx, env, id)), (Class::Refused, Some("id")));
    assert_eq!(world.refused(|tx, env| network::delete(tx, env, "super")), (Class::Refused, Some("id")));
    assert_eq!(world.refused(|tx, env| network::free(tx, env, "super")), (Class::Refused, Some("id")));
    assert_eq!(world.refused(|tx, env| network::free(tx, env, "none")).0, Class::NotFound);
    assert_eq!(world.refused(|tx, env| network::delete(tx, env, "none")).0, Class::NotFound);
    assert!(world.snapshot.vrfs.contains(&child.vrf.to_string()));
}

#[test]
fn addresses_and_children_exclude_each_other() {
    let mut world = world();
    world.acquire("super", None).unwrap();
    // The first prefix gives addresses now, so children come from the next one.
    let small = world.child(json!({"projectid": "a", "partitionid": "p1", "length": {"IPv4": 25}}));
    assert_eq!(small.prefixes[0].to_string(), "10.8.0.0/25");
    let error = world.acquire("super", Some("10.8.0.200")).unwrap_err();
    assert_eq!((error.class, error.field), (Class::Refused, Some("networkid")));
}

#[test]
fn best_fit() {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/16"],
        "defaultchildprefixlength": {"IPv4": 24},
    }));
    let mut take = |length: u8| {
        let json = json!({"projectid": "a", "partitionid": "p1", "length": {"IPv4": length}});
        world.child(json).prefixes[0].to_string()
    };
    assert_eq!(take(24), "10.0.0.0/24");
    assert_eq!(take(20), "10.0.16.0/20");
    assert_eq!(take(24), "10.0.1.0/24");
    assert_eq!(take(23), "10.0.2.0/23");
    assert_eq!(take(22), "10.0.4.0/22");
    assert_eq!(take(30), "10.0.8.0/30");
    assert_eq!(take(21), "10.0.32.0/21");
}
