//! Random sequences of allocating, freeing, toggling and killing: they end in exactly the intended configuration.
//!
//! A few run by default; `METAL_SEQUENCES=50` runs fifty. Each prints its seed, and `METAL_SEED` repeats one.

use metal_model::v1::SwitchPortToggleRequest;
use metal_sim::Dice;

use super::harness::{Lab, MACHINES, PROJECT, id, lab};

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn act(lab: &Lab, dice: &mut Dice, network: &str) -> String {
    let machine = *dice.pick(&MACHINES);
    let leaf = *dice.pick(&["leaf01", "leaf02"]);
    match dice.below(8) {
        0..=2 => {
            let found = lab.machine(machine).await;
            if found.allocation.is_none() && super::harness::newest(&found) == "Waiting" {
                lab.allocate(machine, PROJECT, network).await;
            }
            format!("allocate {machine}")
        }
        3 | 4 => {
            // A machine that is not allocated cannot be freed, which is as good.
            let _ = lab.client.machine().free(&id(machine)).await;
            format!("free {machine}")
        }
        5 => {
            let port = machine.replace('m', "swp");
            let status = if dice.chance(0.5) { "UP" } else { "DOWN" };
            let request = SwitchPortToggleRequest { nic: port.clone(), status: status.to_owned() };
            lab.client.switch().toggle_port(leaf, &request).await.unwrap();
            format!("{leaf} {port} {status}")
        }
        6 => {
            lab.kill(leaf, "metal-core");
            format!("kill metal-core on {leaf}")
        }
        _ => {
            let daemon = *dice.pick(&["bgpd", "zebra", "staticd", "mgmtd"]);
            lab.kill(leaf, daemon);
            format!("kill {daemon} on {leaf}")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sequences_end_as_intended() {
    let guard = lab().await;
    let lab = guard.as_ref().unwrap();
    let (first, count) = match std::env::var("METAL_SEED") {
        Ok(_) => (number("METAL_SEED", 1), 1),
        Err(_) => (1, number("METAL_SEQUENCES", 2)),
    };
    let network = lab.network(PROJECT, "random").await;
    for seed in first..first + count {
        let mut dice = Dice::of(seed, 0);
        let mut done = Vec::new();
        for _ in 0..6 {
            done.push(act(lab, &mut dice, &network).await);
            let pause = dice.below(2500);
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        }
        println!("seed {seed}: {}", done.join(", "));
        for port in ["swp1", "swp2", "swp3", "swp4"] {
            for leaf in ["leaf01", "leaf02"] {
                let request = SwitchPortToggleRequest { nic: port.to_owned(), status: "UP".to_owned() };
                lab.client.switch().toggle_port(leaf, &request).await.unwrap();
            }
        }
        // With what is still allocated, and then with nothing: exactly what is intended, and nothing left over.
        lab.until(&format!("seed {seed}: settled"), async || lab.is_settled().await).await;
        lab.clean().await;
        for leaf in ["leaf01", "leaf02"] {
            // An empty `vrf X` is how FRR shows a namespace that is kept.
            let config = lab.vtysh(leaf, "show running-config");
            let is_left = |line: &str| line.starts_with(" vni ") || line.contains(" vrf vrf");
            assert!(!config.lines().any(is_left), "seed {seed}: {leaf} keeps a VRF: {config}");
            let script = "ip -o link; for n in $(ls /run/netns); do ip -n $n -o link; done";
            let links = lab.shell(leaf, &["sh", "-c", script]);
            let tunnels = links.matches(": vni").count();
            assert_eq!(tunnels, 1, "seed {seed}: {leaf} keeps a tunnel besides PXE's: {links}");
        }
    }
}
