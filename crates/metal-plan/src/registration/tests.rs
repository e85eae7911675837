//! Registration, waiting, reports and given up reinstallations.

use metal_model::agent::PowerCommand;
use metal_model::event_log::ProvisioningEvent;
use metal_model::machine::{Allocation, Availability, Bmc, Machine, Role};
use metal_model::v1;
use proptest::prelude::*;

use super::*;
use crate::testbed::{allocate, allocation, cables, env, inventory, rack, vrfs};
use crate::{Class, Tx, command, event, switch};

type Change<T> = fn(&mut T);

fn stored<'a>(tx: &'a Tx, id: &str) -> &'a Machine {
    tx.state().machines.get(id).unwrap()
}

fn commands(tx: &Tx) -> Vec<PowerCommand> {
    command::pending(tx.state(), "p1", 0, env(3).now).iter().map(|given| given.command).collect()
}

/// Machine `m1`, allocated.
fn installing(role: Role) -> Tx {
    let mut tx = rack();
    register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    allocate(&mut tx, "m1", allocation(role));
    for event in [ProvisioningEvent::Waiting, ProvisioningEvent::Installing] {
        event::process(&mut tx, &mut env(1), "m1", event, "");
    }
    tx
}

fn success(machine: &str) -> Report {
    Report {
        machine: machine.into(),
        console_password: "geheim".into(),
        boot_info: Some(v1::BootInfo {
            image_id: "whatever".into(),
            kernel: "/boot/vmlinuz".into(),
            ..v1::BootInfo::default()
        }),
        success: true,
        message: String::new(),
    }
}

#[test]
fn first_and_later_registrations() {
    let mut tx = rack();
    let registered = register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    assert_eq!((registered.size.as_str(), registered.partition.as_str()), ("unknown", "p1"));
    let machine = stored(&tx, "m1").clone();
    assert_eq!(
        (machine.led.value.as_str(), machine.led.description.as_str()),
        ("LED-OFF", "Machine registered")
    );
    assert_eq!((machine.rack.as_str(), machine.tags.as_slice()), ("r1", ["first".to_owned()].as_slice()));
    assert_eq!(machine.hardware.nics[1].neighbors[0].identifier, "leaf02-0");
    assert_eq!(machine.state.metal_hammer_version, "v1");
    assert!(!machine.waiting && tx.state().event_logs.contains("m1"));
    assert_eq!(tx.state().bmcs.get("m1").unwrap().last_updated, Some(env(1).now));

    tx.modify::<Machine>("m1", |machine| {
        machine.state.value = Availability::Locked;
        machine.waiting = true;
    })
    .unwrap();
    tx.modify::<Bmc>("m1", |bmc| bmc.power_metric = Some(v1::PowerMetric::default())).unwrap();
    let mut again = inventory("m1", 1);
    again.tags = vec!["second".into()];
    again.hammer_version = "v2".into();
    register(&mut tx, &mut env(2), &again).unwrap();
    let machine = stored(&tx, "m1");
    assert_eq!(
        (machine.state.value, machine.state.metal_hammer_version.as_str()),
        (Availability::Locked, "v2")
    );
    assert_eq!((machine.tags.as_slice(), machine.waiting), (["first".to_owned()].as_slice(), false));
    let bmc = tx.state().bmcs.get("m1").unwrap();
    assert!(bmc.power_metric.is_some() && bmc.address == "10.0.0.2:623");
    again.bmc = None;
    register(&mut tx, &mut env(2), &again).unwrap();
    assert_eq!(tx.state().bmcs.get("m1").unwrap().address, "10.0.0.2:623");
}

#[test]
fn incomplete_inventories_are_refused() {
    let cases: [(&str, Change<Inventory>, Class); 6] = [
        ("uuid", |it| it.machine.clear(), Class::Invalid),
        ("hardware", |it| it.hardware = None, Class::Invalid),
        ("bios", |it| it.bios = None, Class::Invalid),
        ("partition_id", |it| it.partition.clear(), Class::Invalid),
        ("no partition", |it| it.partition = "p9".into(), Class::NotFound),
        ("two switches", |it| it.nics = cables(&[("leaf01", 0)]), Class::Refused),
    ];
    for (why, spoil, class) in cases {
        let mut tx = rack();
        let mut inventory = inventory("m1", 0);
        spoil(&mut inventory);
        let refusal = register(&mut tx, &mut env(1), &inventory).unwrap_err();
        assert_eq!(refusal.class, class, "{why}");
        assert!(refusal.message.contains(why), "{}", refusal.message);
    }
}

#[test]
fn waiting_is_written_when_it_changes() {
    let mut tx = rack();
    register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    assert!(set_waiting(&mut tx, "m1", true).unwrap().waiting);
    let mut again = Tx::new(tx.state());
    set_waiting(&mut again, "m1", true).unwrap();
    assert!(again.is_empty());
    assert_eq!(set_waiting(&mut tx, "m2", true).unwrap_err().class, Class::NotFound);
}

