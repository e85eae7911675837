//! Whole configurations as files, and FRR's own check of each. `UPDATE_GOLDEN=1` writes them anew.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use metal_netconf::frr::{self, Flavor};

use crate::fixture;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frr/golden")
}

fn configurations() -> Vec<(&'static str, frr::Config)> {
    let sonic = |sets_source, has_fpm| Flavor::Sonic { sets_source, has_fpm };
    vec![
        ("leaf-empty", frr::switch(&fixture::leaf(), Flavor::Vrf)),
        ("leaf", frr::switch(&fixture::busy_leaf(), Flavor::Vrf)),
        ("leaf-ports-down", frr::switch(&fixture::dark_leaf(), Flavor::Vrf)),
        ("leaf-netns", frr::switch(&fixture::dark_leaf(), Flavor::Netns)),
        ("leaf-sonic", frr::switch(&fixture::busy_leaf(), sonic(false, false))),
        ("leaf-sonic-202411", frr::switch(&fixture::dark_leaf(), sonic(true, true))),
        ("spine", frr::switch(&fixture::spine(), Flavor::Vrf)),
        ("exit", frr::switch(&fixture::exit(), Flavor::Vrf)),
        ("exit-sonic", frr::switch(&fixture::exit(), sonic(true, false))),
        ("machine", frr::machine(&fixture::machine())),
    ]
}

#[test]
fn configurations_are_as_they_were() {
    let is_updating = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, config) in configurations() {
        let file = directory().join(format!("{name}.conf"));
        if is_updating {
            fs::write(&file, config.to_text()).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            golden == config.to_text(),
            "{} differs; run with UPDATE_GOLDEN=1 and look at the difference. It would be:\n{config}",
            file.display()
        );
    }
}

#[test]
fn every_file_is_of_a_configuration() {
    let known: Vec<String> = configurations().iter().map(|(name, _)| format!("{name}.conf")).collect();
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} belongs to no configuration");
    }
}

/// `vtysh` of FRR 10 or later: in the root file system that `scripts/setup test` prepares, or the host's.
fn vtysh() -> Command {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/rootfs");
    let root = std::env::var_os("METAL_FRR_ROOT").map_or(prepared, PathBuf::from);
    let is_there = root.join("usr/bin/vtysh").exists();
    let make = || {
        if is_there {
            // The name /dev/stdin leads to /proc, which a root file system that nobody started does not have.
            let mut command = Command::new("unshare");
            command.args(["--mount", "--mount-proc", "--root"]).arg(&root).arg("vtysh");
            command
        } else {
            Command::new("vtysh")
        }
    };
    let version =
        make().arg("--help").output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_default();
    let major =
        version.split_once("version ").and_then(|(_, rest)| rest.split('.').next()?.parse::<u32>().ok());
    assert!(
        major.is_some_and(|major| major >= 10),
        "this test needs FRR 10 or later, and a root user to enter it: run `scripts/setup test`, or set METAL_FRR_ROOT to \
         a root file system that has it (looked in {}), or install it. vtysh said: {version:?}",
        root.display()
    );
    make()
}

#[test]
fn frr_accepts_every_file() {
    for entry in fs::read_dir(directory()).unwrap() {
        let file = entry.unwrap().path();
        let (accepted, said) = check(&fs::read(&file).unwrap());
        assert!(accepted, "{}: {said}", file.display());
    }
    let (accepted, said) = check(b"router bgp 1\n bogus\nexit\n");
    assert!(!accepted && said.contains("line 2"), "FRR's check must be able to fail: {said}");
}

fn check(text: &[u8]) -> (bool, String) {
    let mut child = vtysh()
        .args(["-C", "-f", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
