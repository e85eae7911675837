//! Sandboxes on the real kernel: what is inside sees only the inside, and nothing outlives the owner.
//!
//! The test program starts itself again as the first process, as a node and as the owner of a sandbox: the "test"
//! `reexecuted` plays the part that an environment variable names.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use metal_linux::sandbox::{Bind, PidNamespace, Process, Root, Unshare, enter, enter_root, run_init};

const PART: &str = "METAL_SANDBOX_TEST_PART";
const SHARED: &str = "METAL_SANDBOX_TEST_DIRECTORY";
/// Where the node finds what its owner shares with it.
const INSIDE: &str = "/var/shared";

#[test]
fn reexecuted() {
    match std::env::var(PART).as_deref() {
        Ok("init") => run_init().unwrap(),
        Ok("node") => node(),
        Ok("owner") => owner(),
        _ => {}
    }
}

/// This program, to be run again in another part.
fn part(name: &str, shared: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "reexecuted", "--nocapture", "--test-threads=1"]);
    command.env(PART, name).env(SHARED, shared).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn shared() -> PathBuf {
    PathBuf::from(std::env::var_os(SHARED).unwrap())
}

/// Takes its root, tells what it sees, and then lives until it is killed.
fn node() {
    let source = shared();
    let binds = vec![
        Bind { source: source.clone(), target: INSIDE.into(), read_only: false },
        Bind { source: source.join("fixed"), target: "/opt/made/fixed".into(), read_only: true },
    ];
    let root = Root { lower: "/".into(), scratch: 16 << 20, binds, hostname: "leaf77".to_owned() };
    enter_root(&root).unwrap();
    fs::write("/etc/written-inside", "x").unwrap();
    let refused = fs::write("/opt/made/fixed", "y").unwrap_err();
    let report = [
        format!("low process id={}", std::process::id() < 100),
        format!("hostname={}", fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim()),
        format!("refused={}", refused.kind()),
        format!("fixed={}", fs::read_to_string("/opt/made/fixed").unwrap()),
        format!("devices={}", names("/sys/class/net").join(",")),
        format!("run={}", names("/run").join(",")),
        format!("netns={}", names("/run/netns").join(",")),
        format!("null={}", fs::write("/dev/null", "x").is_ok()),
        format!("processes={}", names("/proc").iter().filter(|name| name.parse::<u32>().is_ok()).count()),
        format!(
            "shared={}",
            mounts().iter().any(|line| line.contains(" /run/netns ") && line.contains("shared:"))
        ),
        format!("mounts={}", mount_points_but_devices().join(",")),
    ];
    fs::write(Path::new(INSIDE).join("report.part"), report.join("\n")).unwrap();
    fs::rename(Path::new(INSIDE).join("report.part"), Path::new(INSIDE).join("report")).unwrap();
    loop {
        std::thread::park();
    }
}

