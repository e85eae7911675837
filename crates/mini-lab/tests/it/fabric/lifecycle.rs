//! A port over a machine's life: in the PXE network, in its VRF on both leaves, back, and never in both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metal_model::v1::{SwitchPortToggleRequest, SwitchUpdateRequest};

use super::harness::{Lab, PROJECT, lab, vrf};

/// Where a port is: `pxe`, the name of its VRF, `none` in no bridge or table, `gone` in between two.
fn place(lab: &Lab, leaf: &str, port: &str) -> String {
    let script = format!(
        "find() {{ $1 ip -d link show dev {port} 2>/dev/null; }}\n\
         out=$(find) && {{ m=$(echo \"$out\" | sed -n 's/.* master \\([^ ]*\\) .*/\\1/p' | head -1);\n\
           case \"$m\" in bridge|vlan4000) echo pxe;; '') echo none;; *) echo \"$m\";; esac; exit; }}\n\
         for n in $(ls /run/netns); do ip -n $n link show dev {port} >/dev/null 2>&1 && {{ echo $n; exit; }}; done\n\
         echo gone"
    );
    lab.shell(leaf, &["sh", "-c", &script]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_moves_as_a_whole_and_is_never_in_two_places() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "moving").await;
    for leaf in ["leaf01", "leaf02"] {
        assert_eq!(place(lab, leaf, "swp1"), "pxe");
    }
    // A second machine in the VRF, so that there is somebody to reach, and the others stay in the PXE network.
    lab.allocate("m2", PROJECT, &network).await;
    let table = vrf(&lab.until_home("m2").await);

    let is_over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (dir, is_over, client) = (lab.dir.clone(), Arc::clone(&is_over), lab.client.clone());
        std::thread::spawn(move || {
            let lab = Lab { dir, client };
            let mut seen = [vec![String::new()], vec![String::new()]];
            while !is_over.load(Ordering::Relaxed) {
                for (leaf, seen) in ["leaf01", "leaf02"].iter().zip(&mut seen) {
                    let now = place(&lab, leaf, "swp1");
                    // Between two namespaces, or switched off before it enters one: in neither.
                    if seen.last() != Some(&now) && now != "gone" && now != "none" {
                        seen.push(now);
                    }
                }
            }
            seen
        })
    };
    let probe = {
        let dir = lab.dir.clone();
        std::thread::spawn(move || super::harness::run(&dir, &["probe", "--gentle", "--continuous", "25"]))
    };
    lab.allocate("m1", PROJECT, &network).await;
    let machine = lab.until_home("m1").await;
    for leaf in ["leaf01", "leaf02"] {
        assert_eq!(place(lab, leaf, "swp1"), table, "{leaf}");
    }
    lab.until_pings("m2", &super::harness::addresses(&machine)[0]).await;
    lab.client.machine().free(&machine.id).await.unwrap();
    lab.clean().await;
    is_over.store(true, Ordering::Relaxed);
    for seen in watcher.join().unwrap() {
        assert_eq!(seen[1..], ["pxe".to_owned(), table.clone(), "pxe".to_owned()]);
    }
    let probed = probe.join().unwrap();
    let said = String::from_utf8_lossy(&[probed.stdout, probed.stderr].concat()).into_owned();
    assert!(probed.status.success(), "{said}");
    // Nothing is left of the VRF on either leaf.
    for leaf in ["leaf01", "leaf02"] {
        let number = table.trim_start_matches("vrf");
        // An empty `vrf X` is how FRR shows a namespace that is kept.
        let config = lab.vtysh(leaf, "show running-config");
        let is_left =
            |line: &str| line == format!(" vni {number}") || line.ends_with(&format!(" vrf {table}"));
        assert!(!config.lines().any(is_left), "{leaf} still has {table}: {config}");
        let links = lab
            .shell(leaf, &["sh", "-c", "ip -o link; for n in $(ls /run/netns); do ip -n $n -o link; done"]);
        assert!(!links.contains(&format!("vni{number}:")), "{leaf} still has vni{number}: {links}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_can_be_switched_off_and_on() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "toggled").await;
    for machine in ["m1", "m2"] {
        lab.allocate(machine, PROJECT, &network).await;
    }
    lab.until_home("m2").await;
    let machine = lab.until_home("m1").await;
    let address = super::harness::addresses(&machine)[0].clone();
    lab.until_pings("m2", &address).await;
    let toggle = async |status: &str| {
        let request = SwitchPortToggleRequest { nic: "swp1".to_owned(), status: status.to_owned() };
        lab.client.switch().toggle_port("leaf01", &request).await.unwrap();
        lab.until(&format!("leaf01 reports swp1 {status}"), async || {
            let leaf = lab.client.switch().get("leaf01").await.unwrap();
            let port = leaf.connections.iter().find(|found| found.nic.name == "swp1").unwrap();
            port.nic.actual == status
        })
        .await;
    };
    toggle("DOWN").await;
    // The other cable carries it.
    lab.until_pings("m2", &address).await;
    let sessions = lab.shell("m1", &["vtysh", "-c", "show bgp summary json"]);
    assert!(sessions.contains("Established"), "{sessions}");
    toggle("UP").await;
    lab.until("both of m1's sessions are back", async || {
        lab.shell("m1", &["vtysh", "-c", "show bgp summary json"]).matches("\"Established\"").count() >= 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_switch_takes_over_what_its_twin_knows() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let network = lab.network(PROJECT, "replaced").await;
    for machine in ["m1", "m2"] {
        lab.allocate(machine, PROJECT, &network).await;
    }
    let machine = lab.until_home("m1").await;
    lab.until_home("m2").await;
    let request = SwitchUpdateRequest {
        id: "leaf02".to_owned(),
        mode: Some("replace".to_owned()),
        ..SwitchUpdateRequest::default()
    };
    lab.client.switch().update(&request).await.unwrap();
    // The new hardware knows nothing: no wishes, no configuration of FRR.
    let forget = "rm -f /lab/state/applied.json /lab/state/desired.json; echo 'frr defaults datacenter' > /etc/frr/frr.conf";
    lab.shell("leaf02", &["sh", "-c", forget]);
    lab.kill("leaf02", "metal-core");
    lab.kill("leaf02", "zebra");
    lab.until("leaf02 has registered as the replacement", async || {
        lab.client.switch().get("leaf02").await.is_ok_and(|leaf| leaf.mode == "operational")
    })
    .await;
    lab.until("settled", async || lab.is_settled().await).await;
    assert_eq!(place(lab, "leaf02", "swp1"), vrf(&machine));
    // Through the new one alone.
    lab.shell("m1", &["ip", "link", "set", "lan0", "down"]);
    lab.until_pings("m2", &super::harness::addresses(&machine)[0]).await;
    lab.shell("m1", &["ip", "link", "set", "lan0", "up"]);
}
