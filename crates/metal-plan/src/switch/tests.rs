//! Registration, replacement, migration, ports and reports of switches.

use metal_model::machine::Machine;
use metal_model::switch::{PortState, Switch, SwitchMode};
use metal_model::v1;
use proptest::prelude::*;

use super::*;
use crate::registration;
use crate::testbed::{any_request, connection, env, inventory, leaf, rack, vrfs};
use crate::{Class, Tx};

type Change<T> = fn(&mut T);

fn stored<'a>(tx: &'a Tx, id: &str) -> &'a Switch {
    tx.state().switches.get(id).unwrap()
}

/// Leaves with a machine `m1` on the first ports, in VRF 42.
fn used_rack() -> Tx {
    let mut tx = rack();
    registration::register(&mut tx, &mut env(1), &inventory("m1", 0)).unwrap();
    set_vrf(&mut tx, &env(2), "m1", "vrf42");
    tx
}

#[test]
fn requests_that_are_no_switch_are_refused() {
    let good = leaf("leaf03", "r2", "SONiC", 2);
    let cases: [(&str, Change<v1::SwitchRegisterRequest>, Class, &str); 7] = [
        ("no id", |req| req.id.clear(), Class::Invalid, "id"),
        ("no partition", |req| req.partition_id.clear(), Class::NotFound, "no partition"),
        ("unknown partition", |req| req.partition_id = "p9".into(), Class::NotFound, "\"p9\""),
        ("no system", |req| req.os = None, Class::Refused, "os"),
        (
            "unknown vendor",
            |req| req.os.as_mut().unwrap().vendor = "sonic".into(),
            Class::Refused,
            "\"sonic\"",
        ),
        (
            "same name twice",
            |req| req.nics[1].name = req.nics[0].name.clone(),
            Class::Invalid,
            "\"Ethernet0\"",
        ),
        ("same port twice", |req| req.nics[1] = req.nics[0].clone(), Class::Invalid, "leaf03-0"),
    ];
    for (name, spoil, class, why) in cases {
        let mut tx = rack();
        let mut req = good.clone();
        spoil(&mut req);
        let refusal = register(&mut tx, &mut env(1), &req).unwrap_err();
        assert_eq!(refusal.class, class, "{name}");
        assert!(refusal.message.contains(why), "{name}: {}", refusal.message);
    }
}

#[test]
fn registering_again_keeps_what_is_known() {
    let mut tx = used_rack();
    let mut req = leaf("leaf01", "r1", "Cumulus", 6);
    req.nics[1].name = "swp9".to_owned();
    req.nics[1].mac = "new".to_owned();
    req.nics.swap_remove(2);
    req.name = None;
    req.management_ip = "10.9.9.9".to_owned();
    req.console_command = "ignored".to_owned();
    let (switch, is_new) = register(&mut tx, &mut env(5), &req).unwrap();
    assert!(!is_new);
    assert_eq!((switch.name.as_str(), switch.mode), ("leaf01", SwitchMode::New));
    assert_eq!((switch.management_ip.as_str(), switch.console_command.as_str()), ("10.9.9.9", ""));
    assert_eq!(connection(&switch, "m1"), ["swp1"]);
    let names: Vec<&str> = switch.ports.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["swp1", "swp9", "swp6", "swp4", "swp5"]);
    assert_eq!(vrfs(&tx, "leaf01"), [("swp1".to_owned(), "vrf42".to_owned())].into());
    assert!(switch.created < switch.changed);
}

#[test]
fn connected_ports_neither_go_nor_change_their_names() {
    for (name, spoil) in [
        ("remove port swp1", (|req| drop(req.nics.remove(0))) as fn(&mut v1::SwitchRegisterRequest)),
        ("rename port swp1 to swp7", |req| req.nics[0].name = "swp7".into()),
    ] {
        let mut tx = used_rack();
        let mut req = leaf("leaf01", "r1", "Cumulus", 4);
        spoil(&mut req);
        let refusal = register(&mut tx, &mut env(5), &req).unwrap_err();
        assert_eq!(refusal.class, Class::Refused);
        assert!(refusal.message.contains(name), "{}", refusal.message);
    }
}

