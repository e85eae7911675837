//! What an allocation records, and what freeing, reinstalling and deleting leave behind.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::event_log::ProvisioningEvent;
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::machine::{Availability, Machine, MachineNetworkType, Role};
use metal_model::network::{Ip, IpType};
use metal_model::partition::Partition;
use metal_model::v1;

use super::super::{allocate_firewall, allocate_machine, delete, explain, free, reinstall};
use super::world::{PARTITION, World, firewall, nets, request};
use crate::{Class, switch};

fn commands(world: &World) -> Vec<PowerCommand> {
    world.snapshot.bmc_commands.iter().map(|command| command.command).collect()
}

fn vrfs(world: &World) -> Vec<&str> {
    world.snapshot.switches.iter().flat_map(|s| &s.ports).map(|port| port.vrf.as_str()).collect()
}

#[test]
fn an_allocation_records_everything() {
    let world = &mut World::with_racks(1, 1);
    world.set::<Partition>(PARTITION, |partition| {
        partition.dns_servers = vec![v1::DnsServer { ip: "9.9.9.9".into() }];
    });
    let mut req = request("p1");
    req.tags = ["a=1", "plain", "a=2", "plain", "machine.metal-stack.io/rack=fake"].map(str::to_owned).into();
    req.user_data = Some("IyEvYmluL3No".into());
    req.placement_tags = vec!["group".into()];
    let machine = world.change(|tx, env| allocate_machine(tx, env, &req));
    assert!(!machine.waiting);
    let allocation = machine.allocation.as_ref().unwrap();
    assert_eq!(allocation.creator, "ops@example.org");
    assert_eq!(allocation.image, "ubuntu-24.04.20250601", "the newest patch of 24.04");
    assert_eq!((allocation.hostname.as_str(), allocation.name.as_str()), ("metal", "box"));
    assert_eq!(allocation.dns_servers[0].ip, "9.9.9.9");
    assert_eq!(allocation.filesystem_layout_id, "default");
    assert_eq!(allocation.role, Role::Machine);
    assert_eq!(world.snapshot.asns.len(), 1);
    let asn = allocation.asn;
    assert!(world.snapshot.asns.contains(&asn.to_string()));
    let tags = [
        "a=2".to_owned(),
        "machine.metal-stack.io/chassis=serial-m101".to_owned(),
        format!("machine.metal-stack.io/network.primary.asn={asn}"),
        "machine.metal-stack.io/rack=rack-1".to_owned(),
        "plain".to_owned(),
    ];
    assert_eq!(machine.tags, tags);
    let [private, internet] = allocation.networks.as_slice() else { panic!("{:?}", allocation.networks) };
    assert_eq!(private.kind, MachineNetworkType::PrivatePrimaryUnshared);
    assert_eq!((private.vrf, private.asn, private.ips.len()), (11, asn, 2), "one address per family");
    assert_eq!((internet.kind, internet.nat), (MachineNetworkType::External, true));
    assert_eq!(internet.nat_type_v2, "ipv4-masq");
    for ip in allocation.networks.iter().flat_map(|network| &network.ips) {
        let ip = world.snapshot.find::<Ip>(&ip.to_string()).unwrap();
        assert_eq!((ip.description.as_str(), ip.name.as_str()), ("autoassigned", "box"));
        assert_eq!(ip.tags, ["machine.metal-stack.io/id=m101"]);
        assert_eq!((&ip.project, ip.kind), (&"p1".into(), IpType::Ephemeral));
    }
}

#[test]
fn a_shared_network_can_be_the_primary_one_and_firewalls_take_several() {
    let world = &mut World::with_racks(1, 2);
    let req = v1::MachineAllocateRequest { networks: nets(&["shared-p1"]), ..request("p1") };
    let machine = world.change(|tx, env| allocate_machine(tx, env, &req));
    let kind = |machine: &Machine, at: usize| machine.allocation.as_ref().unwrap().networks[at].kind;
    assert_eq!(kind(&machine, 0), MachineNetworkType::PrivatePrimaryShared);
    let req =
        v1::FirewallCreateRequest { networks: nets(&["internet", "shared-p2", "net-p1"]), ..firewall("p1") };
    let machine = world.change(|tx, env| allocate_firewall(tx, env, &req));
    let kinds: Vec<_> = (0..4).map(|at| kind(&machine, at)).collect();
    assert_eq!(
        kinds,
        [
            MachineNetworkType::PrivatePrimaryUnshared,
            MachineNetworkType::PrivateSecondaryShared,
            MachineNetworkType::External,
            MachineNetworkType::Underlay,
        ]
    );
    assert_eq!(machine.allocation.as_ref().unwrap().networks[3].ips.len(), 1);
}

