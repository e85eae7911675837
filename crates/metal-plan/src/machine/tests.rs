//! Reading and changing machines, power, and BMC reports.

use std::sync::Arc;

use metal_model::agent::PowerCommand;
use metal_model::event_log::{EventLog, ProvisioningEvent};
use metal_model::image::Image;
use metal_model::machine::{Availability, Bmc, Machine, Role};
use metal_model::partition::Partition;
use metal_model::size::Size;
use metal_model::v1;
use proptest::prelude::*;

use super::*;
use crate::testbed::{allocate, allocation, any_request, env, inventory, rack};
use crate::{Class, Tx, command, event, registration};

type Change = fn(&mut Tx);

/// Machine `m1` of size `s1`, allocated with image `debian-12.0`, everything in place.
fn complete() -> Tx {
    let mut tx = rack();
    registration::register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    tx.put(Size { id: "s1".into(), name: "small".into(), ..Size::default() });
    tx.put(Image { id: "debian-12.0".into(), ..Image::default() });
    tx.modify::<Machine>("m1", |machine| machine.size = "s1".into()).unwrap();
    allocate(&mut tx, "m1", allocation(Role::Machine));
    tx
}

fn stored<'a>(tx: &'a Tx, id: &str) -> &'a Arc<Machine> {
    tx.state().machines.get(id).unwrap()
}

#[test]
fn a_machine_in_full() {
    let mut tx = complete();
    for _ in 0..30 {
        event::process(&mut tx, &mut env(2), "m1", ProvisioningEvent::PlannedReboot, "RESET");
    }
    let view = response(tx.state(), stored(&tx, "m1")).unwrap();
    assert_eq!(view.partition.as_ref().unwrap().id, "p1");
    assert_eq!(view.size.as_ref().unwrap().name, "small");
    assert_eq!((view.rackid.as_str(), view.liveliness.as_str()), ("r1", "Alive"));
    assert_eq!(view.events.log.len(), 20);
    assert!(Arc::ptr_eq(&view.hardware, &stored(&tx, "m1").hardware), "shared, not copied");
    let held = view.allocation.unwrap();
    assert_eq!(held.image.as_ref().unwrap().id, "debian-12.0");
    assert_eq!((held.role.as_str(), held.succeeded), ("machine", false));
    let network = &held.networks[0];
    assert_eq!(
        (network.networktype.as_str(), network.private, network.underlay),
        ("privateprimaryunshared", true, false)
    );
    assert_eq!(
        (network.vrf, network.asn, network.ips.as_slice()),
        (42, 4_210_000_001, ["10.1.0.5".to_owned()].as_slice())
    );
    let text = serde_json::to_string(&held).unwrap();
    assert!(!text.contains("console_password"));
    let bmc = ipmi_response(tx.state(), stored(&tx, "m1")).unwrap();
    assert_eq!((bmc.ipmi.address.as_str(), bmc.ipmi.user.as_str()), ("10.0.0.1:623", "metal"));
}

#[test]
fn missing_references_are_errors_of_single_reads_only() {
    let cases: [(&str, Change); 4] = [
        ("partition", |tx| tx.delete::<Partition>("p1")),
        ("size", |tx| tx.delete::<Size>("s1")),
        ("image", |tx| tx.delete::<Image>("debian-12.0")),
        ("provisioningeventcontainer", |tx| tx.delete::<EventLog>("m1")),
    ];
    for (kind, remove) in cases {
        let mut tx = complete();
        remove(&mut tx);
        let machine = stored(&tx, "m1");
        let refusal = response(tx.state(), machine).unwrap_err();
        assert_eq!(refusal.class, Class::NotFound);
        assert!(refusal.message.starts_with(&format!("NotFound no {kind} with id")), "{}", refusal.message);
        assert!(ipmi_response(tx.state(), machine).is_err());
        let lenient = list_response(tx.state(), machine);
        let empty = match kind {
            "partition" => lenient.partition.unwrap().id.clone(),
            "size" => lenient.size.unwrap().id.clone(),
            "image" => lenient.allocation.unwrap().image.as_ref().unwrap().id.clone(),
            _ => lenient.liveliness,
        };
        assert_eq!(empty, "", "{kind}");
    }
}

