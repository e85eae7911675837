//! Programs killed, cables pulled, a configuration refused: it ends in the intended state every time.

use super::harness::{Lab, PROJECT, addresses, lab};

async fn two_machines(lab: &Lab, name: &str) -> String {
    let network = lab.network(PROJECT, name).await;
    for machine in ["m1", "m2"] {
        lab.allocate(machine, PROJECT, &network).await;
    }
    lab.until_home("m1").await;
    let address = addresses(&lab.until_home("m2").await)[0].clone();
    lab.until_pings("m1", &address).await;
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_programs_come_back_to_the_intended_state() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let address = two_machines(lab, "killed").await;
    for program in ["metal-core", "bgpd", "zebra", "staticd", "mgmtd"] {
        for leaf in ["leaf01", "leaf02"] {
            lab.kill(leaf, program);
        }
        lab.until(&format!("settled after {program} was killed"), async || lab.is_settled().await).await;
        lab.until_pings("m1", &address).await;
    }
    // In the middle of a change.
    for program in ["metal-core", "bgpd"] {
        let network = lab.network(PROJECT, &format!("during-{program}")).await;
        lab.allocate("m3", PROJECT, &network).await;
        lab.kill("leaf01", program);
        lab.until_home("m3").await;
        lab.kill("leaf02", program);
        lab.client.machine().free(&super::harness::id("m3")).await.unwrap();
        lab.kill("leaf01", program);
        lab.until("settled again", async || lab.is_settled().await).await;
        lab.until("m3 waits", async || super::harness::newest(&lab.machine("m3").await) == "Waiting").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fabric_forwards_while_the_control_plane_is_away() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let address = two_machines(lab, "orphaned").await;
    let pid = std::fs::read_to_string(lab.dir.join("metal-api.pid")).unwrap();
    let pid: i32 = pid.trim().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    lab.kill("leaf01", "metal-core");
    assert!(lab.pings("m1", &address, 56));
    lab.until("the control plane is back", async || lab.client.machine().list().await.is_ok()).await;
    lab.until("settled", async || lab.is_settled().await).await;
    assert!(lab.pings("m1", &address, 56));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cable_and_a_lost_leaf_are_survived() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let address = two_machines(lab, "cut").await;
    for cable in ["lan0", "lan1"] {
        lab.shell("m2", &["ip", "link", "set", cable, "down"]);
        lab.until_pings("m1", &address).await;
        lab.shell("m2", &["ip", "link", "set", cable, "up"]);
        lab.until("both of m2's sessions are back", async || {
            lab.shell("m2", &["vtysh", "-c", "show bgp summary json"]).matches("\"Established\"").count() >= 2
        })
        .await;
    }
    // A leaf that is silent without its cables going dark: only the hold time tells.
    let freeze = |signal: &str| {
        lab.shell(
            "leaf01",
            &["sh", "-c", &format!("pkill {signal} --ns $$ --nslist net 'metal-core|bgpd|zebra'")],
        );
    };
    freeze("-STOP");
    let drop = "for n in '' $(ls /run/netns); do ${n:+ip netns exec $n} nft add table inet lost; \
        ${n:+ip netns exec $n} nft 'add chain inet lost f { type filter hook forward priority 0; policy drop; }'; done";
    lab.shell("leaf01", &["sh", "-c", drop]);
    let lost = std::time::Instant::now();
    lab.until_pings("m1", &address).await;
    println!("after leaf01 was lost m1 reached m2 again in {:.1} s", lost.elapsed().as_secs_f32());
    let heal = "for n in '' $(ls /run/netns); do ${n:+ip netns exec $n} nft delete table inet lost; done";
    lab.shell("leaf01", &["sh", "-c", heal]);
    freeze("-CONT");
    lab.until("settled", async || lab.is_settled().await).await;
    lab.until_pings("m1", &address).await;
}

/// A vtysh that spoils what it is given when it is asked to check it.
const SPOILER: &str = "#!/bin/sh\n\
    case \" $* \" in *' -C '*) cat > /run/spoiled; echo 'this is not a configuration' >> /run/spoiled;\n\
      exec /usr/bin/vtysh.real -C -f /run/spoiled ;; esac\n\
    exec /usr/bin/vtysh.real \"$@\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_frr_refuses_changes_nothing_and_is_shown() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let before = lab.vtysh("leaf01", "show running-config");
    std::fs::write(lab.dir.join("nodes/leaf01/spoiler"), SPOILER).unwrap();
    let install =
        "mv /usr/bin/vtysh /usr/bin/vtysh.real && cp /lab/spoiler /usr/bin/vtysh && chmod 755 /usr/bin/vtysh";
    lab.shell("leaf01", &["sh", "-c", install]);
    let network = lab.network(PROJECT, "refused").await;
    lab.allocate("m1", PROJECT, &network).await;
    lab.until("the error is in metalctl switch ls -o wide", async || {
        let shown = lab.metalctl(&["switch", "ls", "-o", "wide"]);
        shown.contains("this is not a configuration")
    })
    .await;
    let during = lab.shell("leaf01", &["vtysh.real", "-c", "show running-config"]);
    assert_eq!(before, during);
    lab.shell("leaf01", &["mv", "/usr/bin/vtysh.real", "/usr/bin/vtysh"]);
    lab.until_home("m1").await;
    lab.until("settled", async || lab.is_settled().await).await;
}
