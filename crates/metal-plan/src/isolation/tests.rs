//! When a freed machine is offered again, whom nobody waits for, and that the index says what looking would say.

use metal_model::event_log::Liveliness;
use metal_model::v1::SwitchNotifyRequest;
use proptest::prelude::*;

use super::*;
use crate::allocation::tests::world::{self, PARTITION, SIZE, World};
use crate::allocation::{allocate_machine, explain, free};
use crate::{issue, placement, switch};

const LEAF: &str = "leaf-rack-1";

fn told(generation: u64, error: Option<&str>) -> (SwitchNotifyRequest, switch::Agent) {
    let request = SwitchNotifyRequest { error: error.map(str::to_owned), ..SwitchNotifyRequest::default() };
    (request, switch::Agent { generation, ..switch::Agent::default() })
}

fn tell(world: &mut World, leaf: &str, generation: u64, error: Option<&str>) {
    let (request, agent) = told(generation, error);
    world.change(|tx, env| switch::notify_agent(tx, env, leaf, &request, Some(&agent)));
}

/// A machine that was somebody's, was freed, and waits again. Answers the revision of the free.
fn freed(world: &mut World) -> u64 {
    world.change(|tx, env| {
        let machine = allocate_machine(tx, env, &world::request("p1"))?;
        switch::set_vrf(tx, env, machine.id.as_str(), "vrf11");
        Ok(())
    });
    let revision = world.revision;
    tell(world, LEAF, revision, None);
    world.change(|tx, env| free(tx, env, "m101"));
    let revision = world.revision;
    world.boot("m101", "rack-1");
    revision
}

fn available(world: &World) -> usize {
    world.snapshot.index.placement.available(&PARTITION.into(), &SIZE.into())
}

#[test]
fn a_freed_machine_is_offered_when_its_switch_has_isolated_it() {
    let world = &mut World::with_racks(1, 1);
    let revision = freed(world);
    assert_eq!((missing(&world.snapshot, "m101"), available(world)), (vec![LEAF.into()], 0));
    let issues = |world: &World| {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let machines = vec![world.snapshot.machines.get("m101").unwrap().clone()];
        issue::issues_of(&world.snapshot, now, &machines).remove(0)
    };
    assert!(issues(world).contains(&issue::Kind::IsolationUnconfirmed));
    let request = world::request("p2");
    let why = world.attempt(|tx, env| allocate_machine(tx, env, &request)).unwrap_err();
    assert_eq!(why.message, "no machine available");
    let env = &mut world.env();
    let explained = explain(&world.snapshot, env, &request, metal_model::machine::Role::Machine);
    assert_eq!(explained.rejected[0].reason, "isolation not confirmed by its switches");
    let named = metal_model::v1::MachineAllocateRequest { uuid: Some("m101".into()), ..request.clone() };
    let why = world.attempt(|tx, env| allocate_machine(tx, env, &named)).unwrap_err();
    assert!(why.message.contains("not yet confirmed by switch leaf-rack-1"), "{}", why.message);

    tell(world, LEAF, revision - 1, None);
    assert_eq!(available(world), 0, "what it has is older");
    let revision_now = world.revision;
    tell(world, LEAF, revision_now, Some("no space left on device"));
    assert_eq!(available(world), 0, "a failed attempt confirms nothing");
    tell(world, LEAF, u64::MAX, None);
    assert_eq!(available(world), 0, "nobody has sent that");
    tell(world, LEAF, revision, None);
    assert_eq!(available(world), 1);
    assert!(!issues(world).contains(&issue::Kind::IsolationUnconfirmed));
    world.change(|tx, env| allocate_machine(tx, env, &request));
}

#[test]
fn nobody_waits_for_agents_that_never_tell() {
    let world = &mut World::with_racks(1, 1);
    world.change(|tx, env| switch::notify(tx, env, LEAF, &SwitchNotifyRequest::default()));
    world.change(|tx, env| {
        let machine = allocate_machine(tx, env, &world::request("p1"))?;
        switch::set_vrf(tx, env, machine.id.as_str(), "vrf11");
        free(tx, env, machine.id.as_str())
    });
    world.boot("m101", "rack-1");
    assert_eq!(available(world), 1);
}