#[test]
fn a_successful_report_opens_the_network() {
    for (role, vrf) in [(Role::Machine, "vrf42"), (Role::Firewall, "default")] {
        let mut tx = installing(role);
        command::give(&mut tx, &mut env(2), &"p1".into(), &"m1".into(), PowerCommand::Reinstall).unwrap();
        report(&mut tx, &mut env(3), &success("m1")).unwrap();
        let held = stored(&tx, "m1").allocation.clone().unwrap();
        assert_eq!(held.boot_info.as_ref().unwrap().image_id, "debian-12.0");
        assert_eq!((held.console_password.as_str(), held.reinstall), ("geheim", false));
        assert_eq!(vrfs(&tx, "leaf01"), [("swp1".to_owned(), vrf.to_owned())].into());
        assert_eq!(vrfs(&tx, "leaf02"), [("Ethernet0".to_owned(), vrf.to_owned())].into());
        assert_eq!(commands(&tx), [PowerCommand::Disk], "it must not be installed again");
    }
}

#[test]
fn a_failed_installation_leaves_the_network_closed() {
    let mut tx = installing(Role::Machine);
    let failed = Report { success: false, message: "no disk".into(), boot_info: None, ..success("m1") };
    report(&mut tx, &mut env(3), &failed).unwrap();
    assert!(vrfs(&tx, "leaf01").is_empty() && commands(&tx).is_empty());
    assert!(stored(&tx, "m1").allocation.as_ref().unwrap().boot_info.is_none());
    let log = tx.state().event_logs.get("m1").unwrap();
    assert_eq!(log.events[0].event, ProvisioningEvent::Crashed);
    assert_eq!(log.events[0].message, "installation failed: no disk");
    assert!(log.crash_loop && log.last_error_event.is_some());
}

#[test]
fn reports_that_cannot_be_are_refused() {
    let cases: [(&str, Change<Tx>, Change<Report>, Class); 4] = [
        ("unknown machine", |_| {}, |it| it.machine = "m9".into(), Class::NotFound),
        (
            "not allocated",
            |tx| drop(tx.modify::<Machine>("m1", |machine| machine.allocation = None)),
            |_| {},
            Class::Refused,
        ),
        ("no boot info", |_| {}, |it| it.boot_info = None, Class::Invalid),
        (
            "no private network",
            |tx| drop(allocate(tx, "m1", Allocation { networks: Vec::new(), ..allocation(Role::Machine) })),
            |_| {},
            Class::Refused,
        ),
    ];
    for (name, before, spoil, class) in cases {
        let mut tx = installing(Role::Machine);
        before(&mut tx);
        let mut it = success("m1");
        spoil(&mut it);
        assert_eq!(report(&mut tx, &mut env(3), &it).unwrap_err().class, class, "{name}");
        assert!(vrfs(&tx, "leaf01").is_empty(), "{name}");
    }
}

fn reinstalling() -> Tx {
    let mut tx = installing(Role::Machine);
    report(&mut tx, &mut env(2), &success("m1")).unwrap();
    let held = stored(&tx, "m1").allocation.clone().unwrap();
    let image = "ubuntu-24.4".into();
    allocate(&mut tx, "m1", Allocation { reinstall: true, image, ..Allocation::clone(&held) });
    switch::set_vrf(&mut tx, &env(2), "m1", "");
    tx
}

#[test]
fn an_aborted_reinstallation_boots_the_old_system_unless_it_is_wiped() {
    let mut tx = reinstalling();
    let boot_info = abort_reinstall(&mut tx, &mut env(3), "m1", false).unwrap().unwrap();
    assert_eq!(boot_info.image_id, "debian-12.0");
    let held = stored(&tx, "m1").allocation.clone().unwrap();
    assert_eq!((held.image.as_str(), held.reinstall), ("debian-12.0", false));
    assert_eq!(vrfs(&tx, "leaf01").len(), 1);

    let mut tx = reinstalling();
    assert_eq!(abort_reinstall(&mut tx, &mut env(3), "m1", true).unwrap(), None);
    assert!(stored(&tx, "m1").allocation.as_ref().unwrap().reinstall && vrfs(&tx, "leaf01").is_empty());
    assert_eq!(commands(&tx).last(), Some(&PowerCommand::Disk));

    let mut tx = rack();
    assert_eq!(abort_reinstall(&mut tx, &mut env(3), "m1", true).unwrap_err().class, Class::NotFound);
}

proptest! {
    #[test]
    fn inventories_never_panic(
        machine in "(m[0-9])?", partition in "(p1)?", tags in prop::collection::vec(".{0,4}", 0..3),
        plugs in prop::collection::vec((prop::sample::select(vec!["leaf01", "leaf02", "x", ""]), 0usize..6), 0..5),
        size in any::<u64>(),
    ) {
        let mut tx = rack();
        let hardware = v1::MachineHardware {
            memory: size,
            disks: vec![v1::MachineBlockDevice { name: "/dev/sda".into(), size }; 3],
            cpus: vec![v1::MetalCpu { cores: u32::MAX, ..v1::MetalCpu::default() }; 3],
            ..v1::MachineHardware::default()
        };
        let inventory = Inventory {
            machine, partition, tags, nics: cables(&plugs), hardware: Some(hardware), ..inventory("m1", 0)
        };
        let is_accepted = register(&mut tx, &mut env(1), &inventory).is_ok();
        let connected: usize = tx.state().switches.iter().map(|leaf| leaf.connections.len()).sum();
        prop_assert!(!is_accepted || connected == 2);
    }
}
