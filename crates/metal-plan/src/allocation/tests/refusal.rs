//! Every reason an allocation is refused for, with its class and what the message names.

use metal_model::event_log::EventLog;
use metal_model::machine::{Availability, Machine, MachineState};
use metal_model::network::{IpType, Network};
use metal_model::project::Project;
use metal_model::size::{Size, SizeImageConstraint, SizeReservation};
use metal_model::v1::{self, FirewallEgressRule, FirewallIngressRule, FirewallRules};

use super::super::{allocate_firewall, allocate_machine};
use super::world::{PARTITION, SIZE, World, firewall, nets, request};
use crate::Class;

type Req = v1::MachineAllocateRequest;

/// Allocates after a change of the request, and expects to be refused.
#[track_caller]
fn refused(world: &mut World, change: impl FnOnce(&mut Req), class: Class, word: &str) {
    let mut req = request("p1");
    change(&mut req);
    let before = world.revision;
    let error = world.attempt(|tx, env| allocate_machine(tx, env, &req)).expect_err(word);
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.message.contains(word), "{error:?} does not say {word:?}");
    assert_eq!(world.revision, before, "nothing is written");
}

#[track_caller]
fn firewall_refused(
    world: &mut World,
    change: impl FnOnce(&mut v1::FirewallCreateRequest),
    class: Class,
    word: &str,
) {
    let mut req = firewall("p1");
    change(&mut req);
    let error = world.attempt(|tx, env| allocate_firewall(tx, env, &req)).expect_err(word);
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.message.contains(word), "{error:?} does not say {word:?}");
}

fn text(value: &str) -> String {
    value.to_owned()
}

#[test]
fn mistakes_of_the_request_are_400() {
    let world = &mut World::with_racks(1, 1);
    let dns = |ips: &[&str]| ips.iter().map(|ip| v1::DnsServer { ip: text(ip) }).collect::<Vec<_>>();
    let ntp = |names: &[&str]| names.iter().map(|n| v1::NtpServer { address: text(n) }).collect::<Vec<_>>();
    let invalid = Class::Invalid;
    refused(world, |r| r.networks.clear(), invalid, "networks");
    refused(world, |r| r.imageid = text("plan9-4.0"), invalid, "no image for id:plan9-4.0 found");
    refused(world, |r| r.imageid = text("ubuntu"), invalid, "no image for id:ubuntu found");
    refused(world, |r| r.imageid = text("firewall-3.0"), invalid, "feature");
    refused(world, |r| r.partitionid.clear(), invalid, "partitionid");
    refused(world, |r| r.sizeid.clear(), invalid, "sizeid");
    refused(world, |r| r.partitionid = text("mars"), invalid, "no partition with id \"mars\"");
    refused(world, |r| r.sizeid = text("xxl"), invalid, "no size with id \"xxl\"");
    refused(world, |r| r.uuid = Some(text("nobody")), invalid, "no machine with id \"nobody\"");
    refused(world, |r| r.dns_servers = dns(&["1.1.1.1", "nine"]), invalid, "dns_servers");
    refused(world, |r| r.dns_servers = dns(&["::1"; 4]), invalid, "dns_servers");
    refused(world, |r| r.ntp_servers = ntp(&["-bad-"]), invalid, "ntp_servers");
    refused(world, |r| r.ntp_servers = ntp(&["a.org"; 6]), invalid, "ntp_servers");
}

#[test]
fn firewall_rules_are_400() {
    let world = &mut World::with_racks(1, 1);
    let egress = |change: fn(&mut FirewallEgressRule)| {
        let mut rule =
            FirewallEgressRule { to: vec![text("0.0.0.0/0")], ports: vec![443], ..Default::default() };
        change(&mut rule);
        Some(FirewallRules { egress: vec![rule], ..FirewallRules::default() })
    };
    let ingress = |to: &str, from: &str| {
        let rule = FirewallIngressRule { to: vec![text(to)], from: vec![text(from)], ..Default::default() };
        Some(FirewallRules { ingress: vec![rule], ..FirewallRules::default() })
    };
    for (rules, word) in [
        (egress(|rule| rule.protocol = text("icmp")), "protocol"),
        (egress(|rule| rule.comment = text("no; quotes")), "comment"),
        (egress(|rule| rule.comment = "a".repeat(101)), "comment"),
        (egress(|rule| rule.ports = vec![65_536]), "port 65536"),
        (egress(|rule| rule.ports = vec![-1]), "port -1"),
        (egress(|rule| rule.to = vec![text("10.0.0.0")]), "prefix"),
        (egress(|rule| rule.to.push(text("::/0"))), "family"),
        (ingress("10.0.0.0/8", "::/0"), "family"),
    ] {
        firewall_refused(world, |r| r.firewall_rules = rules, Class::Invalid, word);
    }
    let rules = egress(|rule| rule.protocol = text("UDP"));
    let mut req = firewall("p1");
    req.firewall_rules = rules;
    let machine = world.change(|tx, env| allocate_firewall(tx, env, &req));
    let stored = machine.allocation.as_ref().unwrap().firewall_rules.clone().unwrap();
    assert_eq!(stored.egress[0].protocol, "udp");
}