#[test]
fn freeing_gives_everything_back_at_once() {
    let world = &mut World::with_racks(1, 1);
    let fixed = world.ip("internet", "p1", IpType::Static);
    let req = v1::MachineAllocateRequest { ips: vec![fixed.address.to_string()], ..request("p1") };
    world.change(|tx, env| {
        let machine = allocate_machine(tx, env, &req)?;
        switch::set_vrf(tx, env, machine.id.as_str(), "vrf11");
        Ok(())
    });
    assert_eq!((world.snapshot.ips.len(), vrfs(world)), (3, vec!["vrf11"]));
    let machine = world.change(|tx, env| free(tx, env, "m101"));
    assert!(machine.allocation.is_none() && machine.tags.is_empty() && !machine.waiting);
    assert_eq!(vrfs(world), [""]);
    assert_eq!(commands(world), [PowerCommand::LedOff, PowerCommand::Free]);
    assert!(world.snapshot.asns.is_empty());
    let left: Vec<_> = world.snapshot.ips.iter().collect();
    assert_eq!(left.len(), 1, "only the static one stays");
    assert!(left[0].tags.is_empty());
    let newest = &world.snapshot.event_logs.get("m101").unwrap().events[0];
    assert_eq!(
        (newest.event, newest.message.as_str()),
        (ProvisioningEvent::MachineReclaim, "free machine called")
    );
    // Freeing again only reboots it.
    world.change(|tx, env| free(tx, env, "m101"));
    assert_eq!(commands(world).len(), 4);
}

#[test]
fn addresses_of_two_machines_stay_until_the_last_is_freed() {
    let world = &mut World::with_racks(1, 2);
    let shared = world.ip("internet", "p1", IpType::Ephemeral).address.to_string();
    let req = v1::MachineAllocateRequest { ips: vec![shared.clone()], ..request("p1") };
    for _ in 0..2 {
        world.change(|tx, env| allocate_machine(tx, env, &req));
    }
    assert_eq!(world.snapshot.ips.get(&shared).unwrap().tags.len(), 2);
    world.change(|tx, env| free(tx, env, "m101"));
    assert!(world.snapshot.ips.contains(&shared));
    world.change(|tx, env| free(tx, env, "m102"));
    assert!(world.snapshot.ips.is_empty());
}

#[test]
fn locked_and_unknown_machines_are_not_freed() {
    let world = &mut World::with_racks(1, 1);
    let class = |world: &mut World, id: &str| world.attempt(|tx, env| free(tx, env, id)).unwrap_err();
    assert_eq!(class(world, "nobody").class, Class::NotFound);
    world.set("m101", |machine: &mut Machine| machine.state.value = Availability::Locked);
    let error = class(world, "m101");
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("machine is locked"), "{error}");
    assert!(commands(world).is_empty());
    // One without partition has no BMC to talk to, and is freed all the same.
    world.change(|tx, _| tx.create(Machine { id: "stray".into(), ..Machine::default() }));
    world.change(|tx, env| free(tx, env, "stray"));
    assert!(commands(world).is_empty());
}

fn to_image(id: &str) -> v1::MachineReinstallRequest {
    v1::MachineReinstallRequest { imageid: id.into(), ..v1::MachineReinstallRequest::default() }
}