#[test]
fn a_restarted_agent_is_waited_for_until_it_tells_again() {
    let world = &mut World::with_racks(1, 1);
    let revision = freed(world);
    tell(world, LEAF, revision, None);
    assert_eq!(available(world), 1);
    tell(world, LEAF, 0, None);
    assert_eq!(available(world), 0);
    // What the old agent's protocol tells does not count.
    world.change(|tx, env| switch::notify(tx, env, LEAF, &SwitchNotifyRequest::default()));
    assert_eq!(available(world), 0);
    world.change(|tx, env| switch::delete(tx, env, LEAF, true));
    assert_eq!(available(world), 1, "nobody waits for a switch that is given up");
}

#[test]
fn a_vrf_that_was_changed_back_is_told_anew() {
    let world = &mut World::with_racks(1, 1);
    freed(world);
    let desired =
        |world: &World| switch::desired(&world.snapshot, world.snapshot.switches.get(LEAF).unwrap());
    let before = desired(world);
    world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "vrf12")));
    world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "")));
    let after = desired(world);
    assert_eq!(before.ports[0].vrf, after.ports[0].vrf);
    assert_ne!(before, after);
}

#[test]
fn installed_machines_learn_when_they_are_connected() {
    let world = &mut World::with_racks(1, 1);
    freed(world);
    world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "vrf12")));
    let revision = world.revision;
    assert_eq!(disconnected(&world.snapshot, "m101"), [SwitchId::from(LEAF)]);
    let (request, mut agent) = told(revision, None);
    agent.seen.faults.insert("swp-m101".into(), "no such prefix".into());
    world.change(|tx, env| switch::notify_agent(tx, env, LEAF, &request, Some(&agent)));
    assert!(missing(&world.snapshot, "m101").is_empty());
    assert_eq!(disconnected(&world.snapshot, "m101"), [SwitchId::from(LEAF)], "isolated is not connected");
    tell(world, LEAF, revision, None);
    assert!(disconnected(&world.snapshot, "m101").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The index says what looking at all switches says, whatever happened in which order.
    #[test]
    fn the_index_never_drifts(steps in prop::collection::vec((0u8..7, 0usize..4, 0u64..40), 1..40)) {
        let world = &mut World::with_racks(2, 2);
        let ids = ["m101", "m102", "m201", "m202"];
        for (what, which, number) in steps {
            let (id, rack) = (ids[which], which / 2 + 1);
            let leaf = format!("leaf-rack-{rack}");
            let (request, agent) = told(number, None);
            match what {
                0 => drop(world.attempt(|tx, env| Ok(switch::set_vrf(tx, env, id, "vrf11")))),
                1 => drop(world.attempt(|tx, env| Ok(switch::set_vrf(tx, env, id, "")))),
                2 => drop(world.attempt(|tx, env| free(tx, env, id))),
                3 => world.boot(id, &format!("rack-{rack}")),
                4 => drop(world.attempt(|tx, env| switch::notify_agent(tx, env, &leaf, &request, Some(&agent)))),
                5 => drop(world.attempt(|tx, env| Ok(switch::disconnect(tx, env, id)))),
                _ => drop(world.attempt(|tx, _| Ok(tx.put(world::log(id, Liveliness::Dead))))),
            }
            let snapshot = &world.snapshot;
            for id in ids {
                prop_assert_eq!(snapshot.index.unconfirmed.contains(id), !missing(snapshot, id).is_empty());
            }
            let counted = ids.iter().filter(|id| {
                let log = snapshot.event_logs.get(id).map(AsRef::as_ref);
                placement::is_available(snapshot, snapshot.machines.get(id).unwrap(), log)
            });
            prop_assert_eq!(available(world), counted.count());
        }
    }
}
