//! Who reaches whom: tenants with the same addresses, machines of one network on different leaves, machines of nobody.

use super::harness::{MACHINES, PROJECT, addresses, lab, vrf};

/// A payload that makes a packet of 9000 octets.
const LARGE_V4: usize = 9000 - 20 - 8;
const LARGE_V6: usize = 9000 - 40 - 8;

#[tokio::test(flavor = "multi_thread")]
async fn machines_of_one_network_meet_across_leaves() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "across").await;
    for machine in ["m1", "m2"] {
        lab.allocate(machine, PROJECT, &network).await;
    }
    let (one, other) = (lab.until_home("m1").await, lab.until_home("m2").await);
    let (v4, v6) = (addresses(&other)[0].clone(), addresses(&other)[1].clone());
    lab.until_pings("m1", &v4).await;
    lab.until_pings("m1", &v6).await;

    // With opposite cables pulled the only way is from leaf to leaf, through the tunnel.
    lab.shell("m1", &["ip", "link", "set", "lan1", "down"]);
    lab.shell("m2", &["ip", "link", "set", "lan0", "down"]);
    for address in [&v4, &v6] {
        lab.until_pings("m1", address).await;
    }
    for (address, size) in [(&v4, LARGE_V4), (&v6, LARGE_V6)] {
        assert!(lab.pings("m1", address, size), "9000 octets to {address}");
        assert!(!lab.pings("m1", address, size + 1), "9001 octets to {address}");
    }
    lab.until_pings("m2", &addresses(&one)[0]).await;
    lab.shell("m1", &["ip", "link", "set", "lan1", "up"]);
    lab.shell("m2", &["ip", "link", "set", "lan0", "up"]);
    lab.until_pings("m2", &addresses(&one)[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_the_same_addresses_do_not_see_each_other() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let foreign = lab.project("foreign").await;
    let (ours, theirs) = (lab.network(PROJECT, "ours").await, lab.network(&foreign, "theirs").await);
    for (machine, project, network) in [
        ("m1", PROJECT, &ours),
        ("m2", PROJECT, &ours),
        ("m3", &*foreign, &theirs),
        ("m4", &*foreign, &theirs),
    ] {
        lab.allocate(machine, project, network).await;
    }
    let mut machines = Vec::new();
    for machine in MACHINES {
        machines.push(lab.until_home(machine).await);
    }
    assert_ne!(vrf(&machines[0]), vrf(&machines[2]));

    // Pods of both tenants have the same addresses, which both may announce.
    let pods = [("10.240.0.1", 32), ("fd00:240::1", 128)];
    for (machine, peer) in [("m1", "m2"), ("m3", "m4")] {
        for (pod, length) in pods {
            lab.shell(machine, &["ip", "address", "add", &format!("{pod}/{length}"), "dev", "lo"]);
            lab.until_pings(peer, pod).await;
        }
    }
    // What m2 reaches is m1 and what m4 reaches is m3: with m1's gone only m4 still reaches one.
    for (pod, length) in pods {
        lab.shell("m1", &["ip", "address", "del", &format!("{pod}/{length}"), "dev", "lo"]);
        lab.until(&format!("m2 loses {pod}"), async || !lab.pings("m2", pod, 56)).await;
        assert!(lab.pings("m4", pod, 56), "m4 keeps {pod}");
    }
    for (from, to) in [("m1", &machines[2]), ("m3", &machines[0]), ("m2", &machines[3]), ("m4", &machines[1])]
    {
        for address in addresses(to) {
            assert!(!lab.pings(from, &address, 56), "{from} reaches {address}");
        }
    }
    // The whole matrix, both directions, spoofed sources, foreign announcements.
    let probed = super::harness::run(&lab.dir, &["probe"]);
    let said = String::from_utf8_lossy(&[probed.stdout, probed.stderr].concat()).into_owned();
    assert!(probed.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_of_nobody_share_one_segment_and_see_nothing_else() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "apart").await;
    lab.allocate("m1", PROJECT, &network).await;
    let tenant = lab.until_home("m1").await;
    let lease = |machine: &str| {
        let shown = lab.shell(machine, &["ip", "-4", "-brief", "address", "show", "dev", "lan0"]);
        shown
            .split_whitespace()
            .find(|word| word.contains('/'))
            .map(|it| it.split('/').next().unwrap().to_owned())
    };
    for machine in ["m2", "m3"] {
        lab.until(&format!("{machine} has a lease"), async || lease(machine).is_some()).await;
    }
    let other = lease("m3").unwrap();
    lab.until_pings("m2", &other).await;
    for address in addresses(&tenant) {
        assert!(!lab.pings("m2", &address, 56), "a machine of nobody reaches {address}");
    }
    for address in [&other, "10.0.1.1", "10.0.0.11", "192.168.250.1"] {
        assert!(!lab.pings("m1", address, 56), "a tenant reaches {address}");
    }
    for address in ["10.0.0.11", "10.0.0.12", "192.168.250.12", "203.0.113.100"] {
        assert!(!lab.pings("m2", address, 56), "a machine of nobody reaches {address}");
    }
    let probed = super::harness::run(&lab.dir, &["probe"]);
    let said = String::from_utf8_lossy(&[probed.stdout, probed.stderr].concat()).into_owned();
    assert!(probed.status.success(), "{said}");
}
