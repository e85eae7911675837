//! Whatever the sequence of decisions: nothing is owned twice, nothing leaks, and when everything is given back, all
//! is as it was.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metal_model::id::MachineId;
use metal_model::network::{AddressFamily, Ip, MACHINE_TAG, Network};
use metal_model::v1;
use metal_plan::{Class, Error, asn, ip, network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use crate::invariant::{check, check_rebuilt};
use crate::world::World;

/// One decision. Indexes pick from what there is at the time.
#[derive(Debug, Clone)]
enum Step {
    Create(v1::NetworkCreateRequest),
    Update(Index, v1::NetworkUpdateRequest, bool),
    Child(v1::NetworkAllocateRequest),
    Free(Index),
    Delete(Index),
    Acquire(Index, v1::IpAllocateRequest, Option<String>),
    UpdateIp(Index, v1::IpUpdateRequest),
    FreeIp(Index),
    Machine(Index, String),
    Release(String),
    /// An allocation that takes several things and is refused in the end.
    Aborted(Index),
}

const PREFIXES: &[&str] = &[
    "10.0.0.0/24",
    "10.0.0.128/26",
    "10.0.0.7/28",
    "10.0.1.0/28",
    "10.0.1.0/29",
    "10.0.1.8/30",
    "10.0.0.0/8",
    "10.0.2.0/31",
    "10.0.2.4/32",
    "fd00::/120",
    "fd00::/124",
    "fd00::80/126",
    "fd00:0:0:1::/64",
    "fd00::/16",
    "0.0.0.0/0",
];
const SPECIFIC: &[&str] =
    &["10.0.0.1", "10.0.0.130", "10.0.1.3", "10.0.2.4", "fd00::3", "192.0.2.3", "192.0.2.7", "fd01::7"];
const MACHINES: &[&str] = &["m1", "m2", "m3"];

fn texts(from: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    vec(select(from).prop_map(str::to_owned), 0..=most)
}

fn lengths() -> impl Strategy<Value = Option<BTreeMap<String, u8>>> {
    let both = (select(vec![25_u8, 28, 29, 30, 31, 32]), select(vec![121_u8, 125, 126, 127, 128]));
    prop::option::of(both.prop_map(|(v4, v6)| [("IPv4".to_owned(), v4), ("IPv6".to_owned(), v6)].into()))
}

fn create() -> impl Strategy<Value = Step> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2), any::<bool>());
    let ids = (prop::option::of(select(vec!["n1", "n2"])), prop::option::of(select(vec!["p1", "p2"])));
    let vrf = prop::option::of(select(vec![1_u64, 2, 131_073]));
    (texts(PREFIXES, 3), lengths(), flags, ids, vrf).prop_map(
        |(prefixes, lengths, (privatesuper, underlay, vrfshared), (id, partition), vrf)| {
            Step::Create(v1::NetworkCreateRequest {
                id: id.map(str::to_owned),
                partitionid: partition.map(str::to_owned),
                prefixes,
                defaultchildprefixlength: lengths.filter(|_| privatesuper),
                privatesuper,
                underlay,
                vrf,
                vrfshared: Some(vrfshared),
                ..v1::NetworkCreateRequest::default()
            })
        },
    )
}

fn update() -> impl Strategy<Value = Step> {
    let prefixes = prop::option::of(texts(PREFIXES, 3));
    (any::<Index>(), prefixes, prop::option::of(any::<bool>()), lengths(), any::<bool>()).prop_map(
        |(which, prefixes, shared, defaultchildprefixlength, force)| {
            let req = v1::NetworkUpdateRequest {
                prefixes,
                shared,
                defaultchildprefixlength,
                ..v1::NetworkUpdateRequest::default()
            };
            Step::Update(which, req, force)
        },
    )
}