#[test]
fn rules_about_the_request_are_422() {
    let world = &mut World::with_racks(1, 1);
    let refuse = Class::Refused;
    refused(world, |r| r.projectid.clear(), refuse, "projectid");
    refused(world, |r| r.ips = vec![text("10.0.0.256")], refuse, "ips");
    refused(world, |r| r.ssh_pub_keys = vec![text("ssh-rsa broken")], refuse, "ssh_pub_keys");
    refused(world, |r| r.networks[1].autoacquire = Some(false), refuse, "ips");
    refused(world, |r| r.projectid = text("p9"), Class::NotFound, "no project with id \"p9\"");
    refused(world, |r| r.filesystemlayoutid = Some(text("x")), Class::NotFound, "no filesystemlayout");
    firewall_refused(
        world,
        |r| r.networks.iter_mut().for_each(|n| n.autoacquire = Some(false)),
        refuse,
        "a firewall needs an address",
    );
    world.change(|tx, _| tx.create(Size { id: "bare".into(), ..Size::default() }));
    refused(world, |r| r.sizeid = text("bare"), refuse, "no filesystem layout");
}

#[test]
fn a_size_may_not_allow_the_image() {
    let world = &mut World::with_racks(1, 1);
    let images = [(text("ubuntu"), text(">= 24.04.20250601"))].into();
    world.change(|tx, _| {
        tx.create(SizeImageConstraint { id: SIZE.into(), images, ..SizeImageConstraint::default() })
    });
    refused(world, |r| r.imageid = text("ubuntu-24.04.20250101"), Class::Refused, "does not satisfy");
    world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
}

#[test]
fn quota_counts_machines_and_firewalls() {
    let world = &mut World::with_racks(1, 5);
    world.set::<Project>("p1", |project| {
        project.quotas.machine = Some(v1::Quota { quota: Some(2), used: None });
    });
    world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
    world.change(|tx, env| allocate_firewall(tx, env, &firewall("p1")));
    refused(world, |_| {}, Class::Refused, "quota");
    firewall_refused(world, |_| {}, Class::Refused, "quota");
    world.change(|tx, env| allocate_machine(tx, env, &request("p2")));
}

#[test]
fn machines_that_cannot_be_had() {
    let world = &mut World::with_racks(1, 1);
    let none = "no machine available";
    let state =
        |value| move |machine: &mut Machine| machine.state = MachineState { value, ..Default::default() };
    world.silence("m101");
    refused(world, |_| {}, Class::Refused, none);
    refused(world, |r| r.uuid = Some(text("m101")), Class::Refused, "not been heard of");
    world.boot("m101", "rack-1");
    world.set("m101", |machine: &mut Machine| machine.waiting = false);
    refused(world, |_| {}, Class::Refused, none);
    refused(world, |r| r.uuid = Some(text("m101")), Class::Refused, "not waiting");
    world.boot("m101", "rack-1");
    world.set("m101", state(Availability::Locked));
    refused(world, |_| {}, Class::Refused, none);
    refused(world, |r| r.uuid = Some(text("m101")), Class::Refused, "locked");
    world.set("m101", state(Availability::Reserved));
    refused(world, |_| {}, Class::Refused, none);
    world.change(|tx, env| {
        let req = Req { uuid: Some(text("m101")), sizeid: String::new(), ..request("p1") };
        allocate_machine(tx, env, &req)
    });
    refused(world, |r| r.uuid = Some(text("m101")), Class::Refused, "already allocated");
    world.boot("m102", "rack-1");
    world.change(|tx, _| {
        tx.delete::<EventLog>("m102");
        Ok(())
    });
    refused(world, |_| {}, Class::Refused, none);
}

#[test]
fn reservations_keep_machines_free() {
    let world = &mut World::with_racks(1, 3);
    let reserve = |amount, project: &str| SizeReservation {
        id: format!("for-{project}").into(),
        size: SIZE.into(),
        partitions: vec![PARTITION.into()],
        project: project.into(),
        amount,
        ..SizeReservation::default()
    };
    world.change(|tx, _| Ok(tx.put(reserve(2, "p2"))));
    world.change(|tx, env| allocate_machine(tx, env, &request("p1")));
    refused(world, |_| {}, Class::Refused, "no machine available: all 2 free ones are reserved");
    world.change(|tx, env| allocate_machine(tx, env, &request("p2")));
    refused(world, |_| {}, Class::Refused, "reserved");
    world.change(|tx, env| allocate_machine(tx, env, &request("p2")));
    for machine in ["m104", "m105"] {
        world.boot(machine, "rack-1");
    }
    // p2 has used all of its reservation and is as good as anybody.
    world.change(|tx, _| Ok(tx.put(reserve(2, "p1"))));
    world.change(|tx, env| allocate_machine(tx, env, &request("p2")));
    let error = world.attempt(|tx, env| allocate_machine(tx, env, &request("p2"))).unwrap_err();
    assert!(error.message.contains("reserved"), "{error}");
}

