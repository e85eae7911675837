//! What a person does with a lab: look at it, go into its nodes, watch packets; and two labs side by side.

use std::process::Command;

use super::harness::{MACHINES, lab, run};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_can_be_looked_into() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let status = run(&lab.dir, &["status"]);
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    for node in ["leaf01", "leaf02", "spine01", "exit", "m1", "m4"] {
        assert!(said.contains(node), "{said}");
    }
    assert_eq!(lab.shell("leaf01", &["hostname"]).trim(), "leaf01");
    assert_eq!(lab.try_shell("leaf01", &["sh", "-c", "exit 7"]).status.code(), Some(7));
    let wrong = run(&lab.dir, &["shell", "leaf99", "--", "true"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("leaf01, leaf02"), "{said}");
    // LLDP of the leaf and of nobody else passes on an idle port.
    let seen = run(&lab.dir, &["capture", "leaf01", "swp1", "--", "-c", "1", "-v", "ether proto 0x88cc"]);
    let said = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(said.contains("leaf01"), "{said}{}", String::from_utf8_lossy(&seen.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_tell_what_they_see() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    for leaf in ["leaf01", "leaf02"] {
        lab.until(&format!("{leaf} reports its spine and its sessions"), async || {
            let shown = lab.client.switch().get(leaf).await.unwrap();
            let text = serde_json::to_string(&shown).unwrap();
            text.contains("spine01") && text.contains("Established")
        })
        .await;
    }
    for machine in MACHINES {
        let found = lab.machine(machine).await;
        let seen = found.hardware.nics.iter().flat_map(|nic| &nic.neighbors).map(|it| it.name.clone());
        assert_eq!(seen.collect::<Vec<_>>(), [machine.replace('m', "swp"), machine.replace('m', "swp")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outside_is_reached_from_the_exit_and_from_nowhere_else() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    // By device: `ip vrf exec` needs control groups, which a node may not have.
    let inside = "if [ -e /run/netns/vrfInternet ]; then ip netns exec vrfInternet ping -c 1 -W 1 \"$1\"; \
        else ping -I vrfInternet -c 1 -W 1 \"$1\"; fi";
    for address in ["203.0.113.100", "2001:db8::10"] {
        lab.until(&format!("the exit reaches {address}"), async || {
            let command = ["sh", "-c", inside, "sh", address];
            lab.try_shell("exit", &command).status.success()
        })
        .await;
        for leaf in ["leaf01", "leaf02"] {
            assert!(!lab.pings(leaf, address, 56), "{leaf} reaches {address}");
        }
    }
    for other in ["10.0.0.12", "10.0.0.31"] {
        let command = ["ping", "-c", "1", "-W", "1", "-I", "10.0.0.11", other];
        lab.until(&format!("leaf01 reaches the tunnel endpoint {other}"), async || {
            lab.try_shell("leaf01", &command).status.success()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_lab_runs_beside_and_a_killed_one_leaves_nothing() {
    let guard = lab().await;
    let first = guard.as_ref().unwrap();
    let outer = tempfile::tempdir().unwrap();
    let (dir, topology) = (outer.path().join("lab"), outer.path().join("small.toml"));
    std::fs::write(&topology, SMALL).unwrap();
    let links = || Command::new("ip").args(["-brief", "link"]).output().unwrap().stdout;
    let rules = || Command::new("nft").args(["list", "ruleset"]).output().unwrap().stdout;
    let routes = || Command::new("ip").args(["route", "show", "table", "all"]).output().unwrap().stdout;
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = (links(), rules(), routes(), mounts());
    let topology = topology.to_str().unwrap();
    let up = run(&dir, &["up", "--port", "0", "--grpc-port", "0", "--topology", topology]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&[up.stdout, up.stderr].concat()));
    assert!(first.is_settled().await, "the first lab goes on");
    assert_eq!(before, (links(), rules(), routes(), mounts()), "the host is left alone");
    // Killed without a word, it takes everything along.
    let status = run(&dir, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
    let node = status["nodes"]["leaf01"].as_u64().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let is_gone = async || !std::path::Path::new(&format!("/proc/{node}/ns/net")).exists();
    first.until("the killed lab's nodes are gone", is_gone).await;
    assert_eq!(before, (links(), rules(), routes(), mounts()), "the host is left alone");
    assert!(run(&dir, &["down"]).status.success());
    assert!(!dir.exists());
}

/// Two leaves, cabled to one spine, and one machine.
const SMALL: &str = r#"
[bgp]
keepalive = 1
hold = 3
route_map_delay = 1
maximum_prefix = 500
[pxe]
vlan = 4000
network = "10.0.1.0/24"
pool = ["10.0.1.100", "10.0.1.199"]
[management]
network = "192.168.250.0/24"
gateway = "192.168.250.1"
[[switch]]
name = "leaf01"
role = "leaf"
rack = "rack01"
asn = 4200000011
loopback = "10.0.0.11"
management = "192.168.250.11"
pxe = "10.0.1.1"
[[switch]]
name = "leaf02"
role = "leaf"
rack = "rack01"
asn = 4200000012
loopback = "10.0.0.12"
management = "192.168.250.12"
pxe = "10.0.1.2"
[[switch]]
name = "spine01"
role = "spine"
asn = 4200000021
loopback = "10.0.0.21"
management = "192.168.250.21"
[[cable]]
ends = ["leaf01:swp31", "spine01:swp1"]
[[cable]]
ends = ["leaf02:swp31", "spine01:swp2"]
[[machine]]
name = "m1"
uuid = "00000000-0000-0000-0000-000000000009"
ports = ["leaf01:swp1", "leaf02:swp1"]
"#;
