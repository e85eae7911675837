//! The driver on a real Redis server, with a thread in the place of SONiC's daemons and recorded units.

mod world;

use std::fs;

use metal_netconf::intent::{Bgp, ExtraVlans, FirewallFilter, MachineFilter, Pxe, Switch, Tenant};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni};

use self::world::World;
use super::*;

fn port(number: u32) -> PortName {
    PortName::parse(&format!("Ethernet{}", number * 4)).unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn intent() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: [port(0)].into(),
        pxe: Some(Pxe { vlan: VlanId::new(4000).unwrap(), address: None }),
        unprovisioned: [port(1), port(2), port(3)].into(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: ExtraVlans::default(),
        down: [].into(),
        isolated: [].into(),
        management: None,
    }
}

fn tenant(number: u32) -> Tenant {
    Tenant { ports: [(port(number), MachineFilter::default())].into() }
}

/// Prepares and applies, and sees that nothing is left to do.
fn carry_out(driver: &Sonic, intent: &Switch) -> Vec<String> {
    let prepared = driver.prepare(intent).unwrap();
    prepared.apply().unwrap();
    let again = driver.prepare(intent).unwrap();
    assert_eq!(again.describe(), Vec::<String>::new());
    assert!(again.is_empty());
    prepared.describe()
}