#[test]
fn reinstalling_keeps_the_allocation() {
    let world = &mut World::with_racks(1, 1);
    let typed = "machine either locked, not allocated yet or invalid image ID specified";
    let attempt = |world: &mut World, image: &str| {
        world.attempt(|tx, env| reinstall(tx, env, "m101", &to_image(image)))
    };
    let error = attempt(world, "debian-12.0.20250101").unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (Class::Invalid, typed));
    let before = world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
    world.change(|tx, env| Ok(switch::set_vrf(tx, env, "m101", "vrf11")));
    assert_eq!(attempt(world, "").unwrap_err().class, Class::Invalid);
    assert_eq!(attempt(world, "debian-12").unwrap_err().class, Class::NotFound, "ids are literal");
    let after = attempt(world, "debian-12.0.20250101").unwrap();
    let (old, new) = (before.allocation.as_ref().unwrap(), after.allocation.as_ref().unwrap());
    assert!(new.reinstall && new.image == "debian-12.0.20250101");
    assert_eq!((&old.uuid, &old.networks), (&new.uuid, &new.networks));
    assert_eq!((commands(world), vrfs(world)), (vec![PowerCommand::Reinstall], vec![""]));
    world.set("m101", |machine: &mut Machine| machine.state.value = Availability::Locked);
    assert_eq!(attempt(world, "debian-12.0.20250101").unwrap_err().class, Class::Invalid);
}

#[test]
fn a_layout_that_wipes_nothing_cannot_be_reinstalled() {
    let world = &mut World::with_racks(1, 1);
    world.set::<FilesystemLayout>("default", |layout| {
        Arc::make_mut(&mut layout.layout).disks[0].wipeonreinstall = false;
    });
    world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
    let error =
        world.attempt(|tx, env| reinstall(tx, env, "m101", &to_image("debian-12.0.20250101"))).unwrap_err();
    assert_eq!(error.class, Class::Refused);
}

#[test]
fn only_machines_that_are_gone_are_deleted() {
    let world = &mut World::with_racks(1, 1);
    let error = world.attempt(|tx, env| delete(tx, env, "m101")).unwrap_err();
    assert_eq!(error.class, Class::Refused, "alive");
    world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
    world.silence("m101");
    let error = world.attempt(|tx, env| delete(tx, env, "m101")).unwrap_err();
    assert_eq!(error.class, Class::Refused, "allocated");
    world.change(|tx, env| free(tx, env, "m101"));
    world.silence("m101");
    world.change(|tx, env| delete(tx, env, "m101"));
    assert!(world.snapshot.machines.is_empty() && world.snapshot.bmcs.is_empty());
    assert!(world.snapshot.event_logs.contains("m101"), "its history stays");
    assert!(world.snapshot.switches.iter().all(|switch| switch.connections.is_empty()));
}

#[test]
fn a_dry_run_says_what_and_why_not() {
    let world = &mut World::with_racks(2, 2);
    world.set("m101", |machine: &mut Machine| machine.state.value = Availability::Reserved);
    world.silence("m102");
    let before = world.revision;
    let env = &mut world.env();
    let answer = explain(&world.snapshot, env, &request("p1"), Role::Machine);
    assert!(answer.possible);
    assert_eq!((answer.considered, answer.available), (4, 2));
    let chosen = answer.machine.unwrap();
    assert_eq!((chosen.rackid.as_str(), chosen.imageid.as_str()), ("rack-2", "ubuntu-24.04.20250601"));
    assert_eq!(chosen.networks[0].ips, ["10.0.0.1", "fd00:1::1"]);
    for id in ["m201", "m202"] {
        world.set(id, |machine: &mut Machine| machine.waiting = false);
    }
    let answer = explain(&world.snapshot, env, &request("p1"), Role::Machine);
    assert_eq!(answer.reason.as_deref(), Some("no machine available"));
    let rejected: Vec<_> = answer.rejected.iter().map(|r| (r.machines, r.reason.as_str())).collect();
    assert_eq!(
        rejected,
        [(2, "not waiting for an allocation"), (1, "not heard of lately"), (1, "reserved by an operator")]
    );
    let answer = explain(&world.snapshot, env, &request("p9"), Role::Machine);
    let unknown = Some("NotFound no project with id \"p9\" found");
    assert_eq!((answer.reason.as_deref(), answer.possible), (unknown, false));
    assert_eq!(world.revision, before + 2, "only the two machines were changed");
}
