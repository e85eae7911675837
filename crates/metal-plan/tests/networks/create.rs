//! Each rule of creating a network, in their order: a request that breaks a rule and all later ones is refused for
//! the earlier one.

use metal_model::id::NetworkId;
use metal_plan::{Class, network, vrf};
use serde_json::{Value, json};

use crate::world::{World, decode};

fn world() -> World {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/16", "2001:db8::/48"],
        "defaultchildprefixlength": {"IPv4": 22, "ipv6": 64}, "additionalAnnouncableCIDRs": ["10.240.0.0/12"],
    }));
    world.create(
        json!({"id": "underlay", "partitionid": "p1", "underlay": true, "prefixes": ["10.1.0.0/24"]}),
    );
    world.create(json!({
        "id": "internet", "prefixes": ["212.34.83.0/27"], "destinationprefixes": ["0.0.0.0/0"],
        "nat": true, "vrf": 104_009, "projectid": "a", "labels": {"k": "v"}, "name": "n", "description": "d",
        "shared": true, "parentnetworkid": "super", "networktype": "super", "nattype": "none",
    }));
    world
}

/// Refuses a request that is `base` with `change` applied.
fn refusal(world: &mut World, mut base: Value, change: &Value) -> (Class, Option<&'static str>) {
    for (key, value) in change.as_object().unwrap() {
        base[key] = value.clone();
    }
    world.refused(|tx, env| network::create(tx, env, &decode(base)))
}

#[test]
fn rules_in_their_order() {
    let mut world = world();
    // Breaks everything that comes after the rule under test, as far as rules can be broken together.
    let mut broken = json!({
        "projectid": "nobody", "prefixes": [], "destinationprefixes": ["fe80::/10"],
        "defaultchildprefixlength": {"IPv5": 22}, "additionalAnnouncableCIDRs": ["x"],
        "id": "internet", "partitionid": "nowhere", "vrf": 104_009,
    });
    let steps: &[(Value, Class, &str)] = &[
        (json!({}), Class::NotFound, "projectid"),
        (json!({"projectid": "a"}), Class::Invalid, "prefixes"),
        (json!({"prefixes": ["10.0.0.0/33"]}), Class::Invalid, "defaultchildprefixlength"),
        (json!({"privatesuper": true, "nat": true}), Class::Invalid, "defaultchildprefixlength"),
        (json!({"defaultchildprefixlength": {"ipv4": 16}}), Class::Invalid, "prefixes"),
        (
            json!({"prefixes": ["10.0.7.0/16"], "destinationprefixes": ["nonsense"]}),
            Class::Invalid,
            "destinationprefixes",
        ),
        (json!({"destinationprefixes": ["fe80::/10"]}), Class::Invalid, "destinationprefixes"),
        (json!({"destinationprefixes": ["0.0.0.0/0"]}), Class::Invalid, "defaultchildprefixlength"),
        (json!({"defaultchildprefixlength": {"IPv6": 64}}), Class::Invalid, "defaultchildprefixlength"),
        (json!({"defaultchildprefixlength": {"IPv4": 33}}), Class::Invalid, "defaultchildprefixlength"),
        (json!({"defaultchildprefixlength": {"IPv4": 22}}), Class::Invalid, "additionalAnnouncableCIDRs"),
        (json!({"additionalAnnouncableCIDRs": []}), Class::Conflict, "id"),
        (json!({"id": "new"}), Class::Refused, "prefixes"),
        (json!({"prefixes": ["10.7.0.0/20", "10.7.3.0/21"]}), Class::Refused, "prefixes"),
        (json!({"prefixes": ["10.7.0.0/16"]}), Class::NotFound, "partitionid"),
        (json!({"partitionid": ""}), Class::NotFound, "partitionid"),
        (json!({"partitionid": "p1"}), Class::Invalid, "privatesuper"),
        (json!({"partitionid": "p2"}), Class::Invalid, "nat"),
        (json!({"nat": false}), Class::Conflict, "vrf"),
        (json!({"vrf": 131_073}), Class::Refused, "vrf"),
        (json!({"vrf": u64::MAX}), Class::Refused, "vrf"),
    ];
    for (change, class, field) in steps {
        let refusal = refusal(&mut world, broken.clone(), change);
        assert_eq!(refusal, (*class, Some(*field)), "{change}");
        for (key, value) in change.as_object().unwrap() {
            broken[key] = value.clone();
        }
    }
    broken["vrf"] = json!(42);
    assert_eq!(world.create(broken).vrf, 42);
}

