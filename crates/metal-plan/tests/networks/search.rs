//! Searching networks and addresses: criteria are combined, absent ones do not filter.

use metal_plan::{Class, ip, network};
use serde_json::{Value, json};

use crate::world::{World, decode};

fn world() -> World {
    let mut world = World::new();
    world.create(json!({
        "id": "super", "partitionid": "p1", "privatesuper": true, "prefixes": ["10.0.0.0/16", "172.16.0.0/12"],
        "defaultchildprefixlength": {"IPv4": 24},
    }));
    world.create(json!({
        "id": "inet", "name": "n", "prefixes": ["1.2.3.4/24", "2001:db8::/64"], "destinationprefixes": ["::/0"],
        "nat": true, "vrf": 7, "labels": {"k": "v", "l": "w"}, "projectid": "a",
    }));
    world.create(json!({"id": "under", "partitionid": "p1", "underlay": true, "prefixes": ["10.1.0.0/16"]}));
    world
}

#[test]
fn networks() {
    let mut world = world();
    let child = world.child(json!({"projectid": "a", "partitionid": "p1"})).id.to_string();
    let find = |json: Value| {
        let found = network::find(&world.snapshot, &decode(json)).unwrap();
        let name = |id: &str| if id == child { "child".to_owned() } else { id.to_owned() };
        let mut found: Vec<String> = found.iter().map(|network| name(network.id.as_str())).collect();
        found.sort_unstable();
        found.join(" ")
    };
    for (json, found) in [
        (json!({}), "child inet super under"),
        (json!({"id": "inet"}), "inet"),
        (json!({"id": "inet", "name": "x"}), ""),
        (json!({"id": ""}), ""),
        (json!({"name": "n"}), "inet"),
        (json!({"partitionid": "p1"}), "child super under"),
        (json!({"partitionid": "p9"}), ""),
        (json!({"partitionid": "p1", "projectid": "a"}), "child"),
        (json!({"projectid": ""}), "super under"),
        (json!({"parentnetworkid": "super"}), "child"),
        (json!({"parentnetworkid": ""}), "inet super under"),
        (json!({"prefixes": ["10.0.0.0/16", "172.16.0.0/12"]}), "super"),
        // Address and length belong together.
        (json!({"prefixes": ["10.0.0.0/12"]}), ""),
        (json!({"prefixes": ["1.2.3.0/24"], "destinationprefixes": ["::/0"]}), "inet"),
        (json!({"nat": true}), "inet"),
        (json!({"nat": false}), "child super under"),
        (json!({"privatesuper": true}), "super"),
        (json!({"underlay": true}), "under"),
        (json!({"vrf": 7}), "inet"),
        (json!({"vrf": -1}), ""),
        (json!({"labels": {"k": "v"}}), "inet"),
        (json!({"labels": {"k": "w"}}), ""),
        (json!({"addressfamily": "ipv6"}), "inet"),
        (json!({"addressfamily": "IPv4", "underlay": false}), "child inet super"),
    ] {
        assert_eq!(find(json.clone()), found, "{json}");
    }
    for (json, field) in [
        (json!({"prefixes": ["10.0.0.0"]}), "prefixes"),
        (json!({"destinationprefixes": ["x"]}), "destinationprefixes"),
        (json!({"addressfamily": "IPv5"}), "addressfamily"),
    ] {
        let error = network::find(&world.snapshot, &decode(json)).unwrap_err();
        assert_eq!((error.class, error.field), (Class::Invalid, Some(field)));
    }
}

#[test]
fn addresses() {
    let mut world = world();
    for (project, machine, kind, tags) in
        [("a", Some("m"), "static", vec!["x", "y"]), ("b", None, "ephemeral", vec!["x"])]
    {
        for family in ["IPv4", "IPv6"] {
            let req = json!({
                "networkid": "inet", "projectid": project, "machineid": machine, "type": kind, "tags": tags,
                "addressfamily": family, "name": format!("{project}{family}"),
            });
            world.ok(|tx, env| ip::allocate(tx, env, &decode(req), None));
        }
    }
    let uuid = world.snapshot.ips.get("1.2.3.1").unwrap().allocation_uuid.clone();
    let find = |json: Value| {
        let found = ip::find(&world.snapshot, &decode(json)).unwrap();
        found.iter().map(|ip| ip.address.to_string()).collect::<Vec<_>>().join(" ")
    };
    for (json, found) in [
        (json!({}), "1.2.3.1 1.2.3.2 2001:db8::1 2001:db8::2"),
        (json!({"ipaddress": "2001:DB8:0:0::2"}), "2001:db8::2"),
        (json!({"ipaddress": "2001:db8::2", "projectid": "a"}), ""),
        (json!({"ipaddress": "nonsense"}), ""),
        (json!({"allocationuuid": uuid}), "1.2.3.1"),
        (json!({"name": "bIPv4"}), "1.2.3.2"),
        (json!({"networkprefix": "1.2.3.0/24"}), "1.2.3.1 1.2.3.2"),
        (json!({"networkid": "inet", "projectid": "b"}), "1.2.3.2 2001:db8::2"),
        (json!({"networkid": "super"}), ""),
        (json!({"networkid": "inet", "projectid": "nobody"}), ""),
        (json!({"projectid": "a"}), "1.2.3.1 2001:db8::1"),
        (json!({"tags": ["x"]}), "1.2.3.1 1.2.3.2 2001:db8::1 2001:db8::2"),
        (json!({"tags": ["x", "y"]}), "1.2.3.1 2001:db8::1"),
        (json!({"machineid": "m", "addressfamily": "IPv6"}), "2001:db8::1"),
        (json!({"machineid": "none"}), ""),
        (json!({"type": "static"}), "1.2.3.1 2001:db8::1"),
    ] {
        assert_eq!(find(json.clone()), found, "{json}");
    }
    for (json, field) in
        [(json!({"networkprefix": "x"}), "networkprefix"), (json!({"addressfamily": "x"}), "addressfamily")]
    {
        let error = ip::find(&world.snapshot, &decode(json)).unwrap_err();
        assert_eq!((error.class, error.field), (Class::Invalid, Some(field)));
    }
}
