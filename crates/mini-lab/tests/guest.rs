//! The guest, booted for real: what this machine's kernel may lack is there, and output and exit code come back.
//!
//! Takes root, QEMU, and half a minute when QEMU has to translate, so it runs only when `METAL_GUEST` is set.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::process::{Command, Output};

/// One command in one guest; nothing when guests were not asked for.
fn in_guest(options: &[&str], command: &[&str]) -> Option<Output> {
    if std::env::var_os("METAL_GUEST").is_none() {
        println!("not selected: set METAL_GUEST=1 to boot a guest");
        return None;
    }
    let mut guest = Command::new(env!("CARGO_BIN_EXE_mini-lab"));
    guest.arg("guest").args(options).arg("--").args(command);
    Some(guest.env("METAL_TEST_WORD", "a 'word'").output().unwrap())
}

#[test]
fn the_kernel_has_what_switches_need_and_the_outcome_comes_back() {
    let script = r#"
        set -e
        ip link add vrftest type vrf table 10
        ip link add bridge type bridge vlan_filtering 1
        bridge vlan add vid 10 dev bridge self
        ip link add link bridge name vlan10 type vlan id 10
        ip link set vlan10 master vrftest
        ip link add vni10 type vxlan id 10 dstport 4789 local 10.0.0.1 nolearning
        nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; policy drop; }'
        ip -o link show master vrftest
        echo "$METAL_TEST_WORD" "$1" >&2
        exit 7
    "#;
    let Some(output) = in_guest(&["--timeout", "120"], &["sh", "-c", script, "sh", "b  c"]) else { return };
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(7), "{out}{err}");
    assert!(out.contains("vlan10@bridge"), "{out}");
    assert!(err.contains("a 'word' b  c\n"), "{err}");
}

#[test]
fn all_output_comes_back_our_programs_are_inside_and_nothing_can_be_written() {
    let program = env!("CARGO_BIN_EXE_mini-lab");
    let script = format!("mini-lab --version && ! touch {program} 2>&1 && busybox seq 1 200000");
    let Some(output) = in_guest(&["--timeout", "120", "--cpus", "1"], &["sh", "-c", &script]) else { return };
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = out.lines();
    assert!(lines.next().unwrap().starts_with("mini-lab "));
    assert!(lines.next().unwrap().contains("Read-only file system"));
    assert!(lines.map(|line| line.parse::<u32>().unwrap()).eq(1..=200_000));
}

#[test]
fn a_command_that_cannot_be_started_or_takes_too_long_has_its_own_code() {
    let Some(output) = in_guest(&[], &["/no/such/program"]) else { return };
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/program"));
    let Some(output) = in_guest(&["--timeout", "1"], &["sleep", "1000"]) else { return };
    assert_eq!(output.status.code(), Some(124));
}
