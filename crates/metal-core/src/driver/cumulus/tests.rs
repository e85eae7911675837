//! The driver on a directory that looks like a switch, with recorded units.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use metal_netconf::intent::{Bgp, ExtraVlans, MachineFilter, Management, Pxe, Switch, Tenant};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni};

use super::*;
use crate::driver::units::escape_path;
use crate::driver::units::recorder::Recorder;

struct World {
    dir: tempfile::TempDir,
    commands: Arc<Recorder>,
    driver: Cumulus,
}

fn program(path: &Path, text: &str) {
    let draft = path.with_extension("tmp");
    fs::write(&draft, format!("#!/bin/sh\ncat <<'EOF'\n{text}\nEOF\n")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(draft, path).unwrap();
}

impl World {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let address =
            r#"[{},{"ifname":"eth0","addr_info":[{"family":"inet","local":"192.168.0.11","prefixlen":24}]}]"#;
        program(&path("ip"), address);
        program(&path("vtysh"), "vrf vrf3981 id 12 table 1001");
        for (name, mac, state) in [
            ("swp1", "44:38:39:00:00:01", "up"),
            ("swp2", "44:38:39:00:00:02", "down"),
            ("swp31", "44:38:39:00:00:31", "up"),
            ("swp1.100", "44:38:39:00:00:01", "up"),
            ("eth0", "44:38:39:00:00:99", "up"),
            ("vlan4000", "44:38:39:00:00:01", "up"),
        ] {
            let device = path("devices").join(name);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("address"), format!("{mac}\n")).unwrap();
            fs::write(device.join("operstate"), format!("{state}\n")).unwrap();
        }
        fs::write(path("release"), "DISTRIB_ID=\"Cumulus Linux\"\nDISTRIB_RELEASE=3.7.13\n").unwrap();
        let paths = Paths {
            interfaces: path("interfaces"),
            frr: path("frr.conf"),
            devices: path("devices"),
            release: path("release"),
            ip: path("ip"),
        };
        let commands = Arc::new(Recorder::default());
        let driver = Cumulus::new(paths, Frr::new(path("vtysh")), Arc::clone(&commands) as Arc<dyn Commands>);
        Self { dir, commands, driver }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// What systemd was told, with paths made short.
    fn told(&self) -> Vec<String> {
        let dir = format!("{}-", escape_path(self.dir.path()));
        self.commands.take().into_iter().map(|command| command.replace(&dir, "")).collect()
    }

    fn carry_out(&self, intent: &Switch) -> Vec<String> {
        let prepared = self.driver.prepare(intent).unwrap();
        prepared.apply().unwrap();
        assert_eq!(self.driver.prepare(intent).unwrap().describe(), Vec::<String>::new());
        prepared.describe()
    }
}

fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

fn intent() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: [port("swp31")].into(),
        pxe: Some(Pxe { vlan: VlanId::new(4000).unwrap(), address: Some("10.1.0.1/24".parse().unwrap()) }),
        unprovisioned: [port("swp1"), port("swp2")].into(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: ExtraVlans::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: Some(Management { gateway: "192.168.0.1".parse().unwrap(), routes: BTreeSet::new() }),
    }
}

fn allocated() -> Switch {
    let mut intent = intent();
    intent.unprovisioned = [port("swp2")].into();
    let tenant = Tenant { ports: [(port("swp1"), MachineFilter::default())].into() };
    intent.tenants = [(Vni::new(3981).unwrap(), tenant)].into();
    intent
}

const CHECK_INTERFACES: &str = "systemctl start interfaces-validation@interfaces.tmp.service";
const CHECK_FRR: &str = "systemctl start frr-validation@frr.conf.tmp.service";
const RELOAD_INTERFACES: &str = "systemctl start ifreload.service";
const RELOAD_FRR: &str = "systemctl reload frr.service";

#[test]
fn interfaces_then_frr_but_what_leaves_leaves_frr_first() {
    let world = World::start();
    world.carry_out(&intent());
    assert_eq!(world.told(), [CHECK_INTERFACES, CHECK_FRR, RELOAD_INTERFACES, RELOAD_FRR]);

    let described = world.carry_out(&allocated());
    assert_eq!(
        described,
        [
            "change iface bridge",
            "change iface swp1",
            "add iface vlan1001",
            "add iface vni3981",
            "add iface vrf3981",
            "reload FRR"
        ]
    );
    assert_eq!(world.told(), [CHECK_INTERFACES, CHECK_FRR, RELOAD_INTERFACES, RELOAD_FRR]);
    assert_eq!(world.driver.deviations(&allocated()).unwrap(), Vec::<String>::new());

    world.carry_out(&intent());
    assert_eq!(world.told(), [CHECK_FRR, CHECK_INTERFACES, RELOAD_FRR, RELOAD_INTERFACES]);
}

#[test]
fn nothing_is_touched_when_a_file_is_refused() {
    for refused in ["interfaces-validation", "frr-validation"] {
        let world = World::start();
        world.carry_out(&intent());
        let before = (world.read("interfaces"), world.read("frr.conf"));
        world.commands.fail(refused);
        let error = metal_runtime::chain(&world.driver.prepare(&allocated()).err().unwrap());
        assert!(error.starts_with("check "), "{error}");
        assert_eq!((world.read("interfaces"), world.read("frr.conf")), before);
    }
}

#[test]
fn both_files_are_put_back_when_frr_does_not_reload() {
    let world = World::start();
    world.carry_out(&intent());
    let before = (world.read("interfaces"), world.read("frr.conf"));
    world.told();
    world.commands.fail("reload frr.service");
    world.driver.prepare(&allocated()).unwrap().apply().unwrap_err();
    assert_eq!((world.read("interfaces"), world.read("frr.conf")), before);
    assert_eq!(
        world.told(),
        [CHECK_INTERFACES, CHECK_FRR, RELOAD_INTERFACES, RELOAD_FRR, RELOAD_FRR, RELOAD_INTERFACES]
    );
    // It is tried again.
    assert!(!world.driver.prepare(&allocated()).unwrap().is_empty());
    world.carry_out(&allocated());
}

#[test]
fn a_reload_that_fails_for_the_file_before_too_is_made_up_for() {
    let world = World::start();
    world.carry_out(&intent());
    world.commands.fail("ifreload");
    world.commands.fail("ifreload");
    let error = metal_runtime::chain(&world.driver.prepare(&allocated()).unwrap().apply().unwrap_err());
    assert!(error.contains("putting back the file before failed too"), "{error}");
    // The file is the one from before, and still it is known not to be in effect.
    assert_eq!(world.carry_out(&intent()), ["reload interfaces"]);
}

#[test]
fn what_the_switch_tells_about_itself() {
    let world = World::start();
    let system = world.driver.operating_system().unwrap();
    assert_eq!((system.vendor, system.version.as_str()), ("Cumulus", "3.7.13"));
    let ports = world.driver.ports().unwrap();
    assert_eq!(ports.keys().map(PortName::as_str).collect::<Vec<_>>(), ["swp1", "swp2", "swp31"]);
    assert_eq!(ports[&port("swp1")].mac, "44:38:39:00:00:01");
    assert_eq!((ports[&port("swp1")].is_up, ports[&port("swp2")].is_up), (Some(true), Some(false)));
}