#[test]
fn rules_of_other_kinds() {
    let mut world = world();
    let base = json!({"prefixes": ["10.9.0.0/24"], "partitionid": "p1"});
    let cases: &[(Value, Class, &str)] = &[
        (json!({"underlay": true}), Class::Refused, "underlay"),
        (json!({"partitionid": "p2", "underlay": true, "nat": true}), Class::Invalid, "nat"),
        (json!({"additionalAnnouncableCIDRs": ["10.0.0.0/8"]}), Class::Invalid, "additionalAnnouncableCIDRs"),
        (json!({"prefixes": ["10.9.0.0/24", "10.9.0.1/24"]}), Class::Refused, "prefixes"),
        (json!({"prefixes": ["0.0.0.0/0"]}), Class::Refused, "prefixes"),
        (json!({"prefixes": ["2001:db8::1/128"]}), Class::Refused, "prefixes"),
        (json!({"prefixes": [""]}), Class::Invalid, "prefixes"),
        (json!({"prefixes": ["10.9.0.0"]}), Class::Invalid, "prefixes"),
    ];
    for (change, class, field) in cases {
        assert_eq!(refusal(&mut world, base.clone(), change), (*class, Some(*field)), "{change}");
    }
    // A refusal left nothing behind.
    assert_eq!(world.snapshot.networks.len(), 3);
    assert_eq!(world.snapshot.vrfs.len(), 1);
}

#[test]
fn apply_reaches_the_conflict_for_every_kind() {
    let mut world = world();
    for id in ["super", "underlay", "internet"] {
        let response = serde_json::to_value(world.network(id)).unwrap();
        let refusal = world.refused(|tx, env| network::create(tx, env, &decode(response)));
        assert_eq!(refusal, (Class::Conflict, Some("id")), "{id}");
    }
}

#[test]
fn answers_as_clients_know_them() {
    let world = world();
    let internet = serde_json::to_value(world.network("internet")).unwrap();
    assert_eq!(
        internet,
        json!({
            "id": "internet", "name": "n", "description": "d", "partitionid": "", "projectid": "a",
            "labels": {"k": "v"}, "shared": false, "prefixes": ["212.34.83.0/27"],
            "destinationprefixes": ["0.0.0.0/0"], "defaultchildprefixlength": null, "nat": true,
            "privatesuper": false, "underlay": false, "vrf": 104_009, "vrfshared": null, "parentnetworkid": null,
            "networktype": "external", "nattype": "ipv4-masq",
            "consumption": {
                "ipv4": {"available_ips": 32, "used_ips": 2, "available_prefixes": 8, "used_prefixes": 0},
                "ipv6": null,
            },
            "usage": {"available_ips": 32, "used_ips": 2, "available_prefixes": 8, "used_prefixes": 0},
            "created": internet["created"], "changed": internet["changed"],
        })
    );
    let supernet = serde_json::to_value(world.network("super")).unwrap();
    assert_eq!(supernet["networktype"], "super");
    assert_eq!(supernet["nattype"], "none");
    assert_eq!(supernet["vrf"], 0);
    assert_eq!(supernet["defaultchildprefixlength"], json!({"IPv4": 22, "IPv6": 64}));
    assert_eq!(supernet["additionalAnnouncableCIDRs"], json!(["10.240.0.0/12"]));
    assert_eq!(
        supernet["consumption"]["ipv6"],
        json!({"available_ips": 2_147_483_647, "used_ips": 1, "available_prefixes": 2_147_483_647, "used_prefixes": 0})
    );
    assert_eq!(serde_json::to_value(world.network("underlay")).unwrap()["networktype"], "underlay");
}

#[test]
fn host_bits_stay_and_ids_are_made() {
    let mut world = world();
    let made = world.create(json!({"id": null, "prefixes": ["10.9.0.5/24"], "vrf": 0, "projectid": ""}));
    assert_eq!(made.prefixes[0].to_string(), "10.9.0.5/24");
    assert_eq!(made.id.as_str().len(), 36);
    assert_eq!(world.acquire(made.id.as_str(), None).unwrap().address.to_string(), "10.9.0.1");
}

#[test]
fn vrf_is_shared_only_when_asked() {
    let mut world = world();
    let base = json!({"id": "dc", "prefixes": ["10.9.0.0/24"], "vrf": 104_009});
    assert_eq!(refusal(&mut world, base.clone(), &json!({})), (Class::Conflict, Some("vrf")));
    let mut shared = base;
    shared["vrfshared"] = json!(true);
    world.create(shared);
    assert_eq!(
        world.snapshot.vrfs.get("104009").unwrap().networks,
        [NetworkId::from("internet"), "dc".into()]
    );
    world.ok(|tx, env| network::delete(tx, env, "internet"));
    assert_eq!(world.snapshot.vrfs.get("104009").unwrap().networks, [NetworkId::from("dc")]);
    world.ok(|tx, env| network::delete(tx, env, "dc"));
    assert!(world.snapshot.vrfs.is_empty());
}

#[test]
fn vrf_numbers_run_dry_and_come_back() {
    let mut world = World::new();
    world.ok(|tx, env| {
        for _ in metal_model::network::POOL {
            vrf::acquire_random(tx, env, &"n".into())?;
        }
        let dry = vrf::acquire_random(tx, env, &"n".into()).unwrap_err();
        assert_eq!(dry.class, Class::Internal);
        vrf::release(tx, 77, &"somebody else".into());
        assert!(vrf::acquire_random(tx, env, &"n".into()).is_err());
        vrf::release(tx, 77, &"n".into());
        vrf::release(tx, 77, &"n".into());
        assert_eq!(vrf::acquire_random(tx, env, &"n".into()), Ok(77));
        Ok(())
    });
}
