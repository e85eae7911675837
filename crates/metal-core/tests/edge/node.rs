//! Nodes with the root file system of another system, and a thread of their own for what is tested against them.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use metal_linux::namespace::{Namespace, apart};
use metal_linux::netlink::Netlink;
use metal_linux::sandbox::{PidNamespace, Process, Root, Unshare, enter, enter_root};

pub const PART: &str = "METAL_EDGE_TEST_PART";
const SCRIPT: &str = "METAL_EDGE_TEST_SCRIPT";
const NAME: &str = "METAL_EDGE_TEST_NAME";

fn root_filesystem() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/rootfs");
    let root = std::env::var_os("METAL_FRR_ROOT").map_or(prepared, PathBuf::from);
    assert!(
        ["usr/sbin/lldpd", "usr/sbin/dnsmasq", "usr/bin/busybox"].iter().all(|file| root.join(file).exists()),
        "this test needs lldpd, dnsmasq and busybox in {}: run `scripts/setup test`, or set METAL_FRR_ROOT",
        root.display()
    );
    root
}

/// Plays the node: takes the root and runs the script in it.
pub fn run() {
    let hostname = std::env::var(NAME).unwrap();
    enter_root(&Root { lower: root_filesystem(), scratch: 32 << 20, binds: Vec::new(), hostname }).unwrap();
    let script = std::env::var(SCRIPT).unwrap();
    // What the programs say is of interest only to who looks for a mistake in the test.
    Command::new("/bin/sh")
        .args(["-c", &script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .status()
        .unwrap();
}

fn part(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "reexecuted", "--nocapture", "--test-threads=1"]);
    command.env(PART, name).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Where nodes live; all end with it.
pub struct Sandbox(PidNamespace);

impl Sandbox {
    pub fn new() -> Self {
        Self(PidNamespace::new(part("init")).unwrap())
    }

    /// Starts a node that runs this script once its `eth0` is there.
    pub fn node(&self, name: &str, script: &str) -> Process {
        let wait =
            "until [ -e /sys/class/net/eth0 ]; do sleep 0.05; done; ip link set lo up; ip link set eth0 up";
        let mut command = part("node");
        command.env(NAME, name).env(SCRIPT, format!("{wait}; {script}"));
        self.0.spawn(command, Unshare::ALL).unwrap()
    }
}

/// A cable between a new device of ours and `eth0` of a node.
pub fn connect(ours: &str, node: &Process) {
    let there = Namespace::of_process(node.id()).unwrap();
    Netlink::open(None).unwrap().veth(ours, None, "eth0", Some(&there)).unwrap();
}

pub fn set_up(namespace: Option<&Namespace>, name: &str) {
    let mut netlink = Netlink::open(namespace).unwrap();
    let link = netlink.link(name).unwrap();
    netlink.set_up(&link, true).unwrap();
}

/// What a program inside a node prints.
pub fn output(node: &Process, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let output = enter(node.id(), command).unwrap().wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a test in a network of its own, on a runtime whose only thread is in it.
pub fn in_network_of_its_own<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    apart(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    })
    .unwrap();
}

/// Looks until it is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never happened: {what}");
}
