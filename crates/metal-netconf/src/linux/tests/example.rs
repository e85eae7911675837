//! Plans by example.

use super::super::actual::{Device, Kind, Link, Place};
use super::super::step::Step;
use super::super::{Layout, PlanError, missing, plan};
use super::{BOTH, apply, assign, bare, converge, describe, leaf, link_of, membership, port, vni};
use crate::intent::PortClass;
use crate::name::VrfName;

#[test]
fn a_port_goes_from_pxe_to_its_tenant_with_namespaces() {
    let mut actual = bare(["swp1", "swp2"]);
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Unprovisioned));
    assign(&mut intent, "swp2", Some(PortClass::Uplink));
    converge(&intent, Layout::Netns, &mut actual);
    assert_eq!(membership(&actual, "swp1"), (Place::Main, Some("vlan4000".to_owned()), vec![]));
    assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(3981))));
    let steps = converge(&intent, Layout::Netns, &mut actual);
    let expected = [
        "switch off swp1",
        "detach swp1",
        "create namespace vrf3981",
        "set in namespace vrf3981 ",
        "set packet filter of namespace vrf3981: 6 rules",
        "switch on lo in vrf3981",
        "wait until FRR knows vrf3981",
        "create bridge br3981 in vrf3981",
        "set MTU of br3981 in vrf3981 to 9000",
        "set on br3981 in vrf3981 rp_filter=0 disable_ipv6=0 addr_gen_mode=1",
        "switch on br3981 in vrf3981",
        "create tunnel endpoint for VNI 3981 at 10.0.0.11 vni3981 in vrf3981",
        "put vni3981 in vrf3981 into br3981",
        "set MTU of vni3981 in vrf3981 to 9000",
        "set bridge port vni3981 in vrf3981 learning off neigh_suppress on",
        "set on vni3981 in vrf3981 disable_ipv6=1",
        "switch on vni3981 in vrf3981",
        "move swp1 to namespace vrf3981",
        "set on swp1 in vrf3981 rp_filter=1 disable_ipv6=0",
        "switch on swp1 in vrf3981",
    ];
    assert_eq!(steps.len(), expected.len(), "{steps:#?}");
    for (step, expected) in steps.iter().zip(expected) {
        assert!(step.starts_with(expected), "{step} instead of {expected}");
    }
    assign(&mut intent, "swp1", Some(PortClass::Unprovisioned));
    intent.tenants.clear();
    let steps = converge(&intent, Layout::Netns, &mut actual);
    let expected = [
        "switch off swp1 in vrf3981",
        "move swp1 in vrf3981 to the main namespace",
        "put swp1 into vlan4000",
        "switch on swp1",
        "delete vni3981 in vrf3981",
        "delete br3981 in vrf3981",
        "remove packet filter of namespace vrf3981",
    ];
    assert_eq!(steps, expected);
    let parked = Place::Vrf(VrfName::parse("vrf3981").unwrap());
    assert_eq!(actual.spaces[&parked].links.len(), 1, "an emptied namespace is kept with its loopback");
}