fn child() -> impl Strategy<Value = Step> {
    let family = prop::option::of(select(vec!["IPv4", "IPv6"]));
    (select(vec!["a", "b"]), select(vec!["p1", "p2"]), lengths(), family, any::<bool>()).prop_map(
        |(project, partition, length, family, shared)| {
            Step::Child(v1::NetworkAllocateRequest {
                projectid: Some(project.to_owned()),
                partitionid: Some(partition.to_owned()),
                length,
                addressfamily: family.map(str::to_owned),
                shared: Some(shared),
                ..v1::NetworkAllocateRequest::default()
            })
        },
    )
}

fn acquire() -> impl Strategy<Value = Step> {
    let family = prop::option::of(select(vec!["IPv4", "IPv6"]));
    let specific = prop::option::weighted(0.3, select(SPECIFIC).prop_map(str::to_owned));
    let machine = prop::option::of(select(MACHINES).prop_map(str::to_owned));
    (any::<Index>(), select(vec!["a", "b"]), family, specific, machine, any::<bool>()).prop_map(
        |(which, project, family, specific, machineid, is_static)| {
            let req = v1::IpAllocateRequest {
                projectid: project.to_owned(),
                addressfamily: family.map(str::to_owned),
                machineid,
                kind: if is_static { "static" } else { "ephemeral" }.to_owned(),
                ..v1::IpAllocateRequest::default()
            };
            Step::Acquire(which, req, specific)
        },
    )
}

