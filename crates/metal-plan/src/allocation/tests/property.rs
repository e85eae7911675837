//! What holds whatever happens, in whatever order: nothing is owned twice, nothing leaks, and the index is what the
//! documents say.

use std::collections::{BTreeMap, BTreeSet};

use metal_model::doc::Doc;
use metal_model::document::State as _;
use metal_model::machine::{Availability, Machine};
use metal_model::network::IpType;
use metal_model::v1;
use proptest::prelude::*;

use super::super::{allocate_firewall, allocate_machine, delete, free, reinstall};
use super::world::{World, firewall, request};
use crate::{Error, Rng, Snapshot, Tx, switch};

/// Something that happens to the cloud.
#[derive(Debug, Clone)]
enum Step {
    Allocate {
        project: bool,
        firewall: bool,
        tag: u8,
        given: Option<u8>,
        named: Option<u8>,
    },
    Free(u8),
    Reinstall(u8),
    Boot(u8),
    Silence(u8),
    State(u8, Availability),
    Delete(u8),
    MoveRack(u8, u8),
    /// Two decisions from the same snapshot; the second commit may be refused.
    Race(bool, u8),
    /// A decision whose process dies before it commits.
    Crash(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::option::of(0..8_u8);
    let step = prop_oneof![
        6 => (any::<bool>(), any::<bool>(), 0..3_u8, some(), some()).prop_map(
            |(project, firewall, tag, given, named)| Step::Allocate { project, firewall, tag, given, named }
        ),
        3 => (0..8_u8).prop_map(Step::Free),
        1 => (0..8_u8).prop_map(Step::Reinstall),
        4 => (0..8_u8).prop_map(Step::Boot),
        1 => (0..8_u8).prop_map(Step::Silence),
        1 => (0..8_u8, 0..3_usize).prop_map(|(machine, state)| Step::State(
            machine,
            [Availability::Available, Availability::Reserved, Availability::Locked][state]
        )),
        1 => (0..8_u8).prop_map(Step::Delete),
        1 => (0..8_u8, 0..3_u8).prop_map(|(machine, rack)| Step::MoveRack(machine, rack)),
        2 => (any::<bool>(), 0..8_u8).prop_map(|(free, machine)| Step::Race(free, machine)),
        1 => (0..8_u8).prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..60)
}

fn id(machine: u8) -> String {
    format!("m{machine}")
}

fn happen(world: &mut World, step: &Step, statics: &[String]) {
    // Refusals are fine; what counts is what they leave.
    let _: Result<(), Error> = match step.clone() {
        Step::Allocate { project, firewall: is_firewall, tag, given, named } => {
            let project = if project { "p1" } else { "p2" };
            let mut req = request(project);
            req.placement_tags = vec![format!("tag{tag}")];
            req.tags = vec![format!("tag{tag}"), "x=1".into()];
            req.ips = given.and_then(|at| statics.get(usize::from(at)).cloned()).into_iter().collect();
            req.uuid = named.map(id);
            if is_firewall {
                let req = v1::FirewallCreateRequest { ips: req.ips, uuid: req.uuid, ..firewall(project) };
                world.attempt(|tx, env| allocate_firewall(tx, env, &req)).map(drop)
            } else {
                world.attempt(|tx, env| allocate_machine(tx, env, &req)).map(drop)
            }
        }
        Step::Free(machine) => world.attempt(|tx, env| free(tx, env, &id(machine))).map(drop),
        Step::Reinstall(machine) => {
            let req =
                v1::MachineReinstallRequest { imageid: "debian-12.0.20250101".into(), ..Default::default() };
            world.attempt(|tx, env| reinstall(tx, env, &id(machine), &req)).map(drop)
        }
        Step::Boot(machine) => {
            world.boot(&id(machine), &format!("rack-{}", machine % 3));
            Ok(())
        }
        Step::Silence(machine) if world.snapshot.machines.contains(&id(machine)) => {
            world.silence(&id(machine));
            Ok(())
        }
        Step::Silence(_) => Ok(()),
        Step::State(machine, value) => world
            .attempt(|tx, _| tx.modify::<Machine>(&id(machine), |machine| machine.state.value = value))
            .map(drop),
        Step::Delete(machine) => world.attempt(|tx, env| delete(tx, env, &id(machine))).map(drop),
        Step::MoveRack(machine, rack) => world
            .attempt(|tx, _| {
                tx.modify::<Machine>(&id(machine), |machine| machine.rack = format!("rack-{rack}").into())
            })
            .map(drop),
        Step::Race(frees, machine) => {
            race(world, frees, &id(machine));
            Ok(())
        }
        Step::Crash(machine) => {
            let mut tx = Tx::new(&world.snapshot);
            let env = &mut world.env();
            let _ = allocate_machine(&mut tx, env, &request("p1"));
            free(&mut tx, env, &id(machine)).map(drop)
        }
    };
}

/// Two clients at once; who loses decides again on the newer snapshot, as the store makes him.
fn race(world: &mut World, frees: bool, machine: &str) {
    let mut first = Tx::new(&world.snapshot);
    let mut second = Tx::new(&world.snapshot);
    let won = if frees {
        free(&mut first, &mut world.env(), machine).is_ok()
    } else {
        allocate_machine(&mut first, &mut world.env(), &request("p1")).is_ok()
    };
    let raced = allocate_machine(&mut second, &mut world.env(), &request("p1")).is_ok();
    if won {
        world.commit(first.finish()).unwrap();
    }
    if raced && world.commit(second.finish()).is_err() {
        let _ = world.attempt(|tx, env| allocate_machine(tx, env, &request("p1")));
    }
}

fn check(snapshot: &Snapshot, statics: &[String]) {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut asns = BTreeSet::new();
    for machine in snapshot.machines.iter() {
        let Some(allocation) = &machine.allocation else { continue };
        assert!(asns.insert(allocation.asn.to_string()), "asn {} is used twice", allocation.asn);
        let claim = snapshot.asns.get(&allocation.asn.to_string()).expect("each asn in use is claimed");
        assert_eq!(claim.machine, machine.id);
        assert!(!machine.waiting, "an allocated machine is not on offer");
        for ip in allocation.networks.iter().flat_map(|network| &network.ips) {
            owners.entry(ip.to_string()).or_default().insert(machine.id.to_string());
        }
    }
    assert_eq!(asns.len(), snapshot.asns.len(), "no asn leaks");
    for ip in snapshot.ips.iter() {
        let address = ip.address.to_string();
        let tagged: BTreeSet<String> = ip.machines().map(str::to_owned).collect();
        assert_eq!(owners.remove(&address).unwrap_or_default(), tagged, "{address}");
        assert!(!tagged.is_empty() || statics.contains(&address), "{address} leaked");
        assert!(tagged.len() <= 1 || statics.contains(&address), "{address} is owned twice");
    }
    assert!(owners.is_empty(), "addresses in use without a record: {owners:?}");
}

/// Puts all documents into an empty snapshot in random order.
fn rebuilt(snapshot: &Snapshot, rng: &mut Rng) -> Snapshot {
    let mut all: Vec<(String, u64, Doc)> = Vec::new();
    snapshot.visit(&mut |key, revision, doc| all.push((key.to_owned(), revision, doc.clone())));
    for at in (1..all.len()).rev() {
        all.swap(at, rng.below(at + 1));
    }
    let mut fresh = Snapshot::default();
    for (key, revision, doc) in all {
        fresh.put(&key, revision, doc);
    }
    fresh
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_owned_twice_and_nothing_leaks(steps in steps(), seed in any::<u64>()) {
        let mut world = World::new();
        world.seed = u128::from(seed);
        let mut rng = Rng::new(world.seed);
        let statics: Vec<String> = ["internet", "internet", "internet", "net-p1"]
            .map(|network| world.ip(network, "p1", IpType::Static).address.to_string())
            .into();
        for step in &steps {
            happen(&mut world, step, &statics);
            check(&world.snapshot, &statics);
            let fresh = rebuilt(&world.snapshot, &mut rng);
            prop_assert_eq!(&fresh.index.placement, &world.snapshot.index.placement, "after {:?}", step);
        }
        let all: Vec<String> = world.snapshot.machines.iter().map(|machine| machine.id.to_string()).collect();
        for id in &all {
            world.set::<Machine>(id, |machine| machine.state.value = Availability::Available);
            world.change(|tx, env| { switch::set_vrf(tx, env, id, "vrf11"); free(tx, env, id) });
        }
        check(&world.snapshot, &statics);
        prop_assert_eq!(world.snapshot.asns.len(), 0);
        prop_assert_eq!(world.snapshot.ips.len(), statics.len());
        prop_assert!(world.snapshot.switches.iter().flat_map(|s| &s.ports).all(|port| port.vrf.is_empty()));
    }
}
