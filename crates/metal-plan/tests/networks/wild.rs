//! Requests nobody should send: arbitrary text and numbers in every field. No panic, no refusal that would be a
//! server error, nothing written that breaks an invariant.

use std::collections::BTreeMap;

use metal_model::v1;
use metal_plan::{Class, Error, ip, network, project, tenant};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::invariant::{check, check_rebuilt};
use crate::world::{World, decode};

/// Text that is nearly right more often than not.
fn text() -> impl Strategy<Value = String> {
    let known = select(vec![
        "",
        "a",
        "b",
        "p1",
        "p2",
        "t1",
        "super",
        "net",
        "10.0.0.1",
        "192.168.0.1",
        "fd00::1",
        "static",
        "ephemeral",
        "IPv4",
        "ipv6",
        "IPv5",
        "Project",
        "Tenant",
        "v1",
        "machine.metal-stack.io/id",
        "machine.metal-stack.io/id=m",
    ]);
    prop_oneof![6 => known.prop_map(str::to_owned), 2 => prefix(), 1 => any::<String>()]
}

fn prefix() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "0.0.0.0/0",
        "::/0",
        "::1/128",
        "255.255.255.255/32",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0/8",
        "/",
        "10.0.0.0/8/8",
        "010.0.0.0/8",
        "::ffff:10.0.0.0/104",
        "fd00::/129",
        "fe80::1%eth0/64",
        " 10.0.0.0/8",
        "10.0.0.0/ 8",
        "1.2.3.4",
    ]);
    prop_oneof![
        odd.prop_map(str::to_owned),
        (any::<u32>(), 0_u8..=33).prop_map(|(bits, len)| format!("{}/{len}", std::net::Ipv4Addr::from(bits))),
        (any::<u128>(), 0_u8..=129)
            .prop_map(|(bits, len)| format!("{}/{len}", std::net::Ipv6Addr::from(bits))),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..300).prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let lengths = btree_map(select(vec!["IPv4", "IPv6", "ipv4", "x"]), 0_u8..=200, 0..3);
    prop_oneof![
        text().prop_map(Value::from),
        vec(prop_oneof![text(), prefix()], 0..4).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        number(),
        lengths.prop_map(|lengths| json!(lengths)),
        btree_map(text(), text(), 0..3).prop_map(|texts| json!(texts)),
        (text(), text(), text(), number()).prop_map(|(id, kind, apiversion, version)| {
            json!({"id": id, "kind": kind, "apiversion": apiversion, "version": version})
        }),
        (number(), number())
            .prop_map(|(used, quota)| json!({"project": {"quota": quota}, "ip": {"used": used}})),
    ]
}

const FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    "partitionid",
    "projectid",
    "labels",
    "shared",
    "prefixes",
    "destinationprefixes",
    "defaultchildprefixlength",
    "nat",
    "privatesuper",
    "underlay",
    "vrf",
    "vrfshared",
    "parentnetworkid",
    "additionalAnnouncableCIDRs",
    "length",
    "addressfamily",
    "networkid",
    "type",
    "tags",
    "machineid",
    "ipaddress",
    "allocationuuid",
    "networkprefix",
    "meta",
    "tenant_id",
    "quotas",
    "default_quotas",
    "annotations",
    "paging",
];

fn object() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    btree_map(select(FIELDS), value(), 0..FIELDS.len())
}

/// Reads a request, without the members whose type is wrong: the server answers those before any decision.
fn read<T: serde::de::DeserializeOwned + Default>(object: &BTreeMap<&'static str, Value>) -> T {
    let mut fitting = serde_json::Map::new();
    for (key, value) in object {
        let alone = json!({*key: value});
        if v1::json::decode_value::<T>(alone).is_ok() {
            fitting.insert((*key).to_owned(), value.clone());
        }
    }
    decode(Value::Object(fitting))
}

fn judge<T>(answer: Result<T, Error>) {
    if let Err(error) = answer {
        let is_dry = error.message.ends_with("no ips left");
        assert!(error.class != Class::Internal || is_dry, "{error:?}");
        assert!(!error.message.is_empty());
    }
}

fn world() -> World {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/16", "fd00::/48"],
        "defaultchildprefixlength": {"IPv4": 24, "IPv6": 64},
    }));
    world.create(json!({"id": "net", "prefixes": ["192.168.0.0/24"], "vrf": 7}));
    world.child(json!({"projectid": "a", "partitionid": "p1"}));
    world.acquire("net", None).unwrap();
    world
}

fn decide(world: &mut World, which: u8, req: &BTreeMap<&'static str, Value>, id: &str, flag: bool) {
    match which {
        0 => judge(world.run(|tx, env| network::create(tx, env, &read(req)))),
        1 => judge(world.run(|tx, env| network::update(tx, env, &read(req), flag))),
        2 => judge(world.run(|tx, env| network::allocate(tx, env, &read(req)))),
        3 => judge(world.run(|tx, env| ip::allocate(tx, env, &read(req), flag.then_some(id)))),
        4 => judge(world.run(|tx, env| ip::update(tx, env, &read(req)))),
        5 => judge(world.run(|tx, env| project::create(tx, env, &read(req)))),
        6 => judge(world.run(|tx, env| project::update(tx, env, &read(req)))),
        7 => judge(world.run(|tx, env| tenant::create(tx, env, &read(req)))),
        8 => judge(world.run(|tx, env| tenant::update(tx, env, &read(req)))),
        9 => judge(network::find(&world.snapshot, &read(req))),
        10 => judge(ip::find(&world.snapshot, &read(req))),
        11 => judge(project::find(&world.snapshot, &read(req))),
        12 => judge(tenant::find(&world.snapshot, &read(req))),
        13 => judge(world.run(|tx, env| network::free(tx, env, id))),
        14 => judge(world.run(|tx, env| network::delete(tx, env, id))),
        15 => judge(world.run(|tx, env| ip::free(tx, env, id))),
        16 => judge(world.run(|tx, env| project::delete(tx, env, id))),
        _ => judge(world.run(|tx, env| tenant::delete(tx, env, id))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_request_is_a_server_error(
        steps in vec((0_u8..18, object(), text(), any::<bool>()), 1..12),
        seed in any::<u64>(),
    ) {
        let mut world = world();
        for (which, req, id, flag) in steps {
            decide(&mut world, which, &req, &id, flag);
            check(&world.snapshot);
        }
        check_rebuilt(&world.snapshot, seed);
        let snapshot = &world.snapshot;
        snapshot.networks.iter().for_each(|one| judge(network::response(snapshot, one)));
        snapshot.ips.iter().for_each(|one| judge(ip::response(snapshot, one)));
        snapshot.projects.iter().for_each(|one| judge(project::get_response(snapshot, one)));
        snapshot.tenants.iter().for_each(|one| judge(tenant::response(snapshot, one)));
    }
}