fn to_be_replaced(tx: &mut Tx) {
    let req = v1::SwitchUpdateRequest {
        id: "leaf01".into(),
        mode: Some("replace".into()),
        ..v1::SwitchUpdateRequest::default()
    };
    update(tx, &mut env(2), &req).unwrap();
}

/// New hardware: other MAC addresses and identifiers, here even of another vendor.
fn new_hardware(vendor: &str) -> v1::SwitchRegisterRequest {
    let mut req = leaf("leaf01", "r1", vendor, 4);
    for nic in &mut req.nics {
        nic.mac = format!("new-{}", nic.mac);
        nic.identifier = format!("new-{}", nic.identifier);
    }
    req
}

#[test]
fn a_replacement_takes_over_from_the_twin() {
    for vendor in ["Cumulus", "SONiC", "Linux"] {
        let mut tx = used_rack();
        to_be_replaced(&mut tx);
        let (switch, is_new) = register(&mut tx, &mut env(5), &new_hardware(vendor)).unwrap();
        assert!(!is_new);
        let name = crate::testbed::port(vendor, 0);
        assert_eq!(switch.mode, SwitchMode::Operational);
        assert_eq!(connection(&switch, "m1"), [name.as_str()]);
        assert_eq!(vrfs(&tx, "leaf01"), [(name.clone(), "vrf42".to_owned())].into());
        let machine = tx.state().machines.get("m1").unwrap();
        let seen = &machine.hardware.nics[0].neighbors[0];
        assert_eq!((seen.mac.as_str(), seen.identifier.as_str()), ("new-leaf01:00", "new-leaf01-0"));
        assert_eq!(machine.hardware.nics[1].neighbors[0].identifier, "leaf02-0", "the other cable stays");
    }
}

#[test]
fn replacements_that_do_not_fit_are_refused() {
    let cases: [(&str, Change<Tx>, Change<v1::SwitchRegisterRequest>, &str); 5] = [
        ("other rack", |_| {}, |req| req.rack_id = "r2".into(), "must be in partition"),
        ("fewer ports", |_| {}, |req| drop(req.nics.pop()), "breakout configuration"),
        ("no twin", |tx| drop(delete(tx, &mut env(3), "leaf02", true)), |_| {}, "found 0"),
        (
            "two twins",
            |tx| {
                register(tx, &mut env(3), &leaf("leaf03", "r1", "SONiC", 4)).unwrap();
                tx.modify::<Switch>("leaf03", |switch| {
                    switch.connections.insert("m9".into(), vec!["Ethernet12".into()]);
                })
                .unwrap();
            },
            |_| {},
            "found 2",
        ),
        (
            "twin is replaced too",
            |tx| drop(tx.modify::<Switch>("leaf02", |twin| twin.mode = SwitchMode::Replace)),
            |_| {},
            "found 0",
        ),
    ];
    for (name, before, spoil, why) in cases {
        let mut tx = used_rack();
        to_be_replaced(&mut tx);
        before(&mut tx);
        let mut req = new_hardware("Cumulus");
        spoil(&mut req);
        let refusal = register(&mut tx, &mut env(5), &req).unwrap_err();
        assert_eq!(refusal.class, Class::Refused, "{name}");
        assert!(refusal.message.contains(why), "{name}: {}", refusal.message);
    }
}

fn migration(old: &str, new: &str) -> v1::SwitchMigrateRequest {
    v1::SwitchMigrateRequest { old_switch_id: old.into(), new_switch_id: new.into() }
}

#[test]
fn migration_moves_everything() {
    let mut tx = used_rack();
    register(&mut tx, &mut env(2), &leaf("leaf03", "r1", "SONiC", 4)).unwrap();
    let target = migrate(&mut tx, &mut env(3), &migration("leaf01", "leaf03")).unwrap();
    assert_eq!(target.mode, SwitchMode::Operational);
    assert_eq!(connection(&target, "m1"), ["Ethernet0"]);
    assert_eq!(vrfs(&tx, "leaf03"), [("Ethernet0".to_owned(), "vrf42".to_owned())].into());
    assert!(stored(&tx, "leaf01").connections.is_empty() && vrfs(&tx, "leaf01").is_empty());
    let machine = tx.state().machines.get("m1").unwrap();
    assert_eq!(machine.hardware.nics[0].neighbors[0].identifier, "leaf03-0");
    migrate(&mut tx, &mut env(4), &migration("leaf03", "leaf01")).unwrap();
    assert_eq!(connection(stored(&tx, "leaf01"), "m1"), ["swp1"]);
}

