//! A hostile machine: it may announce what is its project's and nothing else, and not too much of that.

use super::harness::{PROJECT, addresses, lab, vrf};

#[tokio::test(flavor = "multi_thread")]
async fn foreign_prefixes_are_refused() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let foreign = lab.project("victim").await;
    let (ours, theirs) = (lab.network(PROJECT, "hostile").await, lab.network(&foreign, "victim").await);
    lab.allocate("m1", PROJECT, &ours).await;
    lab.allocate("m2", PROJECT, &ours).await;
    lab.allocate("m3", &foreign, &theirs).await;
    let hostile = lab.until_home("m1").await;
    lab.until_home("m2").await;
    let victim = lab.until_home("m3").await;
    let table = vrf(&hostile);
    let claims = [
        (addresses(&victim)[0].clone(), 32),
        (addresses(&victim)[1].clone(), 128),
        ("8.8.8.8".to_owned(), 32),
        ("10.0.0.11".to_owned(), 32),
        ("2001:db8::10".to_owned(), 128),
    ];
    // One that is allowed comes last: when it has arrived, the others would have, too.
    let allowed = "10.240.7.7";
    for (address, length) in &claims {
        lab.shell("m1", &["ip", "address", "add", &format!("{address}/{length}"), "dev", "lo"]);
    }
    lab.shell("m1", &["ip", "address", "add", &format!("{allowed}/32"), "dev", "lo"]);
    lab.until_pings("m2", allowed).await;
    for (address, length) in &claims {
        let family = if address.contains(':') { "ipv6" } else { "ipv4" };
        for leaf in ["leaf01", "leaf02"] {
            let known =
                lab.vtysh(leaf, &format!("show bgp vrf {table} {family} unicast {address}/{length} json"));
            assert!(!known.contains("\"paths\""), "{leaf} has taken {address}: {known}");
        }
        assert!(!lab.pings("m2", address, 56), "m2 is drawn to {address}");
    }
    for (address, length) in &claims {
        lab.shell("m1", &["ip", "address", "del", &format!("{address}/{length}"), "dev", "lo"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_prefixes_end_the_session_and_nothing_else() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "flooding").await;
    for machine in ["m1", "m2", "m4"] {
        lab.allocate(machine, PROJECT, &network).await;
    }
    for machine in ["m1", "m2"] {
        lab.until_home(machine).await;
    }
    let neighbour = lab.until_home("m4").await;
    let address = addresses(&neighbour)[0].clone();
    lab.until_pings("m2", &address).await;
    let flood = "for a in 0 1 2 3; do for b in $(seq 0 255); do echo address add 10.241.$a.$b/32 dev lo; done; done | ip -batch -";
    lab.shell("m1", &["sh", "-c", flood]);
    lab.until("m1 has lost its sessions", async || {
        !lab.shell("m1", &["vtysh", "-c", "show bgp summary json"]).contains("\"Established\"")
    })
    .await;
    assert!(lab.pings("m2", &address, 56), "the neighbours go on");
    let drain = "for a in 0 1 2 3; do for b in $(seq 0 255); do echo address del 10.241.$a.$b/32 dev lo; done; done | ip -batch -";
    lab.shell("m1", &["sh", "-c", drain]);
    // FRR tries again a minute later.
    lab.until("m1's sessions are back", async || {
        lab.shell("m1", &["vtysh", "-c", "show bgp summary json"]).matches("\"Established\"").count() >= 2
    })
    .await;
}