#[test]
fn a_machine_comes_moves_and_goes() {
    let world = World::start();
    let driver = world.driver();
    carry_out(&driver, &intent());
    world.settle();
    assert_eq!(
        world.commands.take(),
        ["systemctl start bgp-validation@FRR.tmp.service", "systemctl start frr-reload.service"]
    );

    let mut allocated = intent();
    allocated.unprovisioned = [port(2)].into();
    allocated.tenants = [(vni(3981), tenant(1))].into();
    allocated.firewalls = [(port(3), FirewallFilter::default())].into();
    let described = carry_out(&driver, &allocated);
    assert!(
        described.contains(&"wait until the bridge port of Ethernet4 is gone".to_owned()),
        "{described:?}"
    );
    // Nobody left FRR, so it is told once.
    assert_eq!(
        world.commands.take(),
        ["systemctl start bgp-validation@FRR.tmp.service", "systemctl start frr-reload.service"]
    );
    let row = world.open("CONFIG_DB").fields("INTERFACE|Ethernet4").unwrap();
    assert_eq!(row["vrf_name"], "Vrf3981");
    world.settle();
    world.knows_vrfs(&["Vrf3981"]);
    assert_eq!(driver.deviations(&allocated).unwrap(), Vec::<String>::new());

    let mut moved = allocated.clone();
    moved.tenants = [(vni(3982), tenant(1))].into();
    let described = carry_out(&driver, &moved);
    assert_eq!(described.first().unwrap(), "withdraw leaving neighbours from FRR");
    let one =
        ["systemctl start bgp-validation@FRR.tmp.service", "systemctl start bgp-validation@FRR.tmp.service"];
    let two = ["systemctl start frr-reload.service", "systemctl start frr-reload.service"];
    assert_eq!(world.commands.take(), [one, two].concat());
    world.settle();
    assert_eq!(driver.deviations(&moved).unwrap(), ["FRR does not know routing table Vrf3982"]);

    let described = carry_out(&driver, &intent());
    assert_eq!(described.last().unwrap(), "set VLAN_MEMBER|Vlan4000|Ethernet4 tagging_mode=untagged");
    // What leaves leaves FRR before, and that was its final file.
    assert_eq!(
        world.commands.take(),
        ["systemctl start bgp-validation@FRR.tmp.service", "systemctl start frr-reload.service"]
    );
    let keys = world.open("CONFIG_DB").keys("*").unwrap();
    let left: Vec<&String> = keys.iter().filter(|key| key.contains("398") || key.contains("Vlan1")).collect();
    assert_eq!(left, ["VLAN_MEMBER|Vlan100|Ethernet36", "VLAN|Vlan100"], "only what belongs to others");
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[test]
fn a_switch_that_does_not_follow_is_told_with_the_port() {
    let world = World::start();
    let driver = world.driver();
    carry_out(&driver, &intent());
    world.settle();
    world.be_silent(true);
    let mut allocated = intent();
    allocated.unprovisioned.remove(&port(1));
    allocated.tenants = [(vni(3981), tenant(1))].into();
    let error = metal_runtime::chain(&driver.prepare(&allocated).unwrap().apply().unwrap_err());
    assert!(error.contains("the bridge port of Ethernet4"), "{error}");
    assert!(error.contains("asked 5 times"), "{error}");
    assert!(world.open("CONFIG_DB").fields("INTERFACE|Ethernet4").unwrap().is_empty(), "it did not go on");
    // Later it does; the half-done change is finished from what is.
    world.be_silent(false);
    world.settle();
    carry_out(&driver, &allocated);
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[test]
fn what_frr_refuses_changes_nothing() {
    let world = World::start();
    let driver = world.driver();
    world.commands.fail("bgp-validation");
    let error = metal_runtime::chain(&driver.prepare(&intent()).err().unwrap());
    assert!(error.contains("check") && error.contains("told to"), "{error}");
    assert!(world.open("CONFIG_DB").fields("INTERFACE|Ethernet0").unwrap().is_empty());
    assert!(!driver.settings.frr_file.exists());
}

#[test]
fn a_reload_that_fails_is_put_back_and_tried_again() {
    let world = World::start();
    let driver = world.driver();
    carry_out(&driver, &intent());
    world.settle();
    let before = fs::read_to_string(&driver.settings.frr_file).unwrap();
    world.commands.take();
    let mut allocated = intent();
    allocated.unprovisioned.remove(&port(1));
    allocated.tenants = [(vni(3981), tenant(1))].into();
    world.commands.fail("frr-reload");
    driver.prepare(&allocated).unwrap().apply().unwrap_err();
    assert_eq!(fs::read_to_string(&driver.settings.frr_file).unwrap(), before);
    let reload = "systemctl start frr-reload.service";
    assert_eq!(world.commands.take()[1..], [reload, reload], "the new one, then the old one");
    // The rows are there already, FRR is not.
    assert_eq!(carry_out(&driver, &allocated), ["reload FRR"]);
    assert_ne!(fs::read_to_string(&driver.settings.frr_file).unwrap(), before);
}

#[test]
fn an_interrupted_reload_is_made_up_for() {
    let world = World::start();
    let driver = world.driver();
    carry_out(&driver, &intent());
    let mut mark = driver.settings.frr_file.clone().into_os_string();
    mark.push(".reload-pending");
    fs::write(&mark, "").unwrap();
    assert_eq!(carry_out(&driver, &intent()), ["reload FRR"]);
}

#[test]
fn without_a_tunnel_endpoint_nothing_is_touched() {
    let world = World::start();
    world.open("CONFIG_DB").delete("VXLAN_TUNNEL|vtep").unwrap();
    let before = world.open("CONFIG_DB").keys("*").unwrap();
    let error = metal_runtime::chain(&world.driver().prepare(&intent()).err().unwrap());
    assert!(error.contains("VXLAN_TUNNEL"), "{error}");
    assert_eq!(world.open("CONFIG_DB").keys("*").unwrap(), before);
}

#[test]
fn what_the_switch_tells_about_itself() {
    let world = World::start();
    let driver = world.driver();
    let system = driver.operating_system().unwrap();
    assert_eq!(
        (system.vendor, system.version.as_str()),
        ("SONiC", "Edgecore-SONiC_20211125_074752_ec202111_227")
    );
    assert!(driver.is_ready().unwrap());
    let ports = driver.ports().unwrap();
    let expected = Port { mac: String::new(), identifier: "Eth2(Port2)".into(), is_up: Some(true) };
    assert_eq!(ports[&port(1)], expected);
    assert_eq!(ports[&port(2)].is_up, Some(false));
    world.open("APPL_DB").delete("PORT_TABLE:PortInitDone").unwrap();
    assert!(!driver.is_ready().unwrap());
    driver.persist(&intent()).unwrap();
    assert_eq!(world.commands.take(), ["config save -y"]);
}

#[test]
fn names_of_the_api_are_translated() {
    let world = World::start();
    for number in 0..world::PORTS {
        world
            .open("CONFIG_DB")
            .set(&format!("PORT|{}", port(number)), [("alias", format!("Eth{}", number + 1).as_str())])
            .unwrap();
    }
    let mut driver = world.driver();
    driver.settings.naming = Naming::Swap;
    let name = |number: u32| PortName::parse(&format!("Eth{}", number + 1)).unwrap();
    assert_eq!(driver.ports().unwrap()[&name(1)].identifier, "Ethernet4");
    let mut intent = intent();
    intent.uplinks = [name(0)].into();
    intent.unprovisioned = [name(1)].into();
    intent.down = [name(1)].into();
    carry_out(&driver, &intent);
    assert!(world.open("CONFIG_DB").exists("VLAN_MEMBER|Vlan4000|Ethernet4").unwrap());
    assert_eq!(world.open("CONFIG_DB").fields("PORT|Ethernet4").unwrap()["admin_status"], "down");
}

#[test]
fn the_database_is_reached_over_tcp_and_with_its_password_only() {
    let world = World::start();
    world.listen_on_tcp();
    assert!(world.driver().is_ready().unwrap());
    world.forget_password();
    let error = metal_runtime::chain(&world.driver().is_ready().unwrap_err());
    assert!(error.contains("NOAUTH"), "{error}");
}