#[test]
fn migrations_that_do_not_fit_are_refused() {
    for (old, new, class, why) in [
        ("", "leaf02", Class::Invalid, "old_switch_id"),
        ("leaf01", "", Class::Invalid, "new_switch_id"),
        ("leaf01", "leaf01", Class::Invalid, "must not be"),
        ("nowhere", "leaf01", Class::NotFound, "\"nowhere\""),
        ("leaf01", "nowhere", Class::NotFound, "\"nowhere\""),
        ("leaf01", "far", Class::Invalid, "rack"),
        ("leaf01", "leaf02", Class::Invalid, "already has connections"),
        ("leaf01", "small", Class::Refused, "breakout configuration"),
    ] {
        let mut tx = used_rack();
        register(&mut tx, &mut env(2), &leaf("far", "r2", "SONiC", 4)).unwrap();
        register(&mut tx, &mut env(2), &leaf("small", "r1", "SONiC", 0)).unwrap();
        let refusal = migrate(&mut tx, &mut env(3), &migration(old, new)).unwrap_err();
        assert_eq!(refusal.class, class, "{old} {new}: {}", refusal.message);
        assert!(refusal.message.contains(why), "{}", refusal.message);
    }
}

#[test]
fn updates_look_at_three_fields() {
    let mut tx = used_rack();
    let req = v1::SwitchUpdateRequest {
        id: "leaf01".into(),
        rack_id: "elsewhere".into(),
        os: Some(v1::SwitchOs { vendor: "5.4".into(), ..v1::SwitchOs::default() }),
        console_command: Some("ssh console".into()),
        ..v1::SwitchUpdateRequest::default()
    };
    let switch = update(&mut tx, &mut env(5), &req).unwrap();
    assert_eq!((switch.rack.as_str(), switch.mode), ("r1", SwitchMode::Operational));
    assert_eq!(
        (switch.os.as_ref().unwrap().vendor.as_str(), switch.console_command.as_str()),
        ("Cumulus", "ssh console")
    );
    to_be_replaced(&mut tx);
    let switch = stored(&tx, "leaf01");
    assert_eq!((switch.mode, switch.console_command.as_str()), (SwitchMode::Replace, ""));
    let unknown = v1::SwitchUpdateRequest { id: "x".into(), ..req };
    assert_eq!(update(&mut tx, &mut env(5), &unknown).unwrap_err().class, Class::NotFound);
}

#[test]
fn switches_with_machines_are_deleted_by_force_only() {
    let mut tx = used_rack();
    notify(&mut tx, &mut env(1), "leaf01", &v1::SwitchNotifyRequest::default()).unwrap();
    assert_eq!(delete(&mut tx, &mut env(2), "leaf01", false).unwrap_err().class, Class::Invalid);
    delete(&mut tx, &mut env(2), "leaf01", true).unwrap();
    assert!(!tx.state().switches.contains("leaf01") && tx.state().switch_statuses.is_empty());
    assert_eq!(delete(&mut tx, &mut env(2), "leaf01", true).unwrap_err().class, Class::NotFound);
    assert_eq!(tx.state().index.switches_by_machine.count("m1"), 1);
}

fn switch_port(tx: &mut Tx, nic: &str, status: &str) -> Result<(), crate::Error> {
    let req = v1::SwitchPortToggleRequest { nic: nic.into(), status: status.into() };
    toggle(tx, &mut env(3), "leaf01", &req).map(drop)
}

