//! A switch: a Redis server with what SONiC keeps in it, and a thread that follows as its daemons do.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::*;
use crate::driver::units::recorder::Recorder;
use crate::driver::units::{CommandError, Commands};

/// Ports of the switch.
pub const PORTS: u32 = 10;

const VERSION: &str =
    "---\nbuild_version: 'Edgecore-SONiC_20211125_074752_ec202111_227'\ndebian_version: '10.13'\n";

pub struct World {
    dir: tempfile::TempDir,
    server: Child,
    /// What systemd was told.
    pub commands: Arc<Told>,
    is_silent: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    violations: Arc<Mutex<Vec<String>>>,
    daemon: Option<JoinHandle<()>>,
}

/// Recorded commands, with the path of the test's directory made short.
pub struct Told {
    recorder: Recorder,
    instance: String,
}

impl Told {
    pub fn take(&self) -> Vec<String> {
        let short = |command: String| command.replace(&self.instance, "FRR");
        self.recorder.take().into_iter().map(short).collect()
    }

    pub fn fail(&self, text: &str) {
        self.recorder.fail(text);
    }
}

impl Commands for Told {
    fn run(&self, command: &[&str]) -> Result<(), CommandError> {
        self.recorder.run(command)
    }
}

impl World {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("redis.sock");
        let mut server = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--requirepass",
                "word",
                "--unixsocket",
            ])
            .arg(&socket)
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server: install the package redis-server");
        while UnixStream::connect(&socket).is_err() {
            assert_eq!(server.try_wait().unwrap(), None, "redis-server ended");
            thread::sleep(Duration::from_millis(5));
        }
        fs::write(dir.path().join("password"), "word\n").unwrap();
        fs::write(dir.path().join("sonic_version.yml"), VERSION).unwrap();
        let instance = crate::driver::units::escape_path(&dir.path().join("frr.conf"));
        let world = Self {
            commands: Arc::new(Told { recorder: Recorder::default(), instance }),
            is_silent: Arc::default(),
            is_over: Arc::default(),
            rounds: Arc::default(),
            violations: Arc::default(),
            daemon: None,
            server,
            dir,
        };
        world.describe(&format!(r#""unix_socket_path": "{}""#, socket.display()), "password");
        world.knows_vrfs(&[]);
        world.fill();
        world.with_daemon()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn describe(&self, endpoint: &str, password: &str) {
        let password = self.path(password);
        let text = format!(
            r#"{{"INSTANCES": {{"redis": {{"hostname": "127.0.0.1", {endpoint}, "password_path": "{}", "persistence_for_warm_boot": "yes"}}}},
            "DATABASES": {{"APPL_DB": {{"id": 0, "separator": ":", "instance": "redis"}},
                "ASIC_DB": {{"id": 1, "separator": ":", "instance": "redis"}},
                "COUNTERS_DB": {{"id": 2, "separator": ":", "instance": "redis"}},
                "CONFIG_DB": {{"id": 4, "separator": "|", "instance": "redis"}}}}, "VERSION": "1.0"}}"#,
            password.display()
        );
        fs::write(self.path("database_config.json"), text).unwrap();
    }

    pub fn forget_password(&self) {
        fs::write(self.path("password"), "").unwrap();
    }

    /// Passes connections of a TCP port on to the server.
    pub fn listen_on_tcp(&self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.describe(&format!(r#""port": {}"#, listener.local_addr().unwrap().port()), "password");
        let socket = self.path("redis.sock");
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                pass_on(&client, &socket);
            }
        });
    }

    /// What `vtysh` says there is.
    pub fn knows_vrfs(&self, names: &[&str]) {
        let vtysh = self.path("vtysh");
        let lines: String = names
            .iter()
            .enumerate()
            .map(|(index, name)| format!("vrf {name} id {} table {}\n", index + 5, index + 1001))
            .collect();
        let draft = self.path("vtysh.tmp");
        fs::write(&draft, format!("#!/bin/sh\ncat <<'EOF'\n{lines}EOF\n")).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, vtysh).unwrap();
    }

    pub fn driver(&self) -> Sonic {
        let settings = Settings {
            database_config: self.path("database_config.json"),
            version_file: self.path("sonic_version.yml"),
            frr_file: self.path("frr.conf"),
            patience: Patience { attempts: 5, first: Duration::from_millis(100) },
            ..Settings::default()
        };
        Sonic::new(settings, Frr::new(self.path("vtysh")), Arc::clone(&self.commands) as Arc<dyn Commands>)
    }

    pub fn open(&self, name: &'static str) -> Connection {
        Databases { config: self.path("database_config.json") }.open(name).unwrap()
    }

    fn fill(&self) {
        let (mut config, mut appl, mut counters) =
            (self.open("CONFIG_DB"), self.open("APPL_DB"), self.open("COUNTERS_DB"));
        for number in 0..PORTS {
            let port = super::port(number);
            let alias = format!("Eth{0}(Port{0})", number + 1);
            let row = [
                ("alias", alias.as_str()),
                ("admin_status", "up"),
                ("mtu", "9100"),
                ("lanes", "1"),
                ("speed", "25000"),
            ];
            config.set(&format!("PORT|{port}"), row).unwrap();
            let state = if number == 2 { "down" } else { "up" };
            appl.set(&format!("PORT_TABLE:{port}"), [("oper_status", state)]).unwrap();
            counters.set("COUNTERS_PORT_NAME_MAP", [(port.as_str(), oid(number).as_str())]).unwrap();
        }
        appl.set("PORT_TABLE:PortInitDone", [("lanes", "0")]).unwrap();
        for (key, field, value) in [
            ("VLAN|Vlan4000", "vlanid", "4000"),
            ("VLAN_INTERFACE|Vlan4000", "NULL", "NULL"),
            ("VLAN_INTERFACE|Vlan4000|10.1.0.1/24", "NULL", "NULL"),
            ("VLAN|Vlan100", "vlanid", "100"),
            ("VLAN_MEMBER|Vlan100|Ethernet36", "tagging_mode", "tagged"),
            ("VXLAN_TUNNEL|vtep", "src_ip", "10.0.0.11"),
            ("VXLAN_EVPN_NVO|nvo", "source_vtep", "vtep"),
            ("LOOPBACK_INTERFACE|Loopback0|10.0.0.11/32", "NULL", "NULL"),
            ("DEVICE_METADATA|localhost", "docker_routing_config_mode", "split"),
        ] {
            config.set(key, [(field, value)]).unwrap();
        }
    }

    fn with_daemon(mut self) -> Self {
        let (config, asic) = (self.open("CONFIG_DB"), self.open("ASIC_DB"));
        let (is_silent, is_over) = (Arc::clone(&self.is_silent), Arc::clone(&self.is_over));
        let (rounds, violations) = (Arc::clone(&self.rounds), Arc::clone(&self.violations));
        self.daemon = Some(thread::spawn(move || {
            let mut daemon = Daemon { config, asic, violations, pending: BTreeSet::new() };
            while !is_over.load(Ordering::SeqCst) {
                if !is_silent.load(Ordering::SeqCst) {
                    daemon.round();
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
                thread::sleep(Duration::from_millis(5));
            }
        }));
        self
    }

    /// Lets the daemons follow no longer, or again.
    pub fn be_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Waits until the daemons have followed everything.
    pub fn settle(&self) {
        let until = self.rounds.load(Ordering::SeqCst) + 4;
        while self.rounds.load(Ordering::SeqCst) < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// When a port was wanted in a VLAN and routed at once.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(daemon) = self.daemon.take() {
            let _ = daemon.join();
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn pass_on(client: &TcpStream, socket: &Path) {
    let server = UnixStream::connect(socket).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client.try_clone().unwrap());
    thread::spawn(move || io::copy(&mut from, &mut to));
}

fn oid(number: u32) -> String {
    format!("oid:0x10000000003{number:02x}")
}

/// Carries rows into the hardware's database, one round after it saw them.
struct Daemon {
    config: Connection,
    asic: Connection,
    violations: Arc<Mutex<Vec<String>>>,
    /// Objects that are to be made or removed in the next round.
    pending: BTreeSet<String>,
}

impl Daemon {
    fn round(&mut self) {
        let keys = self.config.keys("*").unwrap();
        let mut seen = BTreeSet::new();
        for number in 0..PORTS {
            let port = super::port(number);
            let is_member =
                keys.iter().any(|key| key.starts_with("VLAN_MEMBER|") && key.ends_with(&format!("|{port}")));
            let is_routed = keys.contains(&format!("INTERFACE|{port}"));
            let bridge = format!("ASIC_STATE:SAI_OBJECT_TYPE_BRIDGE_PORT:oid:0x3a0000000000{number:02x}");
            let router = format!("ASIC_STATE:SAI_OBJECT_TYPE_ROUTER_INTERFACE:oid:0x60000000000{number:02x}");
            let (has_bridge, has_router) =
                (self.asic.exists(&bridge).unwrap(), self.asic.exists(&router).unwrap());
            if (is_member && (is_routed || has_router))
                || (is_routed && has_bridge && !self.pending.contains(&bridge))
            {
                self.violations
                    .lock()
                    .unwrap()
                    .push(format!("{port}: {is_member} {is_routed} {has_bridge} {has_router}"));
            }
            let id = oid(number);
            let bridge_row = [
                ("SAI_BRIDGE_PORT_ATTR_PORT_ID", id.as_str()),
                ("SAI_BRIDGE_PORT_ATTR_TYPE", "SAI_BRIDGE_PORT_TYPE_PORT"),
            ];
            let router_row = [
                ("SAI_ROUTER_INTERFACE_ATTR_PORT_ID", id.as_str()),
                ("SAI_ROUTER_INTERFACE_ATTR_TYPE", "SAI_ROUTER_INTERFACE_TYPE_PORT"),
            ];
            for (object, row, wanted, has) in
                [(bridge, bridge_row, is_member, has_bridge), (router, router_row, is_routed, has_router)]
            {
                if wanted == has {
                    continue;
                }
                if !self.pending.contains(&object) {
                    seen.insert(object);
                } else if wanted {
                    self.asic.set(&object, row).unwrap();
                } else {
                    self.asic.delete(&object).unwrap();
                }
            }
        }
        self.pending = seen;
    }
}