#[test]
fn machines_seen_only_once_refer_to_nothing() {
    let mut tx = rack();
    event::receive(&mut tx, &mut env(1), "m9", "", "PXE Booting", "").unwrap();
    let view = response(tx.state(), stored(&tx, "m9")).unwrap();
    assert!(view.partition.is_none() && view.size.is_none() && view.allocation.is_none());
    registration::register(&mut tx, &mut env(1), &inventory("m9", 0)).unwrap();
    let view = response(tx.state(), stored(&tx, "m9")).unwrap();
    assert_eq!(view.size.unwrap().name, "unknown");
}

#[test]
fn views_share_what_machines_have_in_common() {
    let tx = complete();
    let mut views = Views::new(tx.state());
    let [one, two] = [views.machine(stored(&tx, "m1")), views.machine(stored(&tx, "m1"))];
    assert!(Arc::ptr_eq(&one.partition.unwrap(), &two.partition.unwrap()));
    assert!(Arc::ptr_eq(&one.size.unwrap(), &two.size.unwrap()));
}

#[test]
fn states() {
    let mut tx = complete();
    let mut set = |value: &str, description: &str| {
        let req = v1::MachineState {
            value: value.into(),
            description: description.into(),
            metal_hammer_version: "ignored".into(),
            ..Default::default()
        };
        set_state(&mut tx, &mut env(5), "m1", &req).map(|machine| machine.state.clone())
    };
    for (value, description) in
        [("BROKEN", "x"), ("reserved", "x"), ("RESERVED", ""), ("LOCKED", ""), ("TAINTED", "")]
    {
        assert_eq!(set(value, description).unwrap_err().class, Class::Invalid, "{value}");
    }
    for value in ["RESERVED", "TAINTED"] {
        let state = set(value, "mine").unwrap();
        assert_eq!((state.value.wire(), state.issuer.as_str()), ("RESERVED", "ops@example.org"));
        assert_eq!(state.metal_hammer_version, "v1");
    }
    assert_eq!(set("LOCKED", "broken").unwrap().value, Availability::Locked);
    let state = set("", "").unwrap();
    assert_eq!((state.value, state.issuer.as_str()), (Availability::Available, ""));
    let unknown = set_state(&mut tx, &mut env(5), "m9", &v1::MachineState::default());
    assert_eq!(unknown.unwrap_err().class, Class::NotFound);
}

#[test]
fn updates() {
    let mut tx = complete();
    let mut change = |req: v1::MachineUpdateRequest| {
        let machine = update(&mut tx, &mut env(5), &req).unwrap();
        (machine.allocation.clone().unwrap(), machine.tags.clone())
    };
    let req = |change: fn(&mut v1::MachineUpdateRequest)| {
        let mut req = v1::MachineUpdateRequest { id: "m1".into(), ..Default::default() };
        change(&mut req);
        req
    };
    let (held, _) = change(req(|req| {
        req.description = Some("new".into());
        req.ssh_pub_keys = vec!["ssh-ed25519 AAAA".into()];
    }));
    assert_eq!((held.description.as_str(), held.ssh_pub_keys.len()), ("new", 1));
    let (held, tags) =
        change(req(|req| req.tags = Some(vec!["a".into(), "k=1".into(), "k=2".into(), "a".into()])));
    assert_eq!((held.description.as_str(), held.ssh_pub_keys.len()), ("new", 1), "absent keeps");
    assert_eq!(
        tags,
        [
            "a",
            "k=2",
            "machine.metal-stack.io/network.primary.asn=4210000001",
            "machine.metal-stack.io/rack=r1"
        ]
    );
    let (held, kept) = change(req(|req| {
        req.description = Some(String::new());
        req.tags = Some(Vec::new());
    }));
    assert_eq!((held.description.as_str(), kept), ("", tags));
    tx.modify::<Machine>("m1", |machine| machine.allocation = None).unwrap();
    assert_eq!(update(&mut tx, &mut env(5), &req(|_| {})).unwrap_err().class, Class::Invalid);
    assert_eq!(
        update(&mut tx, &mut env(5), &req(|req| req.id = "m9".into())).unwrap_err().class,
        Class::NotFound
    );
}