fn report(tx: &mut Tx, error: Option<&str>, states: &[(&str, &str)]) -> v1::SwitchNotifyResponse {
    let req = v1::SwitchNotifyRequest {
        sync_duration: 7,
        error: error.map(str::to_owned),
        port_states: states.iter().map(|(port, state)| ((*port).into(), (*state).into())).collect(),
        ..v1::SwitchNotifyRequest::default()
    };
    notify(tx, &mut env(4), "leaf01", &req).unwrap()
}

fn shown(tx: &Tx, nic: &str) -> (String, String) {
    let view = response(tx.state(), stored(tx, "leaf01")).unwrap();
    let desired = view.nics.iter().find(|port| port.name == nic).unwrap().actual.clone();
    let actual = view.connections.iter().find(|cable| cable.nic.name == nic).unwrap().nic.actual.clone();
    (desired, actual)
}

#[test]
fn ports_are_switched_until_they_are() {
    let mut tx = used_rack();
    let both = |state: &str, actual: &str| (state.to_owned(), actual.to_owned());
    for (nic, status, class) in [
        ("swp1", "UNKNOWN", Class::Invalid),
        ("swp1", "", Class::Invalid),
        ("swp99", "UP", Class::NotFound),
        ("swp2", "UP", Class::Invalid),
    ] {
        assert_eq!(switch_port(&mut tx, nic, status).unwrap_err().class, class, "{nic} {status}");
    }
    assert_eq!(shown(&tx, "swp1"), both("UNKNOWN", "UNKNOWN"));
    switch_port(&mut tx, "SWP1", "DOWN").unwrap();
    assert_eq!(shown(&tx, "swp1"), both("DOWN", "UNKNOWN"));
    report(&mut tx, None, &[("swp1", "UP"), ("swp2", "nonsense")]);
    assert_eq!(shown(&tx, "swp1"), both("DOWN", "UP"));
    report(&mut tx, None, &[("swp1", "DOWN")]);
    assert_eq!(shown(&tx, "swp1"), both("DOWN", "DOWN"));
    assert_eq!(stored(&tx, "leaf01").ports[0].desired, None);
    assert_eq!(desired(tx.state(), stored(&tx, "leaf01")).ports[0].admin, PortState::Down, "the wish stays");
    let view = response(tx.state(), stored(&tx, "leaf01")).unwrap();
    assert_eq!((view.nics[0].admin_status.as_str(), view.nics[1].admin_status.as_str()), ("DOWN", "UP"));
    switch_port(&mut tx, "swp1", "DOWN").unwrap();
    assert_eq!(stored(&tx, "leaf01").ports[0].desired, None, "already reached");
    switch_port(&mut tx, "swp1", "UP").unwrap();
    assert_eq!(shown(&tx, "swp1"), both("UP", "DOWN"));
}

#[test]
fn reports_keep_the_last_success_and_the_last_failure() {
    let mut tx = used_rack();
    let answer = report(&mut tx, Some("no FRR"), &[]);
    assert!(answer.last_sync.is_none());
    assert_eq!(answer.last_sync_error.unwrap().error.as_deref(), Some("no FRR"));
    let answer = report(&mut tx, None, &[]);
    assert_eq!(answer.last_sync.unwrap().duration, 7);
    assert!(answer.last_sync_error.is_some());
    let unknown = notify(&mut tx, &mut env(4), "nowhere", &v1::SwitchNotifyRequest::default());
    assert_eq!(unknown.unwrap_err().class, Class::NotFound);
    assert_eq!(tx.state().switch_statuses.len(), 1);
}

#[test]
fn bgp_states_are_replaced_as_a_whole_and_unchanged_switches_not_written() {
    let mut tx = used_rack();
    let session = v1::SwitchBgpPortState { bgp_state: "Established".into(), ..Default::default() };
    let mut req = v1::SwitchNotifyRequest::default();
    req.bgp_port_states.insert("swp1".into(), session.clone());
    notify(&mut tx, &mut env(4), "leaf01", &req).unwrap();
    assert_eq!(stored(&tx, "leaf01").ports[0].bgp, Some(session.clone()));
    let changed = stored(&tx, "leaf01").changed;
    notify(&mut tx, &mut env(9), "leaf01", &req).unwrap();
    notify(&mut tx, &mut env(9), "leaf01", &v1::SwitchNotifyRequest::default()).unwrap();
    assert_eq!(
        (stored(&tx, "leaf01").changed, &stored(&tx, "leaf01").ports[0].bgp),
        (changed, &Some(session))
    );
    let other = v1::SwitchNotifyRequest {
        bgp_port_states: [("swp2".into(), Default::default())].into(),
        ..Default::default()
    };
    notify(&mut tx, &mut env(9), "leaf01", &other).unwrap();
    assert_eq!(stored(&tx, "leaf01").ports[0].bgp, None);
}