#[test]
fn a_port_goes_from_pxe_to_its_tenant_with_vrf_devices() {
    let mut actual = bare(["swp1"]);
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Unprovisioned));
    converge(&intent, Layout::Vrf, &mut actual);
    assert_eq!(membership(&actual, "swp1"), (Place::Main, Some("bridge".to_owned()), vec![4000]));
    assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(3981))));
    let steps = converge(&intent, Layout::Vrf, &mut actual);
    let expected = [
        "switch off swp1",
        "detach swp1",
        "add VLAN 1001 to bridge",
        "ask for own addresses after the tables of VRFs",
        "close routing table 10001",
        "create routing table 10001 as VRF vrf3981",
        "switch on vrf3981",
        "create VLAN 1001 on bridge as vlan1001",
        "put vlan1001 into vrf3981",
        "set on vlan1001 rp_filter=0 disable_ipv6=0 addr_gen_mode=1",
        "switch on vlan1001",
        "create tunnel endpoint for VNI 3981 at 10.0.0.11 vni3981",
        "put vni3981 into bridge",
        "set MTU of vni3981 to 9000",
        "set bridge port vni3981 learning off neigh_suppress on",
        "make vni3981 an access port of VLAN 1001",
        "set on vni3981 disable_ipv6=1",
        "switch on vni3981",
        "put swp1 into vrf3981",
        "set on swp1 rp_filter=1",
        "switch on swp1",
    ];
    assert_eq!(steps, expected);
    assign(&mut intent, "swp1", Some(PortClass::Unprovisioned));
    intent.tenants.clear();
    let steps = converge(&intent, Layout::Vrf, &mut actual);
    let expected = [
        "switch off swp1",
        "detach swp1",
        "take VLAN 1001 from bridge",
        "put swp1 into bridge",
        "make swp1 an access port of VLAN 4000",
        "switch on swp1",
        "delete vni3981",
        "delete vlan1001",
        "delete vrf3981",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn ports_that_are_off_or_cut_off_belong_to_nothing() {
    for layout in BOTH {
        let mut actual = bare(["swp1", "swp2", "swp3", "eth0"]);
        actual.spaces.get_mut(&Place::Main).unwrap().links.get_mut("eth0").unwrap().is_port = false;
        let mut intent = leaf();
        for name in ["swp1", "swp2", "swp3"] {
            assign(&mut intent, name, Some(PortClass::Tenant(vni(7))));
        }
        converge(&intent, layout, &mut actual);
        intent.down.insert(port("swp1"));
        assign(&mut intent, "swp2", Some(PortClass::Isolated));
        assign(&mut intent, "swp3", None);
        converge(&intent, layout, &mut actual);
        for name in ["swp1", "swp2", "swp3"] {
            assert_eq!(membership(&actual, name), (Place::Main, None, vec![]), "{layout:?} {name}");
            assert!(!link_of(&actual, name).is_up);
        }
    }
}

#[test]
fn strangers_are_left_alone() {
    for layout in BOTH {
        let mut actual = bare(["swp1"]);
        let main = actual.spaces.get_mut(&Place::Main).unwrap();
        let bridge = Kind::Bridge { is_vlan_filtering: false, default_pvid: 1 };
        let stranger = |kind| Link { kind, is_up: true, ..Link::default() };
        main.links.insert("docker0".to_owned(), stranger(bridge));
        main.links.insert("mgmt".to_owned(), stranger(Kind::Vrf { table: 1001 }));
        main.links
            .insert("eth0".to_owned(), Link { master: Some("mgmt".to_owned()), ..stranger(Kind::Other) });
        let tunnel = Kind::Vxlan { id: 9, local: None, port: 8472, is_learning: true };
        main.links.insert("flannel.1".to_owned(), stranger(tunnel));
        let before = actual.clone();
        let mut intent = leaf();
        assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(7))));
        converge(&intent, layout, &mut actual);
        for name in ["docker0", "mgmt", "eth0", "flannel.1"] {
            let device = Device::main(name);
            let (mut now, before) = (actual.link(&device).unwrap().clone(), before.link(&device).unwrap());
            // Forwarding of the whole namespace shows on every link.
            now.settings.clone_from(&before.settings);
            assert_eq!(&now, before, "{layout:?} {name}");
        }
    }
}

#[test]
fn a_wrong_endpoint_is_made_anew_and_keeps_its_vlan() {
    let mut actual = bare(["swp1"]);
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(7))));
    converge(&intent, Layout::Vrf, &mut actual);
    intent.loopback = "10.0.0.12".parse().unwrap();
    let steps = converge(&intent, Layout::Vrf, &mut actual);
    assert!(steps.contains(&"delete vni7".to_owned()), "{steps:#?}");
    assert!(steps.contains(&"make vni7 an access port of VLAN 1001".to_owned()), "{steps:#?}");
    assert!(
        !steps.iter().any(|step| step.contains("swp1")),
        "the port had nothing to do with it: {steps:#?}"
    );
}

#[test]
fn vlans_are_reused_never_shared_and_run_out() {
    let mut actual = bare(["swp1", "swp2", "swp3"]);
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(20))));
    assign(&mut intent, "swp2", Some(PortClass::Tenant(vni(30))));
    converge(&intent, Layout::Vrf, &mut actual);
    assign(&mut intent, "swp3", Some(PortClass::Tenant(vni(10))));
    intent.tenants.remove(&vni(20));
    converge(&intent, Layout::Vrf, &mut actual);
    let vlan_of =
        |name: &str| actual.link(&Device::main(name)).unwrap().vlans.keys().copied().collect::<Vec<_>>();
    assert_eq!((vlan_of("vni30"), vlan_of("vni10")), (vec![1002], vec![1003]));
    assert_eq!(vlan_of("bridge"), [1002, 1003, 4000]);
    let mut crowd = leaf();
    for number in 1..=1001 {
        crowd.tenants.entry(vni(number)).or_default();
    }
    let refused = plan(&crowd, Layout::Vrf, &bare([])).unwrap_err();
    assert_eq!(refused, PlanError::NoFreeVlan { vni: vni(1001) });
}