#[test]
fn more_than_reserved_does_not_lessen_what_others_reserved() {
    let world = &mut World::with_racks(1, 6);
    let mut put = |id: &str, amount, project: &str| {
        world.change(|tx, _| {
            tx.create(SizeReservation {
                id: id.into(),
                size: SIZE.into(),
                partitions: vec![PARTITION.into()],
                project: project.into(),
                amount,
                ..SizeReservation::default()
            })
        })
    };
    put("a", 2, "gone");
    put("b", 1, "p2");
    for _ in 0..4 {
        world.change(|tx, env| allocate_machine(tx, env, &request("p2")));
    }
    refused(world, |_| {}, Class::Refused, "reserved");
}

#[test]
fn the_hardware_must_hold_the_layout() {
    let world = &mut World::with_racks(1, 1);
    world.set("m101", |machine: &mut Machine| machine.hardware = std::sync::Arc::default());
    refused(world, |_| {}, Class::Refused, "/dev/sda");
}

#[test]
fn network_rules() {
    let world = &mut World::with_racks(1, 1);
    let refuse = Class::Refused;
    for (ids, class, word) in [
        (vec!["nowhere"], Class::NotFound, "no network with id \"nowhere\""),
        (vec!["net-p1", "underlay"], refuse, "underlay"),
        (vec!["super"], refuse, "super"),
        (vec!["net-p1", "other-p1"], refuse, "only one is possible"),
        (vec!["net-p1", "net-p1"], refuse, "more than once"),
        (vec!["net-p1", "internet", "internet"], refuse, "more than once"),
        (vec!["internet"], refuse, "no private network"),
        (vec!["shared-p1", "shared-p2"], refuse, "not shared"),
        (vec!["net-p1", "shared-p1"], refuse, "one private network only"),
        (vec!["net-p2"], refuse, "belongs to project \"p2\""),
        (vec!["shared-p2"], refuse, "belongs to project \"p2\""),
        (vec!["far-p1"], refuse, "elsewhere"),
    ] {
        refused(world, |r| r.networks = nets(&ids), class, word);
    }
    world.set::<Network>("super", |network| network.private_super = false);
    refused(world, |_| {}, refuse, "no private super network");
}

#[test]
fn firewalls_need_one_underlay() {
    let world = &mut World::with_racks(1, 1);
    let second = |tx: &mut crate::Tx| {
        tx.create(Network {
            id: "underlay-2".into(),
            underlay: true,
            partition: PARTITION.into(),
            ..Network::default()
        })
    };
    world.change(|tx, _| second(tx));
    firewall_refused(world, |_| {}, Class::Refused, "underlay");
    world.change(|tx, _| {
        tx.delete::<Network>("underlay-2");
        tx.delete::<Network>("underlay");
        Ok(())
    });
    firewall_refused(world, |_| {}, Class::Refused, "underlay");
}

#[test]
fn given_addresses() {
    let world = &mut World::with_racks(1, 2);
    let own = world.ip("net-p1", "p1", IpType::Static).address.to_string();
    let foreign = world.ip("net-p2", "p2", IpType::Static).address.to_string();
    let elsewhere = world.ip("other-p1", "p1", IpType::Static).address.to_string();
    refused(world, |r| r.ips = vec![text("10.0.0.99")], Class::NotFound, "no ip with id \"10.0.0.99\"");
    refused(world, |r| r.ips = vec![foreign], Class::Refused, "belongs to project \"p2\"");
    refused(world, |r| r.ips = vec![elsewhere], Class::Refused, "not among the networks");
    let external = world.ip("internet", "p1", IpType::Ephemeral).address.to_string();
    let no_auto = |r: &mut Req| {
        r.networks[0].autoacquire = Some(false);
        r.ips = vec![external.clone()];
    };
    refused(world, no_auto, Class::Refused, "acquires no address");
    let req = Req { ips: vec![own.clone(), own.clone()], ..request("p1") };
    let machine = world.change(|tx, env| allocate_machine(tx, env, &req));
    let allocation = machine.allocation.as_ref().unwrap();
    let ips: Vec<String> = allocation.networks[0].ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, [own], "a given address replaces the automatic ones of its network");
    assert_eq!(allocation.networks[1].ips.len(), 1);
}

#[test]
fn pools_that_ran_dry_are_500() {
    let world = &mut World::with_racks(1, 1);
    world.set::<Network>("internet", |network| network.prefixes = vec!["198.51.100.0/31".parse().unwrap()]);
    refused(world, |_| {}, Class::Internal, "no ips left");
}
