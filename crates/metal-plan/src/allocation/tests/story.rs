//! A scripted story with its transcript: what happens to two racks, readable as a diff when behaviour changes.

use std::fmt::Write as _;

use metal_model::machine::{Availability, Machine};
use metal_model::size::SizeReservation;

use super::super::{allocate_firewall, allocate_machine, free};
use super::world::{PARTITION, SIZE, World, firewall, request};

/// Tells the story line by line.
struct Teller {
    world: World,
    told: String,
}

impl Teller {
    fn say(&mut self, line: &str) {
        writeln!(self.told, "{line}").unwrap();
    }

    fn allocate(&mut self, project: &str, placement_tag: &str) {
        let mut req = request(project);
        req.placement_tags = vec![placement_tag.to_owned()];
        let answer = self.world.attempt(|tx, env| allocate_machine(tx, env, &req));
        let line = match answer {
            Ok(machine) => {
                let allocation = machine.allocation.as_ref().unwrap();
                let ips: Vec<String> =
                    allocation.networks.iter().flat_map(|n| &n.ips).map(ToString::to_string).collect();
                format!(
                    "{project}/{placement_tag}: {} in {} with {}",
                    machine.id,
                    machine.rack,
                    ips.join(" ")
                )
            }
            Err(error) => format!("{project}/{placement_tag}: {:?}: {error}", error.class),
        };
        self.say(&line);
    }

    fn free(&mut self, id: &str) {
        self.world.change(|tx, env| free(tx, env, id));
        self.say(&format!("freed {id}"));
    }

    fn count(&mut self) {
        let snapshot = &self.world.snapshot;
        let available = snapshot.index.placement.available(&PARTITION.into(), &SIZE.into());
        let allocated = snapshot.machines.iter().filter(|machine| machine.allocation.is_some()).count();
        let line = format!(
            "-- {allocated} allocated, {available} available, {} addresses, {} asns",
            snapshot.ips.len(),
            snapshot.asns.len()
        );
        self.say(&line);
    }
}

#[test]
fn two_racks() {
    let mut teller = Teller { world: World::with_racks(2, 6), told: String::new() };
    teller.say("# Two racks of six machines; ten for p1, spread over both");
    for at in 0..10 {
        teller.allocate("p1", ["db", "web"][at % 2]);
    }
    teller.count();
    teller.say("# Three are freed; they do not come back before they registered again");
    let freed: Vec<String> =
        teller.world.snapshot.index.machines_by_project.get("p1").take(3).map(ToString::to_string).collect();
    for id in &freed {
        teller.free(id);
    }
    teller.count();
    teller.allocate("p2", "db");
    teller.allocate("p2", "db");
    teller.allocate("p2", "db");
    teller.say("# They register again, but p1 has reserved eight");
    for id in &freed {
        teller.world.boot(id, "rack-1");
    }
    teller.world.change(|tx, _| {
        tx.create(SizeReservation {
            id: "r".into(),
            size: SIZE.into(),
            partitions: vec![PARTITION.into()],
            project: "p1".into(),
            amount: 8,
            ..SizeReservation::default()
        })
    });
    teller.allocate("p2", "db");
    teller.allocate("p2", "db");
    teller.allocate("p2", "db");
    teller.allocate("p1", "db");
    teller.say("# A firewall beside them, and everything is freed");
    teller.world.boot("m300", "rack-3");
    let firewall = teller.world.change(|tx, env| allocate_firewall(tx, env, &firewall("p1")));
    let line = format!("p1 firewall: {} in {}", firewall.id, firewall.rack);
    teller.say(&line);
    teller.count();
    let all: Vec<String> = teller.world.snapshot.machines.iter().map(|m| m.id.to_string()).collect();
    for id in &all {
        teller.world.change(|tx, env| free(tx, env, id));
    }
    teller.count();
    insta::assert_snapshot!(teller.told);
}

#[test]
fn machines_of_a_project_are_spread_evenly() {
    for seed in 0..40 {
        let mut world = World::with_racks(4, 5);
        world.seed = seed;
        for round in 1..=5 {
            for _ in 0..4 {
                world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
            }
            for rack in 1..=4 {
                let here = |id: &&str| world.machine(id).rack == format!("rack-{rack}").as_str();
                let ids: Vec<&str> =
                    world.snapshot.index.machines_by_project.get("p1").map(|id| id.as_str()).collect();
                assert_eq!(ids.into_iter().filter(here).count(), round, "seed {seed}, rack {rack}");
            }
        }
    }
}

#[test]
fn equally_good_machines_are_drawn_evenly() {
    let mut world = World::with_racks(3, 4);
    let mut hits = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..1_200 {
        let mut tx = crate::Tx::new(&world.snapshot);
        let machine = allocate_machine(&mut tx, &mut world.env(), &request("p1")).unwrap();
        *hits.entry(machine.id.to_string()).or_default() += 1;
    }
    assert_eq!(hits.len(), 12);
    // 100 expected each; five standard deviations are 48.
    assert!(hits.values().all(|count| (52..=148).contains(count)), "{hits:?}");
}

#[test]
fn tags_come_before_the_project() {
    let mut world = World::with_racks(2, 5);
    world.boot("m106", "rack-1");
    world.set("m106", |machine: &mut Machine| machine.state.value = Availability::Reserved);
    let mut take = |tags: &[&str], placement: &[&str], uuid: Option<&str>| {
        let mut req = request("p1");
        req.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        req.placement_tags = placement.iter().map(|tag| (*tag).to_owned()).collect();
        req.uuid = uuid.map(str::to_owned);
        world.change(|tx, env| allocate_machine(tx, env, &req)).rack.to_string()
    };
    // Rack 1 has one database, rack 2 two other machines: the next database goes to rack 2 all the same.
    take(&["db"], &[], Some("m101"));
    take(&["web"], &[], Some("m201"));
    take(&["web"], &[], Some("m202"));
    assert_eq!(take(&["db"], &["db"], None), "rack-2");
    // Without tags the project alone counts.
    assert_eq!(take(&[], &[], None), "rack-1");
    // A tag that one was placed by counts like one it carries.
    take(&[], &["cache"], Some("m106"));
    assert_eq!(take(&[], &["cache"], None), "rack-2");
}