fn update_ip() -> impl Strategy<Value = Step> {
    let tags = select(vec!["x".to_owned(), format!("{MACHINE_TAG}=m1"), format!("{MACHINE_TAG}=m2")]);
    let kind = select(vec!["", "static", "ephemeral"]);
    (any::<Index>(), prop::option::of(vec(tags, 0..3)), kind).prop_map(|(which, tags, kind)| {
        let req = v1::IpUpdateRequest { tags, kind: kind.to_owned(), ..v1::IpUpdateRequest::default() };
        Step::UpdateIp(which, req)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let machine = || select(MACHINES).prop_map(str::to_owned);
    prop_oneof![
        3 => create(),
        2 => update(),
        4 => child(),
        2 => any::<Index>().prop_map(Step::Free),
        1 => any::<Index>().prop_map(Step::Delete),
        8 => acquire(),
        2 => update_ip(),
        3 => any::<Index>().prop_map(Step::FreeIp),
        2 => (any::<Index>(), machine()).prop_map(|(which, machine)| Step::Machine(which, machine)),
        1 => machine().prop_map(Step::Release),
        1 => any::<Index>().prop_map(Step::Aborted),
    ]
}

fn pick<T>(all: Vec<T>, which: Index) -> Option<T> {
    let at = (!all.is_empty()).then(|| which.index(all.len()))?;
    all.into_iter().nth(at)
}

/// Something to begin with: private super networks and an external network.
fn seed_networks(world: &mut World) {
    for (partition, prefixes) in
        [("p1", ["10.0.0.0/24", "fd00::/120"]), ("p2", ["172.16.0.0/28", "fd02::/124"])]
    {
        world.create(json!({
            "partitionid": partition, "privatesuper": true, "prefixes": prefixes,
            "defaultchildprefixlength": {"IPv4": 29, "IPv6": 125},
        }));
    }
    world.create(json!({"prefixes": ["192.0.2.0/29", "fd01::/125"], "vrf": 1}));
}

fn network_id(world: &World, which: Index) -> String {
    let ids = world.snapshot.networks.iter().map(|network| network.id.to_string()).collect();
    pick(ids, which).unwrap_or_default()
}

fn address(world: &World, which: Index) -> String {
    pick(world.snapshot.ips.iter().map(|ip| ip.address.to_string()).collect(), which).unwrap_or_default()
}

/// Machines and the AS numbers they have.
type Asns = BTreeMap<String, Vec<u32>>;

fn take(world: &mut World, asns: &mut Asns, step: Step) -> Result<(), Error> {
    match step {
        Step::Create(req) => world.run(|tx, env| network::create(tx, env, &req)).map(|_| ()),
        Step::Update(which, mut req, force) => {
            req.id = network_id(world, which);
            world.run(|tx, env| network::update(tx, env, &req, force)).map(|_| ())
        }
        Step::Child(req) => world.run(|tx, env| network::allocate(tx, env, &req)).map(|_| ()),
        Step::Free(which) => {
            let id = network_id(world, which);
            world.run(|tx, env| network::free(tx, env, &id)).map(|_| ())
        }
        Step::Delete(which) => {
            let id = network_id(world, which);
            world.run(|tx, env| network::delete(tx, env, &id)).map(|_| ())
        }
        Step::Acquire(which, mut req, specific) => {
            req.networkid = network_id(world, which);
            let lowest = lowest_free(world, &req);
            let ip = world.run(|tx, env| ip::allocate(tx, env, &req, specific.as_deref()))?;
            match specific {
                Some(text) => assert_eq!(ip.address.to_string(), text),
                None => assert_eq!(Some(ip.address), lowest),
            }
            Ok(())
        }
        Step::UpdateIp(which, mut req) => {
            req.ipaddress = address(world, which);
            world.run(|tx, env| ip::update(tx, env, &req)).map(|_| ())
        }
        Step::FreeIp(which) => {
            let id = address(world, which);
            world.run(|tx, env| ip::free(tx, env, &id)).map(|_| ())
        }
        Step::Machine(which, machine) => {
            let address = address(world, which).parse::<IpAddr>();
            let machine_id = MachineId::from(machine.as_str());
            let asn = world.run(|tx, env| {
                if let Ok(address) = address {
                    ip::bind_machine(tx, env, &address, &machine_id)?;
                }
                asn::acquire(tx, env, &machine_id)
            })?;
            asns.entry(machine).or_default().push(asn);
            Ok(())
        }
        Step::Release(machine) => {
            release(world, asns, &machine);
            Ok(())
        }
        Step::Aborted(which) => {
            let id = network_id(world, which);
            world.run(|tx, env| {
                asn::acquire(tx, env, &"m1".into())?;
                network::free(tx, env, &id)?;
                Err(Error::refused("something else was wrong"))
            })
        }
    }
}

fn release(world: &mut World, asns: &mut Asns, machine: &str) {
    let numbers = asns.remove(machine).unwrap_or_default();
    world.ok(|tx, env| {
        ip::release_for_machine(tx, env, machine);
        numbers.iter().for_each(|asn| asn::release(tx, *asn));
        Ok(())
    });
    let tag = ip::machine_tag(machine);
    assert!(world.snapshot.ips.iter().all(|ip| !ip.tags.contains(&tag)));
}

/// The address to expect, found by trying one after the other.
fn lowest_free(world: &World, req: &v1::IpAllocateRequest) -> Option<IpAddr> {
    let network = world.snapshot.networks.get(&req.networkid)?;
    let has = |family| network.prefixes.iter().any(|prefix| AddressFamily::of(prefix) == family);
    let default = if has(AddressFamily::V4) { AddressFamily::V4 } else { AddressFamily::V6 };
    let family = req.addressfamily.as_deref().and_then(AddressFamily::parse).unwrap_or(default);
    let children: Vec<_> = world
        .snapshot
        .networks
        .iter()
        .filter(|child| child.parent.as_ref() == Some(&network.id))
        .flat_map(|child| &child.prefixes)
        .collect();
    let prefixes = network.prefixes.iter().filter(|prefix| AddressFamily::of(prefix) == family);
    prefixes.filter(|prefix| !children.iter().any(|child| prefix.contains(*child))).find_map(|prefix| {
        let reserved = |ip: &IpAddr| *ip == prefix.network() || ip.is_ipv4() && *ip == prefix.broadcast();
        let first = match prefix.network() {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        // More addresses than these are never used here.
        (first..=first.saturating_add(300))
            .filter_map(|number| match prefix.network() {
                IpAddr::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::V4(number.into())),
                IpAddr::V6(_) => Some(IpAddr::V6(number.into())),
            })
            .find(|ip| prefix.contains(ip) && !reserved(ip) && !world.snapshot.ips.contains(&ip.to_string()))
    })
}

/// Gives everything back: machines, addresses, child networks, networks.
fn give_everything_back(world: &mut World, asns: &mut Asns) {
    for machine in MACHINES {
        release(world, asns, machine);
    }
    let ids: Vec<String> = world.snapshot.ips.iter().map(|ip| ip.address.to_string()).collect();
    for id in ids {
        world.ok(|tx, env| ip::free(tx, env, &id));
    }
    let by_parent = |is_child: bool, world: &World| -> Vec<String> {
        let networks = world.snapshot.networks.iter().filter(|network| network.parent.is_some() == is_child);
        networks.map(|network| network.id.to_string()).collect()
    };
    for id in by_parent(true, world) {
        world.ok(|tx, env| network::free(tx, env, &id));
    }
    for id in by_parent(false, world) {
        world.ok(|tx, env| network::delete(tx, env, &id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_owned_twice_or_leaked(steps in vec(step(), 1..60), seed in any::<u64>()) {
        let mut world = World::new();
        let fresh = world.snapshot.clone();
        seed_networks(&mut world);
        let mut asns = Asns::new();
        for step in steps {
            let before = world.snapshot.index.ipam.clone();
            let told = format!("{step:?}");
            match take(&mut world, &mut asns, step) {
                Ok(()) => check(&world.snapshot),
                Err(error) => {
                    let is_dry = error.message.ends_with("no ips left");
                    prop_assert!(error.class != Class::Internal || is_dry, "{told}: {error:?}");
                    prop_assert_eq!(&before, &world.snapshot.index.ipam);
                }
            }
            let owned: usize = asns.values().map(Vec::len).sum();
            prop_assert_eq!(world.snapshot.asns.len(), owned);
        }
        check_rebuilt(&world.snapshot, seed);

        give_everything_back(&mut world, &mut asns);
        prop_assert_eq!(world.snapshot.networks.len(), 0);
        prop_assert_eq!(world.snapshot.ips.len(), 0);
        prop_assert_eq!(world.snapshot.vrfs.len(), 0);
        prop_assert_eq!(world.snapshot.asns.len(), 0);
        prop_assert_eq!(&world.snapshot.index.ipam, &fresh.index.ipam);
    }

    /// Documents that no decision made: overlapping children, addresses that contradict their network. The index is
    /// still a function of the set of documents.
    #[test]
    fn the_index_does_not_depend_on_the_history(
        puts in vec((any::<bool>(), 0_u8..5, 0_u8..5, texts(PREFIXES, 3), select(SPECIFIC), select(PREFIXES)), 1..60),
        seed in any::<u64>(),
    ) {
        let mut world = World::new();
        for (is_network, id, parent, prefixes, address, prefix) in puts {
            world.ok(|tx, _| {
                if is_network && prefixes.is_empty() {
                    tx.delete::<Network>(&format!("f{id}"));
                } else if is_network {
                    tx.put(Network {
                        id: format!("f{id}").into(),
                        parent: (parent > 0).then(|| format!("f{parent}").into()),
                        prefixes: prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect(),
                        private_super: parent == 0,
                        partition: "p1".into(),
                        ..Network::default()
                    });
                } else if parent == 0 {
                    tx.delete::<Ip>(address);
                } else {
                    tx.put(Ip {
                        address: address.parse().unwrap(),
                        allocation_uuid: String::new(),
                        created: jiff::Timestamp::UNIX_EPOCH,
                        changed: jiff::Timestamp::UNIX_EPOCH,
                        name: String::new(),
                        description: String::new(),
                        parent_prefix: prefix.parse().unwrap(),
                        network: format!("f{id}").into(),
                        project: "a".into(),
                        kind: metal_model::network::IpType::Static,
                        tags: prefixes,
                    });
                }
                Ok(())
            });
        }
        check_rebuilt(&world.snapshot, seed);
    }
}
