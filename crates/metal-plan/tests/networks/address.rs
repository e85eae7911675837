//! Acquiring, changing and giving back addresses.

use std::net::IpAddr;

use metal_model::network::{AddressFamily, IpScope, IpType};
use metal_plan::ip::{Choice, Details};
use metal_plan::{Class, asn, ip};
use serde_json::{Value, json};

use crate::world::{World, decode};

fn world() -> World {
    let mut world = World::new();
    world.create(json!({"id": "net", "prefixes": ["10.0.0.0/30", "10.0.1.0/29", "2001:db8::/64"]}));
    world.create(json!({"id": "v6", "prefixes": ["2001:db8:1::/64"]}));
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.1.0.0/16"],
        "defaultchildprefixlength": {"IPv4": 24},
    }));
    world
}

#[test]
fn rules_in_their_order() {
    let mut world = world();
    let own = world.child(json!({"projectid": "b", "partitionid": "p1"})).id.to_string();
    world.acquire("net", Some("10.0.1.2")).unwrap();
    let mut req = json!({
        "networkid": "", "projectid": "", "addressfamily": "IPv5", "type": "odd", "tags": ["t"], "machineid": "m",
    });
    let steps: &[(Value, Option<&str>, Class, Option<&str>)] = &[
        (json!({}), Some("x"), Class::Invalid, Some("networkid")),
        (json!({"networkid": "none"}), Some("x"), Class::Invalid, Some("projectid")),
        (json!({"projectid": "nobody"}), Some("x"), Class::NotFound, None),
        (json!({"networkid": own}), Some("x"), Class::Refused, Some("addressfamily")),
        (json!({"addressfamily": "IPv6"}), Some("x"), Class::Invalid, Some("addressfamily")),
        (json!({"addressfamily": "ipv4"}), Some("x"), Class::Invalid, Some("addressfamily")),
        (json!({"addressfamily": ""}), Some("x"), Class::NotFound, None),
        (json!({"projectid": "a"}), Some("x"), Class::Refused, Some("projectid")),
        (json!({"networkid": "net"}), Some("x"), Class::Refused, Some("ipaddress")),
        (json!({}), Some("10.0.1.8"), Class::Refused, Some("ipaddress")),
        (json!({}), Some("::10.0.1.2"), Class::Refused, Some("ipaddress")),
        (json!({}), Some("10.0.1.2"), Class::Conflict, Some("ipaddress")),
        (json!({}), Some("10.0.1.0"), Class::Conflict, Some("ipaddress")),
        (json!({}), Some("10.0.1.7"), Class::Conflict, Some("ipaddress")),
        (json!({}), Some("2001:db8::"), Class::Conflict, Some("ipaddress")),
    ];
    for (change, specific, class, field) in steps {
        for (key, value) in change.as_object().unwrap() {
            req[key] = value.clone();
        }
        let refusal = world.refused(|tx, env| ip::allocate(tx, env, &decode(req.clone()), *specific));
        assert_eq!(refusal, (*class, *field), "{change} {specific:?}");
    }
    let ip = world.ok(|tx, env| ip::allocate(tx, env, &decode(req), Some("2001:DB8:0::5")));
    assert_eq!(ip.address.to_string(), "2001:db8::5");
    assert_eq!((ip.kind, ip.scope()), (IpType::Ephemeral, IpScope::Machine));
    assert_eq!(ip.tags, ["machine.metal-stack.io/id=m", "t"]);
}

#[test]
fn network_without_prefixes() {
    let mut world = world();
    world.ok(|tx, _| tx.create(metal_model::network::Network { id: "bare".into(), ..Default::default() }));
    let error = world.acquire("bare", None).unwrap_err();
    assert_eq!((error.class, error.field), (Class::Refused, Some("networkid")));
}

#[test]
fn lowest_first_through_all_prefixes_until_none_is_left() {
    let mut world = world();
    world.acquire("net", Some("10.0.1.2")).unwrap();
    let expected = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.3", "10.0.1.4", "10.0.1.5", "10.0.1.6"];
    for address in expected {
        assert_eq!(world.acquire("net", None).unwrap().address.to_string(), address);
    }
    let error = world.acquire("net", None).unwrap_err();
    assert_eq!(error.class, Class::Internal);
    assert_eq!(error.message, "Internal cannot allocate free ip in ipam, no ips left");
    let usage = world.network("net").usage;
    assert_eq!((usage.available_ips, usage.used_ips), (12, 12));

    world.ok(|tx, env| ip::free(tx, env, "10.0.1.3"));
    assert_eq!(world.acquire("net", None).unwrap().parent_prefix.to_string(), "10.0.1.0/29");
    // The other family has room; a network with one family needs no word about it.
    let req = json!({"networkid": "net", "projectid": "a", "addressfamily": "ipv6"});
    let v6 = world.ok(|tx, env| ip::allocate(tx, env, &decode(req), None));
    assert_eq!(v6.address.to_string(), "2001:db8::1");
    assert_eq!(world.acquire("v6", None).unwrap().address.to_string(), "2001:db8:1::1");
}

#[test]
fn external_and_shared_networks_are_open_to_all_projects() {
    let mut world = world();
    for shared in [false, true] {
        let child = world.child(json!({"projectid": "b", "partitionid": "p1", "shared": shared}));
        assert_eq!(world.acquire(child.id.as_str(), None).is_ok(), shared);
    }
}