#[test]
fn power_commands() {
    for (command, has_event, has_led) in [
        (PowerCommand::On, false, false),
        (PowerCommand::Off, true, false),
        (PowerCommand::Reset, true, false),
        (PowerCommand::Cycle, true, false),
        (PowerCommand::Bios, false, false),
        (PowerCommand::Disk, false, false),
        (PowerCommand::Pxe, false, false),
        (PowerCommand::LedOn, false, true),
        (PowerCommand::LedOff, false, true),
    ] {
        let mut tx = complete();
        let machine = power(&mut tx, &mut env(5), "m1", command, "here").unwrap();
        let given = command::pending(tx.state(), "p1", 0, env(5).now);
        assert_eq!(
            (given.len(), given[0].command, given[0].issuer.as_str()),
            (1, command, "ops@example.org")
        );
        let newest = tx.state().event_logs.get("m1").unwrap().events.first().cloned();
        let event = newest.map(|newest| (newest.event, newest.message.clone()));
        let expected = has_event.then(|| (ProvisioningEvent::PlannedReboot, command.wire().to_owned()));
        assert_eq!(event, expected, "{command:?}");
        assert_eq!(machine.led.description == "here" && machine.led.value == command.wire(), has_led);
    }
    let mut tx = complete();
    assert_eq!(power(&mut tx, &mut env(5), "m9", PowerCommand::On, "").unwrap_err().class, Class::NotFound);
    tx.modify::<Machine>("m1", |machine| machine.partition = "".into()).unwrap();
    assert_eq!(power(&mut tx, &mut env(5), "m1", PowerCommand::On, "").unwrap_err().class, Class::Refused);
}

#[test]
fn console_passwords_need_a_reason() {
    let mut tx = complete();
    let ask = |tx: &Tx, id: &str, reason: &str| {
        let req = v1::MachineConsolePasswordRequest { id: id.into(), reason: reason.into() };
        console_password(tx.state(), &req, 4).map(|answer| answer.console_password)
    };
    assert_eq!(ask(&tx, "m1", "abc").unwrap_err().class, Class::Invalid);
    assert_eq!(ask(&tx, "m9", "because").unwrap_err().class, Class::NotFound);
    assert_eq!(ask(&tx, "m1", "äöüß").unwrap(), "", "not reported yet");
    tx.modify::<Machine>("m1", |machine| machine.allocation = None).unwrap();
    assert_eq!(ask(&tx, "m1", "because").unwrap_err().class, Class::Refused);
}

#[test]
fn firewalls_are_machines_with_a_role() {
    let mut tx = complete();
    let refusal = firewall::get(tx.state(), "m1").unwrap_err();
    assert_eq!(
        (refusal.class, refusal.message.as_str()),
        (Class::NotFound, "NotFound machine is not a firewall")
    );
    let all = v1::FirewallFindRequest::default();
    assert!(firewall::find(tx.state(), &all).unwrap().is_empty());
    allocate(&mut tx, "m1", allocation(Role::Firewall));
    assert!(firewall::get(tx.state(), "m1").is_ok());
    assert_eq!(firewall::find(tx.state(), &all).unwrap().len(), 1);
    assert_eq!(firewall::get(tx.state(), "m9").unwrap_err().class, Class::NotFound);
}

fn reports(partition: &str, of: &[(&str, v1::MachineIpmiReport)]) -> v1::MachineIpmiReports {
    let reports = of.iter().map(|(id, report)| ((*id).to_owned(), report.clone())).collect();
    v1::MachineIpmiReports { partitionid: partition.into(), reports }
}

fn report(ip: &str) -> v1::MachineIpmiReport {
    v1::MachineIpmiReport { bmc_ip: ip.into(), indicator_led_state: "LED-ON".into(), ..Default::default() }
}

