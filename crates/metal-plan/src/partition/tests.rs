//! Rules of partitions, and their capacity.

use std::sync::Arc;

use metal_model::event_log::{Event, EventLog, Liveliness, ProvisioningEvent};
use metal_model::machine::{Bmc, Machine};
use metal_model::size::SizeReservation;
use metal_model::v1;

use super::{capacity, create, delete, list_response, update};
use crate::allocation::allocate_machine;
use crate::allocation::tests::world::{PARTITION, SIZE, World, request};
use crate::{Class, Snapshot};

fn dns(ips: &[&str]) -> Vec<v1::DnsServer> {
    ips.iter().map(|ip| v1::DnsServer { ip: (*ip).to_owned() }).collect()
}

fn ntp(names: &[&str]) -> Vec<v1::NtpServer> {
    names.iter().map(|name| v1::NtpServer { address: (*name).to_owned() }).collect()
}

#[test]
fn creating_checks_servers() {
    let mut world = World::new();
    let good = v1::PartitionCreateRequest {
        id: "a".into(),
        dns_servers: dns(&["1.1.1.1", "2606:4700::1111"]),
        ntp_servers: ntp(&["ntp.example.org", "10.0.0.1", "time_1.local."]),
        ..v1::PartitionCreateRequest::default()
    };
    for (change, word) in [
        (v1::PartitionCreateRequest { id: String::new(), ..good.clone() }, "id"),
        (v1::PartitionCreateRequest { dns_servers: dns(&["one"]), ..good.clone() }, "dns_servers"),
        (v1::PartitionCreateRequest { dns_servers: dns(&["1.1.1.1"; 4]), ..good.clone() }, "dns_servers"),
        (v1::PartitionCreateRequest { ntp_servers: ntp(&["a..b"]), ..good.clone() }, "ntp_servers"),
        (v1::PartitionCreateRequest { ntp_servers: ntp(&["1.2.3"]), ..good.clone() }, "ntp_servers"),
        (v1::PartitionCreateRequest { ntp_servers: ntp(&[""]), ..good.clone() }, "ntp_servers"),
        (v1::PartitionCreateRequest { ntp_servers: ntp(&["x"; 6]), ..good.clone() }, "ntp_servers"),
    ] {
        let error = world.attempt(|tx, env| create(tx, env, &change)).unwrap_err();
        assert_eq!((error.class, error.field), (Class::Invalid, Some(word)));
    }
    world.change(|tx, env| create(tx, env, &good));
    let again = world.attempt(|tx, env| create(tx, env, &good)).unwrap_err();
    assert_eq!(again.class, Class::Conflict);
}

#[test]
fn updating_keeps_what_is_not_given() {
    let mut world = World::new();
    let boot = v1::PartitionBootConfiguration {
        imageurl: "http://a/img".into(),
        kernelurl: "http://a/kernel".into(),
        commandline: "quiet".into(),
    };
    let req = v1::PartitionCreateRequest {
        id: "a".into(),
        name: Some("A".into()),
        bootconfig: boot.clone(),
        dns_servers: dns(&["1.1.1.1"]),
        ..v1::PartitionCreateRequest::default()
    };
    world.change(|tx, env| create(tx, env, &req));
    let id = || v1::PartitionUpdateRequest { id: "a".into(), ..v1::PartitionUpdateRequest::default() };
    let same = list_response(&world.change(|tx, env| update(tx, env, &id())));
    assert_eq!((same.name.as_str(), same.dns_servers.len(), &same.bootconfig), ("A", 1, &boot));
    let new = v1::PartitionBootConfiguration { commandline: "debug".into(), ..Default::default() };
    let req = v1::PartitionUpdateRequest { dns_servers: Some(Vec::new()), bootconfig: Some(new), ..id() };
    let changed = list_response(&world.change(|tx, env| update(tx, env, &req)));
    assert!(changed.dns_servers.is_empty());
    assert_eq!(
        (changed.bootconfig.commandline.as_str(), changed.bootconfig.imageurl.as_str()),
        ("debug", "http://a/img")
    );
    let unknown = v1::PartitionUpdateRequest { id: "b".into(), ..id() };
    assert_eq!(world.attempt(|tx, env| update(tx, env, &unknown)).unwrap_err().class, Class::NotFound);
    world.change(|tx, env| delete(tx, env, "a"));
    assert_eq!(world.attempt(|tx, env| delete(tx, env, "a")).unwrap_err().class, Class::NotFound);
}