#[test]
fn an_exit_has_addresses_on_its_external_port() {
    for layout in BOTH {
        let mut actual = bare(["eth1", "eth2"]);
        let mut intent = leaf();
        assign(&mut intent, "eth1", Some(PortClass::External(vni(104_009))));
        converge(&intent, layout, &mut actual);
        assert_eq!(link_of(&actual, "eth1").addresses.len(), 1);
        // The same table by another name, and another port.
        assign(&mut intent, "eth2", Some(PortClass::External(vni(104_009))));
        intent.externals.get_mut(&vni(104_009)).unwrap().name = VrfName::parse("vrfExtern").unwrap();
        assign(&mut intent, "eth1", Some(PortClass::Uplink));
        converge(&intent, layout, &mut actual);
        assert!(link_of(&actual, "eth1").addresses.is_empty());
        assert_eq!(link_of(&actual, "eth2").addresses.len(), 1);
        assert!(actual.link(&Device::main("vrfInternet")).is_none(), "{layout:?}");
    }
}

#[test]
fn a_spine_has_uplinks_and_nothing_else() {
    for layout in BOTH {
        let mut actual = bare(["swp1", "swp2"]);
        let mut intent = leaf();
        intent.is_vtep = false;
        intent.pxe = None;
        assign(&mut intent, "swp1", Some(PortClass::Uplink));
        assign(&mut intent, "swp2", Some(PortClass::Uplink));
        let steps = converge(&intent, layout, &mut actual);
        assert!(!steps.iter().any(|step| step.starts_with("create")), "{steps:#?}");
        assert_eq!(actual.spaces[&Place::Main].links.len(), 3);
        assert_eq!((link_of(&actual, "swp1").mtu, link_of(&actual, "swp1").is_up), (9216, true));
    }
}

#[test]
fn extra_vlans_need_a_bridge_that_tells_them_apart() {
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Extra));
    let mut actual = bare(["swp1"]);
    assert_eq!(plan(&intent, Layout::Netns, &actual).unwrap_err(), PlanError::ExtraVlans);
    converge(&intent, Layout::Vrf, &mut actual);
    assert_eq!(link_of(&actual, "swp1").vlans, [(300, false)].into());
}

#[test]
fn a_port_that_is_not_there_is_told_and_waited_for() {
    for layout in BOTH {
        let mut intent = leaf();
        assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(7))));
        let mut actual = bare([]);
        converge(&intent, layout, &mut actual);
        assert_eq!(missing(&intent, &actual), [port("swp1")]);
        let swp1 = bare(["swp1"]).spaces[&Place::Main].links["swp1"].clone();
        actual.spaces.get_mut(&Place::Main).unwrap().links.insert("swp1".to_owned(), swp1);
        let steps = converge(&intent, layout, &mut actual);
        assert!(steps.iter().all(|step| step.contains("swp1") || step.starts_with("wait")), "{steps:#?}");
        assert!(link_of(&actual, "swp1").is_up);
    }
}

#[test]
fn layouts_can_be_changed() {
    let mut actual = bare(["swp1", "swp2"]);
    let mut intent = leaf();
    assign(&mut intent, "swp1", Some(PortClass::Tenant(vni(7))));
    assign(&mut intent, "swp2", Some(PortClass::Unprovisioned));
    for layout in [Layout::Vrf, Layout::Netns, Layout::Vrf] {
        converge(&intent, layout, &mut actual);
    }
    assert_eq!(membership(&actual, "swp1"), (Place::Main, Some("vrf7".to_owned()), vec![]));
}

/// A big leaf: 128 ports spread over 500 tables.
fn big() -> crate::intent::Switch {
    let mut intent = leaf();
    for number in 1..=500 {
        intent.tenants.entry(vni(number)).or_default();
    }
    for number in 1..=128_u32 {
        let class = if number <= 4 { PortClass::Uplink } else { PortClass::Tenant(vni(number)) };
        assign(&mut intent, &format!("swp{number}"), Some(class));
    }
    intent
}

#[test]
fn moving_one_port_of_a_big_switch_takes_few_steps() {
    let names: Vec<String> = (1..=128).map(|number| format!("swp{number}")).collect();
    for layout in BOTH {
        let mut intent = big();
        let mut actual = bare(names.iter().map(String::as_str));
        converge(&intent, layout, &mut actual);
        assign(&mut intent, "swp77", Some(PortClass::Tenant(vni(400))));
        let steps = plan(&intent, layout, &actual).unwrap();
        assert!(steps.len() <= 8, "{:#?}", describe(&steps));
        assert!(
            steps.iter().all(|step| matches!(step, Step::AwaitVrf(_)) || step.describe().contains("swp77"))
        );
        apply(&mut actual, &steps);
        assign(&mut intent, "swp77", Some(PortClass::Unprovisioned));
        intent.tenants.remove(&vni(400));
        assert!(converge(&intent, layout, &mut actual).len() <= 12);
    }
}
