//! The Linux driver as a whole: the running kernel in the layout with namespaces, and the real FRR.
//!
//! Needs root, and FRR 10 or later in a root file system (`METAL_FRR_ROOT`, otherwise `target/lab/rootfs`).

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use metal_core::driver::Driver;
use metal_core::driver::linux::{Kernel, LinuxDriver};
use metal_core::frr::Frr;
use metal_netconf::intent::Switch;

use crate::linux::{allocate, leaf, on_a_switch, release};

/// Builds a root for FRR over the prepared one, in this thread's mount namespace. Namespaces mounted later under
/// `/run/netns` have to show in it, so `/run` is shared before it is bound.
const ROOT: &str = r#"
set -eu
mount --make-shared /run
mount -t tmpfs tmpfs /mnt
cd /mnt
mkdir upper scratch root
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=upper,workdir=scratch" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mkdir -p /run/frr
mount --bind /run root/run
chroot root chown frr:frr /run/frr /etc/frr
"#;

/// Runs the daemons until it is killed, and they with it.
const DAEMONS: &str = r#"
set -eu
mount -t proc proc /proc
for daemon in mgmtd zebra bgpd staticd; do /usr/lib/frr/$daemon -d -w -A 127.0.0.1 < /dev/null > /dev/null 2>&1; done
echo ready
sleep infinity
"#;

const FRR_ROOT: &str = "/mnt/root";

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

struct Daemons(Child);

impl Daemons {
    fn start() -> Self {
        let mut process = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation",
                "unchanged",
                "chroot",
                FRR_ROOT,
            ])
            .args(["sh", "-c", DAEMONS])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "FRR did not start");
        Self(process)
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn frr() -> Frr {
    Frr::new("chroot").with_arguments([FRR_ROOT, "vtysh"]).with_directory(format!("{FRR_ROOT}/etc/frr"))
}

fn with_frr(test: impl FnOnce(&LinuxDriver, &mut Daemons) + Send) {
    let lower = lower();
    on_a_switch(|kernel: &Kernel| {
        let built = Command::new("sh").args(["-c", ROOT]).env("LOWER", &lower).status().unwrap();
        assert!(built.success(), "the root file system for FRR was not built");
        let mut daemons = Daemons::start();
        let driver = LinuxDriver::with(kernel.clone(), frr());
        wait("FRR runs", || driver.is_ready().unwrap());
        test(&driver, &mut daemons);
    });
}

/// Waits until something is so; fails if it is not after a time that is long enough on any machine.
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Prepares, applies, and waits until nothing deviates; then nothing is left to do.
fn reach(driver: &LinuxDriver, intent: &Switch) -> Vec<String> {
    let prepared = driver.prepare(intent).unwrap();
    prepared
        .apply()
        .unwrap_or_else(|error| panic!("{error}: {:?}\n{:#?}", error.source, prepared.describe()));
    wait("the switch is as intended", || {
        let deviations = driver.deviations(intent).unwrap();
        if !deviations.is_empty() {
            eprintln!("{deviations:?}");
        }
        deviations.is_empty()
    });
    let rest = driver.prepare(intent).unwrap();
    assert!(rest.is_empty(), "left over: {:?}", rest.describe());
    prepared.describe()
}

#[test]
fn machines_come_and_go_and_nothing_is_left_over() {
    with_frr(|driver, _| {
        let mut intent = leaf();
        reach(driver, &intent);
        for number in [3981, 7] {
            allocate(&mut intent, "swp1", number);
            let steps = reach(driver, &intent);
            assert!(steps.iter().any(|step| step.starts_with("create namespace")), "{steps:#?}");
        }
        allocate(&mut intent, "swp2", 3981);
        reach(driver, &intent);
        let sessions = driver.sessions().unwrap();
        let session = sessions.iter().find(|session| session.port == "swp2").unwrap();
        assert_eq!((session.vrf.as_str(), session.peer_group.as_str()), ("vrf3981", "MACHINE"));
        release(&mut intent, "swp1");
        release(&mut intent, "swp2");
        reach(driver, &intent);
        allocate(&mut intent, "swp1", 3981);
        let steps = reach(driver, &intent);
        assert!(!steps.iter().any(|step| step.starts_with("create namespace")), "{steps:#?}");
        driver.persist(&intent).unwrap();
    });
}

#[test]
fn frr_that_was_killed_gets_everything_again() {
    with_frr(|driver, daemons| {
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        reach(driver, &intent);
        daemons.0.kill().unwrap();
        daemons.0.wait().unwrap();
        wait("FRR is gone", || !driver.is_ready().unwrap());
        assert!(driver.prepare(&intent).is_err(), "without FRR nothing can be compared");
        *daemons = Daemons::start();
        wait("FRR runs", || driver.is_ready().unwrap());
        reach(driver, &intent);
    });
}