#[test]
fn what_a_switch_sees_is_shown_and_written_once() {
    let mut tx = used_rack();
    let session = |vrf: &str, port: &str, accepted| v1::SwitchBgpSession {
        vrf: vrf.into(),
        port: port.into(),
        state: "Established".into(),
        accepted,
        ..Default::default()
    };
    let neighbor = v1::SwitchLldpNeighbor { system_name: "m1".into(), ..Default::default() };
    let seen = metal_model::switch::SwitchObservation {
        neighbors: [("swp1".into(), neighbor.clone())].into(),
        sessions: vec![
            session("default", "swp1", 1),
            session("Vrf42", "swp1", 2),
            session("default", "swp9", 3),
        ],
        faults: [("swp2".into(), "unknown network".into())].into(),
        ..Default::default()
    };
    let agent = Agent { generation: 3, seen };
    let req = v1::SwitchNotifyRequest::default();
    notify_agent(&mut tx, &mut env(4), "leaf01", &req, Some(&agent)).unwrap();
    let view = response(tx.state(), stored(&tx, "leaf01")).unwrap();
    assert_eq!(view.bgp_sessions.len(), 3);
    assert_eq!(view.nics[0].lldp_neighbor, Some(neighbor));
    assert_eq!((view.nics[0].fault.as_str(), view.nics[1].fault.as_str()), ("", "unknown network"));
    let shown = view.nics[0].bgp_port_state.as_ref().unwrap();
    assert_eq!((shown.vrf_name.as_str(), shown.accepted_prefix_counter), ("Vrf42", 2), "the wanted VRF's");
    assert_eq!(view.connections[0].nic.bgp_port_state.as_ref(), Some(shown));

    let mut again = Tx::new(tx.state());
    notify_agent(&mut again, &mut env(9), "leaf01", &req, Some(&agent)).unwrap();
    let written: Vec<String> = again.finish().writes.into_keys().collect();
    assert_eq!(written, ["switch-status/leaf01"]);
    delete(&mut tx, &mut env(9), "leaf01", true).unwrap();
    assert!(tx.state().switch_observations.is_empty());
}

#[test]
fn ports_that_wait_for_the_switch_are_marked() {
    let mut tx = used_rack();
    let mut late = env(9).committed_as(9);
    set_vrf(&mut tx, &late, "m1", "vrf7");
    let pending = |tx: &Tx| response(tx.state(), stored(tx, "leaf01")).unwrap().nics[0].pending;
    assert!(!pending(&tx), "the switch never told what it has");
    for (generation, expected) in [(8, true), (9, false)] {
        let agent = Agent { generation, ..Agent::default() };
        notify_agent(&mut tx, &mut late, "leaf01", &v1::SwitchNotifyRequest::default(), Some(&agent))
            .unwrap();
        assert_eq!(pending(&tx), expected, "{generation}");
    }
}

#[test]
fn new_hardware_has_confirmed_nothing() {
    let mut tx = used_rack();
    let agent = Agent { generation: 5, ..Agent::default() };
    notify_agent(&mut tx, &mut env(4), "leaf01", &v1::SwitchNotifyRequest::default(), Some(&agent)).unwrap();
    assert!(!tx.state().index.unconfirmed.contains("m1"));
    to_be_replaced(&mut tx);
    register(&mut tx, &mut env(5).committed_as(6), &new_hardware("Linux")).unwrap();
    assert!(tx.state().index.unconfirmed.contains("m1"));
    assert_eq!(connection(stored(&tx, "leaf01"), "m1"), ["swp1"]);
}