fn said(world: &mut World, id: &str, event: ProvisioningEvent) {
    let now = world.now;
    world.set::<EventLog>(id, |log| {
        log.last_event_time = Some(now);
        log.events.insert(0, Arc::new(Event { time: now, event, message: String::new() }));
    });
}

fn one(snapshot: &Snapshot, world: &mut World, req: &v1::PartitionCapacityRequest) -> v1::ServerCapacity {
    let mut answer = capacity(snapshot, &world.env(), req).unwrap();
    assert_eq!(answer.len(), 1);
    let mut partition = answer.remove(0);
    assert_eq!((partition.id.as_str(), partition.servers.len()), (PARTITION, 1));
    partition.servers.remove(0)
}

#[test]
fn capacity_counts_each_machine_once() {
    let mut world = World::with_racks(1, 6);
    for (at, id) in ["m101", "m102", "m103", "m104", "m105"].into_iter().enumerate() {
        let now = world.now;
        world.set::<Bmc>(id, |bmc| {
            bmc.mac = "aa:bb".into();
            bmc.address = format!("10.0.0.{at}:623");
            bmc.last_updated = Some(now);
        });
        said(&mut world, id, ProvisioningEvent::Waiting);
    }
    let named = v1::MachineAllocateRequest { uuid: Some("m101".into()), ..request("p1") };
    world.change(|tx, env| allocate_machine(tx, env, &named));
    said(&mut world, "m101", ProvisioningEvent::PhonedHome);
    world.set::<Machine>("m102", |machine| machine.waiting = false);
    world.set::<EventLog>("m103", |log| log.liveliness = Liveliness::Dead);
    for (id, project, amount) in [("r1", "p1", 2), ("r2", "p2", 1)] {
        world.change(|tx, _| {
            tx.create(SizeReservation {
                id: id.into(),
                size: SIZE.into(),
                partitions: vec![PARTITION.into()],
                project: project.into(),
                amount,
                ..SizeReservation::default()
            })
        });
    }
    let snapshot = world.snapshot.clone();
    let all = v1::PartitionCapacityRequest::default();
    let count = one(&snapshot, &mut world, &all);
    assert_eq!(
        count,
        v1::ServerCapacity {
            size: SIZE.into(),
            total: 6,
            phoned_home: 1,
            waiting: 4,
            other: 1,
            othermachines: vec!["m106".into()],
            allocated: 1,
            allocatable: 3,
            free: 1,
            unavailable: 2,
            faulty: 2,
            faultymachines: vec!["m103".into(), "m106".into()],
            reservations: 3,
            usedreservations: 1,
            remainingreservations: 2,
        }
    );
    let mine =
        v1::PartitionCapacityRequest { projectid: Some("p1".into()), id: Some(PARTITION.into()), ..all };
    assert_eq!(one(&snapshot, &mut world, &mine).free, 2);
}

#[test]
fn capacity_filters_and_refuses_with_400() {
    let mut world = World::with_racks(1, 2);
    world.set::<Machine>("m101", |machine| machine.size = "retired".into());
    let of_size =
        |size: &str| v1::PartitionCapacityRequest { sizeid: Some(size.into()), ..Default::default() };
    let snapshot = world.snapshot.clone();
    assert_eq!(one(&snapshot, &mut world, &of_size("retired")).size, "unknown");
    assert_eq!(one(&snapshot, &mut world, &of_size(SIZE)).total, 1);
    assert!(capacity(&snapshot, &world.env(), &of_size("none")).unwrap().is_empty());
    let unknown = v1::PartitionCapacityRequest { id: Some("mars".into()), ..Default::default() };
    assert_eq!(capacity(&snapshot, &world.env(), &unknown).unwrap_err().class, Class::Invalid);
}