/// Owns a sandbox with one node and never ends by itself.
fn owner() {
    let shared = shared();
    let sandbox = PidNamespace::new(part("init", &shared)).unwrap();
    let node = sandbox.spawn(part("node", &shared), Unshare::ALL).unwrap();
    let background = sandbox.spawn(background_sleep(&shared), Unshare::default()).unwrap();
    assert!(background.wait().unwrap().success());
    let ids = format!("{} {}", sandbox.init(), node.id());
    fs::write(shared.join("ids.part"), ids).unwrap();
    fs::rename(shared.join("ids.part"), shared.join("ids")).unwrap();
    loop {
        std::thread::park();
    }
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mounts() -> BTreeSet<String> {
    fs::read_to_string("/proc/self/mountinfo").unwrap().lines().map(str::to_owned).collect()
}

fn mount_points_but_devices() -> Vec<String> {
    let points = mounts().into_iter().map(|line| line.split(' ').nth(4).unwrap().to_owned());
    let is_device = |point: &str| point.starts_with("/dev/") && !Path::new(point).is_dir();
    points.filter(|point| !is_device(point)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Those of the host that are not another test's named namespaces.
fn lasting_mounts() -> BTreeSet<String> {
    mounts().into_iter().filter(|line| !line.contains("/netns")).collect()
}

fn require_root() {
    assert!(rustix::process::geteuid().is_root(), "this test makes namespaces: run it as root");
}

fn prepared() -> tempfile::TempDir {
    require_root();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("fixed"), "as it was").unwrap();
    directory
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never happened: {what}");
}

fn appears(path: &Path) -> String {
    eventually(&format!("{} appears", path.display()), || fs::read_to_string(path).ok())
}

/// Whether a process still runs; one that is dead and waits to be reaped by somebody does not.
fn runs(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']))
}

fn namespace(id: &str, kind: &str) -> PathBuf {
    fs::read_link(format!("/proc/{id}/ns/{kind}")).unwrap()
}

#[test]
fn a_node_sees_only_the_inside() {
    let directory = prepared();
    let sandbox = PidNamespace::new(part("init", directory.path())).unwrap();
    let node = sandbox.spawn(part("node", directory.path()), Unshare::ALL).unwrap();
    let report = appears(&directory.path().join("report"));
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(
        lines,
        [
            "low process id=true",
            "hostname=leaf77",
            "refused=read-only filesystem or storage medium",
            "fixed=as it was",
            "devices=lo",
            if has_frr() { "run=frr,lock,netns" } else { "run=lock,netns" },
            "netns=",
            "null=true",
            "processes=2",
            "shared=true",
            "mounts=/,/dev,/dev/pts,/dev/shm,/opt/made/fixed,/proc,/run,/run/netns,/sys,/var/shared",
        ]
    );
    for kind in ["pid", "mnt", "net", "uts", "ipc"] {
        assert_ne!(namespace("self", kind), namespace(&node.id().to_string(), kind), "{kind}");
    }
    assert!(!Path::new("/etc/written-inside").exists());
}

fn has_frr() -> bool {
    fs::read_to_string("/etc/passwd").unwrap().lines().any(|line| line.starts_with("frr:"))
}

#[test]
fn a_further_program_can_be_started_inside_a_node() {
    let directory = prepared();
    let sandbox = PidNamespace::new(part("init", directory.path())).unwrap();
    let node = sandbox.spawn(part("node", directory.path()), Unshare::ALL).unwrap();
    appears(&directory.path().join("report"));
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat /etc/written-inside; cat /proc/sys/kernel/hostname; echo $$"]);
    let output = enter(node.id(), {
        shell.stdout(Stdio::piped());
        shell
    })
    .unwrap()
    .wait_with_output()
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words[0], "xleaf77");
    assert!(words[1].parse::<u32>().unwrap() < 100, "a process number of the inside: {text}");
    assert!(enter(u32::MAX, Command::new("true")).is_err());
}

#[test]
fn dropping_the_sandbox_ends_everything_in_it_and_waits_for_it() {
    let directory = prepared();
    let before = lasting_mounts();
    let sandbox = PidNamespace::new(part("init", directory.path())).unwrap();
    let node = sandbox.spawn(part("node", directory.path()), Unshare::ALL).unwrap();
    let ended = sandbox.spawn(Command::new("true"), Unshare::default()).unwrap();
    assert!(ended.wait().unwrap().success());
    let background = sandbox.spawn(background_sleep(directory.path()), Unshare::default()).unwrap();
    assert!(background.wait().unwrap().success());
    appears(&directory.path().join("report"));
    let init = sandbox.init();
    assert!(runs(init) && node.try_wait().unwrap().is_none());
    drop(sandbox);
    assert!(!runs(init) && !runs(node.id()));
    assert_eq!(node.wait().unwrap().signal(), Some(9));
    assert_eq!(sleepers(directory.path()), 0);
    assert_eq!(lasting_mounts(), before);
}

/// A shell that leaves an orphan behind, which only the end of the sandbox ends.
fn background_sleep(directory: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("sleep 1000 & exit 0").current_dir(directory).stdout(Stdio::null());
    shell
}

/// How many processes have `directory` as their working directory.
fn sleepers(directory: &Path) -> usize {
    let ids = names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
    ids.filter(|id| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == directory)).count()
}

#[test]
fn nothing_is_left_when_the_owner_is_killed() {
    let directory = prepared();
    let before = lasting_mounts();
    let mut owner = part("owner", directory.path()).spawn().unwrap();
    let ids = appears(&directory.path().join("ids"));
    appears(&directory.path().join("report"));
    let ids: Vec<u32> = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(ids.iter().all(|id| runs(*id)));
    assert_eq!(sleepers(directory.path()), 1);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let is_over = || ids.iter().all(|id| !runs(*id)) && sleepers(directory.path()) == 0;
    eventually("the sandbox ends", || is_over().then_some(()));
    assert_eq!(lasting_mounts(), before);
}

#[test]
fn a_sandbox_whose_first_process_ended_says_so() {
    let directory = prepared();
    let sandbox = PidNamespace::new(part("init", directory.path())).unwrap();
    let init = sandbox.init();
    assert!(Command::new("kill").args(["-9", &init.to_string()]).status().unwrap().success());
    eventually("the first process ends", || (!runs(init)).then_some(()));
    let error = sandbox.spawn(Command::new("true"), Unshare::ALL).unwrap_err();
    assert_eq!(error.to_string(), "start in the sandbox true");
    assert_eq!(error.source.to_string(), "the sandbox has ended");
}

#[test]
fn a_program_that_is_missing_is_an_error_and_the_sandbox_lives_on() {
    let directory = prepared();
    let sandbox = PidNamespace::new(part("init", directory.path())).unwrap();
    assert!(sandbox.spawn(Command::new("/no/such/program"), Unshare::ALL).is_err());
    let process: Process = sandbox.spawn(Command::new("true"), Unshare::ALL).unwrap();
    assert!(process.wait().unwrap().success());
    assert!(PidNamespace::new(Command::new("/no/such/program")).is_err());
}