#[test]
fn answers_as_clients_know_them() {
    let mut world = world();
    let req = json!({
        "name": "n", "description": "d", "networkid": "net", "projectid": "a", "type": "static",
        "tags": ["z", "a", "z"],
    });
    let ip = world.ok(|tx, env| ip::allocate(tx, env, &decode(req), None));
    let answer = serde_json::to_value(ip::response(&world.snapshot, &ip).unwrap()).unwrap();
    assert_eq!(
        answer,
        json!({
            "name": "n", "description": "d", "networkid": "net", "projectid": "a", "type": "static",
            "tags": ["a", "z"], "ipaddress": "10.0.0.1", "allocationuuid": ip.allocation_uuid,
            "created": answer["created"], "changed": answer["changed"],
        })
    );
    // Applying it again is a conflict.
    let refusal = world.refused(|tx, env| ip::allocate(tx, env, &decode(answer), Some("10.0.0.1")));
    assert_eq!(refusal, (Class::Conflict, Some("ipaddress")));
}

#[test]
fn update_rules() {
    let mut world = world();
    world.acquire("net", None).unwrap();
    let mut update = |json: Value| world.run(|tx, env| ip::update(tx, env, &decode(json)));
    let id = "10.0.0.1";
    let ip = update(json!({"ipaddress": id, "name": "n", "tags": ["b", "a", "b"]})).unwrap();
    assert_eq!((ip.name.as_str(), ip.kind), ("n", IpType::Ephemeral));
    assert_eq!(ip.tags, ["a", "b"]);
    let ip = update(json!({"ipaddress": id, "description": "d", "type": "static", "tags": null})).unwrap();
    assert_eq!((ip.name.as_str(), ip.description.as_str(), ip.kind), ("n", "d", IpType::Static));
    assert_eq!(ip.tags.len(), 2);
    let ip = update(json!({"ipaddress": id, "tags": ["machine.metal-stack.io/id=m"]})).unwrap();
    assert_eq!((ip.scope(), ip.kind), (IpScope::Machine, IpType::Static));
    let ip = update(json!({"ipaddress": id, "tags": []})).unwrap();
    assert_eq!(ip.scope(), IpScope::Project);
    for (json, field) in [
        (json!({"ipaddress": id, "type": "ephemeral"}), "type"),
        (json!({"ipaddress": id, "type": "odd"}), "type"),
    ] {
        let error = update(json).unwrap_err();
        assert_eq!((error.class, error.field), (Class::Invalid, Some(field)));
    }
    for id in ["10.0.0.2", "", "nonsense"] {
        assert_eq!(update(json!({"ipaddress": id})).unwrap_err().class, Class::NotFound, "{id}");
    }
}

#[test]
fn scope_never_changes_between_nobody_and_a_machine() {
    let mut world = world();
    let network = world.snapshot.networks.get("net").unwrap().clone();
    let choice = Choice::Lowest(AddressFamily::V4);
    world.ok(|tx, env| ip::acquire(tx, env, &network, choice, Details::default()));
    let tags = json!({"ipaddress": "10.0.0.1", "tags": ["machine.metal-stack.io/id=m"]});
    // Without a project the scope stays "nobody" whatever the tags are.
    let ip = world.ok(|tx, env| ip::update(tx, env, &decode(tags)));
    assert_eq!(ip.scope(), IpScope::None);
}

#[test]
fn bound_addresses_stay() {
    let mut world = world();
    let req = json!({"networkid": "net", "projectid": "a", "machineid": "m"});
    let ip = world.ok(|tx, env| ip::allocate(tx, env, &decode(req), None));
    let id = ip.address.to_string();
    assert_eq!(world.refused(|tx, env| ip::free(tx, env, &id)), (Class::Invalid, Some("ipaddress")));
    assert_eq!(world.refused(|tx, env| ip::free(tx, env, "10.0.0.2")).0, Class::NotFound);
}

#[test]
fn a_freed_machine_leaves_static_addresses_and_those_of_others() {
    let mut world = world();
    let tag = |machine: &str| format!("machine.metal-stack.io/id={machine}");
    for (kind, tags) in [
        ("ephemeral", vec![tag("m")]),
        ("static", vec![tag("m")]),
        ("ephemeral", vec![tag("m"), tag("other")]),
        ("ephemeral", vec![tag("m2")]),
    ] {
        let req = json!({"networkid": "net", "projectid": "a", "type": kind, "tags": tags});
        world.ok(|tx, env| ip::allocate(tx, env, &decode(req), None));
    }
    let asn = world.ok(|tx, env| asn::acquire(tx, env, &"m".into()));
    assert!((4_210_000_001..=4_210_131_072).contains(&asn));
    world.ok(|tx, env| {
        ip::release_for_machine(tx, env, "m");
        asn::release(tx, asn);
        asn::release(tx, asn);
        Ok(())
    });
    let left: Vec<_> =
        world.snapshot.ips.iter().map(|ip| (ip.address.to_string(), ip.tags.clone())).collect();
    assert_eq!(
        left,
        [
            ("10.0.0.2".into(), vec![]),
            ("10.0.1.1".into(), vec![tag("other")]),
            ("10.0.1.2".into(), vec![tag("m2")]),
        ]
    );
    assert!(world.snapshot.asns.is_empty());
    assert_eq!(world.snapshot.index.ips_by_machine.count("m"), 0);
}

#[test]
fn binding_twice_is_binding_once() {
    let mut world = world();
    world.acquire("net", None).unwrap();
    let address: IpAddr = "10.0.0.1".parse().unwrap();
    for _ in 0..2 {
        let ip = world.ok(|tx, env| ip::bind_machine(tx, env, &address, &"m".into()));
        assert_eq!(ip.tags, ["machine.metal-stack.io/id=m"]);
    }
    let none: IpAddr = "10.0.0.2".parse().unwrap();
    assert_eq!(world.refused(|tx, env| ip::bind_machine(tx, env, &none, &"m".into())).0, Class::NotFound);
}
