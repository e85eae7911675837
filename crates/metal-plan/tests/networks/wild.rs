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

fn texts() -> impl Strategy<Value = Value> {
    vec(text(), 0..3).prop_map(Value::from)
}

/// A reference to something that exists, or any text.
fn reference(field: &str) -> impl Strategy<Value = String> + use<> {
    let known = match field {
        "id" => vec!["super", "net", "a", "b", "t1", "192.168.0.1", "new"],
        "projectid" => vec!["a", "b"],
        "partitionid" => vec!["p1", "p2"],
        "networkid" => vec!["super", "net"],
        "tenant_id" => vec!["t1"],
        "ipaddress" => vec!["192.168.0.1", "192.168.0.2"],
        "addressfamily" => vec!["IPv4", "IPv6"],
        "kind" => vec!["", "Project", "Tenant"],
        "apiversion" => vec!["", "v1"],
        _ => vec!["", "static", "ephemeral"],
    };
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => text()]
}

fn prefixes() -> impl Strategy<Value = Value> {
    let good = select(vec![
        "10.9.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/24",
        "192.168.1.7/24",
        "fd01::/48",
        "fd00::/48",
    ]);
    vec(prop_oneof![3 => good.prop_map(str::to_owned), 1 => prefix()], 0..3).prop_map(Value::from)
}

fn lengths() -> impl Strategy<Value = Value> {
    btree_map(select(vec!["IPv4", "IPv6", "ipv4", "x"]), 0_u8..=200, 0..3).prop_map(|lengths| json!(lengths))
}

fn quotas() -> impl Strategy<Value = Value> {
    let quota = || prop::option::of(-2..3_i32);
    (quota(), quota()).prop_map(|(used, quota)| json!({"project": {"quota": quota}, "ip": {"used": used}}))
}

fn meta() -> impl Strategy<Value = Value> {
    let version = select(vec![i64::MIN, -1, 0, 1, 2, i64::MAX]);
    (reference("id"), reference("kind"), reference("apiversion"), version).prop_map(|(id, kind, apiversion, version)| {
        json!({"id": id, "kind": kind, "apiversion": apiversion, "version": version})
    })
}

/// A value of the type the field has, except sometimes.
fn value(field: &str) -> BoxedStrategy<Value> {
    let fitting = match field {
        "prefixes" | "destinationprefixes" | "additionalAnnouncableCIDRs" => prefixes().boxed(),
        "shared" | "nat" | "privatesuper" | "underlay" | "vrfshared" => {
            any::<bool>().prop_map(Value::from).boxed()
        }
        "vrf" => number().boxed(),
        "defaultchildprefixlength" | "length" => lengths().boxed(),
        "labels" | "annotations" => btree_map(text(), text(), 0..3).prop_map(|texts| json!(texts)).boxed(),
        "tags" => texts().boxed(),
        "meta" => meta().boxed(),
        "quotas" | "default_quotas" => quotas().boxed(),
        "paging" => {
            (number(), number()).prop_map(|(page, count)| json!({"page": page, "count": count})).boxed()
        }
        _ => reference(field).prop_map(Value::from).boxed(),
    };
    let odd = prop_oneof![texts(), number(), text().prop_map(Value::from), lengths()];
    prop_oneof![9 => fitting, 1 => odd].boxed()
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

/// Members of one request; members of other requests are unknown to it and do no harm.
fn object() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let members: Vec<_> = FIELDS
        .iter()
        .map(|field| {
            // What every request of its kind needs is there more often.
            let often = matches!(
                *field,
                "id" | "ipaddress"
                    | "prefixes"
                    | "projectid"
                    | "partitionid"
                    | "networkid"
                    | "tenant_id"
                    | "meta"
            );
            prop::option::weighted(if often { 0.9 } else { 0.3 }, value(field))
                .prop_map(move |value| (*field, value))
        })
        .collect();
    members
        .prop_map(|members| members.into_iter().filter_map(|(field, value)| Some((field, value?))).collect())
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
        steps in vec((0_u8..18, object(), reference("id"), any::<bool>()), 1..12),
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