#[test]
fn bmc_reports_update_adopt_create_and_skip() {
    let mut tx = complete();
    tx.put(Partition { id: "p2".into(), ..Partition::default() });
    for (id, partition) in [("far", "p2"), ("stray", "")] {
        tx.put(Machine { id: id.into(), partition: partition.into(), ..Machine::default() });
    }
    let req = reports(
        "p1",
        &[
            ("", report("10.0.0.9")),
            ("far", report("10.0.0.9")),
            ("m1", report("2001:db8::1")),
            ("new", report("10.0.0.8")),
            ("stray", report("10.0.0.7")),
        ],
    );
    let answer = ipmi_report(&mut tx, &mut env(9), &req).unwrap();
    assert_eq!((answer.updated, answer.created), (vec!["m1".into(), "stray".into()], vec!["new".into()]));
    let address = |id: &str| tx.state().bmcs.get(id).map(|bmc| bmc.address.clone());
    assert_eq!(address("m1").as_deref(), Some("[2001:db8::1]:623"));
    assert_eq!(address("new").as_deref(), Some("10.0.0.8:623"));
    assert_eq!(address("far"), None);
    assert_eq!(stored(&tx, "stray").partition, *"p1");
    assert_eq!(
        (stored(&tx, "new").partition.as_str(), stored(&tx, "new").led.value.as_str()),
        ("p1", "LED-ON")
    );
    assert_eq!(stored(&tx, "m1").led.description, "Machine registered", "descriptions stay");
    assert!(response(tx.state(), stored(&tx, "new")).is_err(), "no events yet");
    for (partition, class) in [("", Class::Invalid), ("p9", Class::NotFound)] {
        assert_eq!(ipmi_report(&mut tx, &mut env(9), &reports(partition, &[])).unwrap_err().class, class);
    }
}

#[test]
fn bmc_reports_keep_what_they_do_not_say() {
    let mut tx = complete();
    let full = v1::MachineIpmiReport {
        fru: Some(v1::MachineFru { board_mfg: "ACME".into(), ..Default::default() }),
        bios_version: "2.0".into(),
        bmc_version: "3.1".into(),
        power_state: "ON".into(),
        power_metric: Some(v1::PowerMetric { averageconsumedwatts: 80.0, ..Default::default() }),
        power_supplies: vec![v1::PowerSupply::default()],
        ..report("10.0.0.1")
    };
    ipmi_report(&mut tx, &mut env(9), &reports("p1", &[("m1", full)])).unwrap();
    let before = tx.state().bmcs.get("m1").unwrap().clone();
    assert_eq!((before.fru.board_mfg.as_str(), stored(&tx, "m1").bios.version.as_str()), ("ACME", "2.0"));
    let mut again = Tx::new(tx.state());
    let empty = v1::MachineIpmiReport { fru: Some(v1::MachineFru::default()), ..Default::default() };
    ipmi_report(&mut again, &mut env(10), &reports("p1", &[("m1", empty)])).unwrap();
    let expected = Bmc { power_supplies: Vec::new(), last_updated: Some(env(10).now), ..Bmc::clone(&before) };
    assert_eq!(**again.state().bmcs.get("m1").unwrap(), expected);
    assert_eq!(again.finish().writes.len(), 1, "the machine's record says nothing new");
}

proptest! {
    #[test]
    fn requests_never_panic(
        state in any_request::<v1::MachineState>(&["value", "description", "issuer"]),
        updated in any_request::<v1::MachineUpdateRequest>(&["id", "description", "tags", "ssh_pub_keys"]),
        reported in any_request::<v1::MachineIpmiReports>(&["partitionid", "reports"]),
        asked in any_request::<v1::MachineConsolePasswordRequest>(&["id", "reason"]),
        found in any_request::<v1::MachineFindRequest>(&[
            "id", "partition_id", "allocation_project", "network_prefixes", "network_ips", "network_vrfs",
            "hardware_memory", "disk_sizes", "state_value", "nics_vrfs", "ipmi_address",
        ]),
        id in prop::sample::select(vec!["m1", "m2", "", "a/b"]),
    ) {
        let mut tx = complete();
        let env = &mut env(9);
        let _ = set_state(&mut tx, env, id, &state);
        let _ = update(&mut tx, env, &updated);
        let _ = ipmi_report(&mut tx, env, &reported);
        let partition = v1::MachineIpmiReports { partitionid: "p1".into(), ..reported };
        let _ = ipmi_report(&mut tx, env, &partition);
        let _ = console_password(tx.state(), &asked, 3);
        let _ = find(tx.state(), &found);
        for machine in tx.state().machines.iter() {
            let _ = ipmi_response(tx.state(), machine);
            let _ = list_response(tx.state(), machine);
        }
    }
}
