//! One device that runs FRR: namespaces of its own, a writable layer over the root file system, the daemons.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use metal_core::frr::Frr;
use metal_netconf::frr::{Config, Tree};

/// What the device does before it is ready. Runs in its own mount, network and process namespaces; everything it makes
/// ends with it.
const START: &str = r#"
set -eu
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/scratch" "$WORK/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/scratch" "$WORK/root"
cd "$WORK/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir run/frr run/netns
cat > start <<'INNER'
set -eu
chown frr:frr /run/frr /etc/frr
ip link set lo up
ip address add 10.0.0.11/32 dev lo
for port in $PORTS; do ip link add $port type veth peer name x-$port; ip link set $port up; ip link set x-$port up; done
for table in $TABLES; do ip netns add $table; done
printf '#!/bin/sh\nexec /usr/lib/frr/$1 -d %s -A 127.0.0.1 < /dev/null > /dev/null 2>&1\n' "$BACKEND" > /usr/bin/start-daemon
chmod +x /usr/bin/start-daemon
for daemon in mgmtd zebra bgpd staticd; do start-daemon $daemon; done
for try in $(seq 100); do
  [ -n "$BACKEND" ] || break
  [ "$(vtysh -c 'show vrf' 2> /dev/null | grep -c netns/)" = "$(echo $TABLES | wc -w)" ] && break
  sleep 0.1
done
INNER
chroot . sh /start
echo ready
read -r end || true
"#;

/// Ports every device has.
const PORTS: &str = "swp1 swp2 swp3 swp4 swp5 swp6 swp7 swp8 swp31 swp32 lan0 lan1";
/// Routing tables every device has.
const TABLES: &str = "vrf3981 vrf3982 vrfInternet vrfPartner";

/// A device with FRR.
pub struct Node {
    process: Child,
    leader: String,
    root: PathBuf,
    _work: tempfile::TempDir,
}

fn lower() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/rootfs");
    let root = std::env::var_os("METAL_FRR_ROOT").map_or(prepared, PathBuf::from);
    assert!(
        root.join("usr/lib/frr/bgpd").exists(),
        "this test needs FRR 10 or later in {}: run `scripts/setup test`, or set METAL_FRR_ROOT",
        root.display()
    );
    root
}

impl Node {
    /// Starts one whose routing tables are namespaces.
    pub fn start() -> Self {
        Self::start_with("-w")
    }

    /// Starts one whose routing tables are VRF devices. There are none: only what is configured can be looked at.
    pub fn start_with_vrf_devices() -> Self {
        Self::start_with("")
    }

    fn start_with(backend: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test makes namespaces: run it as root");
        let work = tempfile::tempdir().unwrap();
        let mut process = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
                "sh",
                "-c",
                START,
            ])
            .env("WORK", work.path())
            .env("LOWER", lower())
            .env("BACKEND", backend)
            .env("PORTS", PORTS)
            .env("TABLES", TABLES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the device did not start");
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        let leader = std::fs::read_to_string(children).unwrap().trim().to_owned();
        Self { process, leader, root: work.path().join("root"), _work: work }
    }

    fn arguments(&self) -> Vec<String> {
        let root = self.root.display().to_string();
        ["-t", &self.leader, "-m", "-n", "-p", "chroot", &root].map(str::to_owned).to_vec()
    }

    /// Its FRR.
    pub fn frr(&self) -> Frr {
        let mut arguments = self.arguments();
        arguments.push("vtysh".to_owned());
        Frr::new("nsenter").with_arguments(arguments).with_patience(Duration::from_secs(60))
    }

    /// Runs a program in it, which must succeed.
    pub fn run(&self, command: &str) -> String {
        self.output(&command.split(' ').collect::<Vec<_>>())
    }

    /// What a program in it says, which must succeed.
    pub fn output(&self, command: &[&str]) -> String {
        let output = Command::new("nsenter").args(self.arguments()).args(command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Whether a program ends with success in it.
    pub fn runs(&self, command: &[&str]) -> bool {
        let output = Command::new("nsenter").args(self.arguments()).args(command).output().unwrap();
        output.status.success()
    }

    /// Its root directory.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.leader)).join(self.root.strip_prefix("/").unwrap())
    }

    /// Leads it to a configuration by plans alone, and checks that FRR then prints exactly that.
    pub fn reach(&self, name: &str, config: &Config) {
        let frr = self.frr();
        let wanted = config.tree();
        frr.validate(&config.to_text()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let plan = frr.plan(&wanted).unwrap();
        frr.apply(&plan.withdraw)
            .unwrap_or_else(|error| panic!("{name}, withdraw: {error}\n{:#?}", plan.withdraw));
        frr.apply(&plan.announce)
            .unwrap_or_else(|error| panic!("{name}, announce: {error}\n{:#?}", plan.announce));
        self.is_at(name, &wanted);
    }

    /// Checks that FRR prints exactly this configuration.
    pub fn is_at(&self, name: &str, wanted: &Tree) {
        let left = self.frr().plan(wanted).unwrap();
        let left: Vec<String> = left.commands().map(ToString::to_string).collect();
        assert_eq!(left, Vec::<String>::new(), "{name}: what is left to do");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.process.stdin.take() {
            let _ = stdin.write_all(b"end\n");
        }
        let _ = self.process.wait();
    }
}