#[test]
fn views_are_sorted_and_lenient_about_partitions() {
    let mut tx = used_rack();
    tx.delete::<metal_model::partition::Partition>("p1");
    tx.modify::<Switch>("leaf01", |switch| switch.ports.reverse()).unwrap();
    let view = response(tx.state(), stored(&tx, "leaf01")).unwrap();
    assert_eq!(view.partition.id, "");
    let names: Vec<&str> = view.nics.iter().map(|nic| nic.name.as_str()).collect();
    assert_eq!(names, ["swp1", "swp2", "swp3", "swp4"]);
    assert_eq!(view.connections[0].machine_id, "m1");
    assert!(view.nics.iter().all(|nic| nic.filter.is_none()), "nobody has the machine");
}

#[test]
fn searches_by_each_criterion() {
    let tx = used_rack();
    let count = |change: fn(&mut v1::SwitchFindRequest)| {
        let mut req = v1::SwitchFindRequest::default();
        change(&mut req);
        find(tx.state(), &req).unwrap().len()
    };
    assert_eq!(count(|_| {}), 2);
    assert_eq!((count(|req| req.id = Some("leaf01".into())), count(|req| req.id = Some("x".into()))), (1, 0));
    assert_eq!(
        (count(|req| req.name = Some("leaf01".into())), count(|req| req.name = Some("x".into()))),
        (1, 0)
    );
    let partition = |id: &'static str| {
        let req = v1::SwitchFindRequest { partitionid: Some(id.into()), ..Default::default() };
        find(tx.state(), &req).unwrap().len()
    };
    assert_eq!((partition("p1"), partition("p2")), (2, 0));
    assert_eq!(
        (count(|req| req.rackid = Some("r1".into())), count(|req| req.rackid = Some("x".into()))),
        (2, 0)
    );
    assert_eq!(count(|req| req.osvendor = Some("SONiC".into())), 1);
    assert_eq!(count(|req| req.osversion = Some("5".into())), 0);
}

#[test]
fn deleted_machines_do_not_disturb_a_replacement() {
    let mut tx = used_rack();
    to_be_replaced(&mut tx);
    tx.delete::<Machine>("m1");
    register(&mut tx, &mut env(5), &new_hardware("SONiC")).unwrap();
}

const REGISTER: &[&str] = &["id", "name", "nics", "partition_id", "rack_id", "os", "mode", "management_ip"];
const UPDATE: &[&str] = &["id", "description", "mode", "console_command", "os"];
const NOTIFY: &[&str] = &["sync_duration", "error", "port_states", "bgp_port_states"];

proptest! {
    #[test]
    fn requests_never_panic(
        registered in any_request::<v1::SwitchRegisterRequest>(REGISTER),
        updated in any_request::<v1::SwitchUpdateRequest>(UPDATE),
        notified in any_request::<v1::SwitchNotifyRequest>(NOTIFY),
        toggled in any_request::<v1::SwitchPortToggleRequest>(&["nic", "status"]),
        migrated in any_request::<v1::SwitchMigrateRequest>(&["old_switch_id", "new_switch_id"]),
        id in prop::sample::select(vec!["leaf01", "leaf02", "", "x"]),
    ) {
        let mut tx = used_rack();
        let env = &mut env(9);
        let _ = update(&mut tx, env, &updated);
        let registered = v1::SwitchRegisterRequest { id: id.to_owned(), ..registered };
        let complete = v1::SwitchRegisterRequest {
            partition_id: "p1".into(),
            rack_id: "r1".into(),
            os: Some(v1::SwitchOs { vendor: "SONiC".into(), ..Default::default() }),
            ..registered.clone()
        };
        let _ = register(&mut tx, env, &registered);
        let _ = register(&mut tx, env, &complete);
        let _ = notify(&mut tx, env, id, &notified);
        let _ = toggle(&mut tx, env, id, &toggled);
        let _ = migrate(&mut tx, env, &migrated);
        for switch in tx.state().switches.iter() {
            let _ = list_response(tx.state(), switch);
            let _ = response(tx.state(), switch);
            let _ = desired(tx.state(), switch);
        }
    }
}
