//! Too many prefixes: a machine must not fill the fabric's tables.

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::IpNet;
use metal_runtime::clock;
use tokio::time::{Instant, sleep};

use super::Scene;
use super::expectation::Member;
use super::hostile::{Undo, allowed, change, ports};
use super::outcome::Finding;
use super::routing::Port;

/// How long the sessions may take to be given up.
const SESSION: Duration = Duration::from_secs(30);
/// How long the machine's own daemon may take to forget what it shall not say again.
const FORGOTTEN: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(200);
/// Where the prefixes come from unless the machine's own network is large enough: the documentation's.
const FOREIGN: &str = "2001:db8:ffff::";

/// More prefixes than a machine may announce, inside its own network where they are not filtered one by one. The
/// sessions that are given up stay so; [`super::settle`] gets them back.
pub async fn flood(scene: &mut Scene<'_>, hostile: &Member) -> anyhow::Result<()> {
    let pid = scene.pid(&hostile.node)?;
    let most = scene.topology.bgp.maximum_prefix;
    let own = allowed(scene, hostile);
    let base = own.iter().find(|prefix| prefix.addr().is_ipv6() && prefix.prefix_len() <= 112);
    let (base, is_own) = match base {
        Some(IpNet::V6(prefix)) => (prefix.network(), true),
        _ => {
            scene.outcome.notes.push(format!(
                "{}: its network is too small for more prefixes than are allowed; foreign ones were announced",
                hostile.node
            ));
            (FOREIGN.parse().expect("it is an address"), false)
        }
    };
    let ports = ports(scene, hostile);
    let mut undo = Undo { pid, script: String::new() };
    let mut script = String::new();
    for number in 0..u128::from(most) + 16 {
        // Far from the addresses that are given out first.
        let prefix = Ipv6Addr::from_bits(base.to_bits() + 0x8000 + number);
        let _ = writeln!(script, "route add blackhole {prefix}/128");
        let _ = writeln!(undo.script, "route del blackhole {prefix}/128");
    }
    change(pid, &["ip", "-6", "-force", "-batch", "-"], &script);
    let accepting = wait_refused(scene, &ports, is_own).await?;
    drop(undo);
    if !accepting.is_empty() {
        scene.outcome.violations.push(Finding {
            at: clock::now(),
            part: "too many prefixes".to_owned(),
            from: hostile.node.clone(),
            to: base.into(),
            happened: format!("{} did not give the session up", accepting.join(", ")),
            expected: format!("every leaf to refuse more than {most} prefixes"),
            why: "a machine must not fill the fabric's tables".to_owned(),
        });
    }
    sleep(FORGOTTEN).await;
    Ok(())
}

/// Waits until every leaf has refused; answers those that have not.
async fn wait_refused(scene: &Scene<'_>, ports: &[Port], is_own: bool) -> anyhow::Result<Vec<String>> {
    let end = Instant::now() + SESSION;
    loop {
        let mut accepting = Vec::new();
        for port in ports {
            let session = port.session(scene.pid(&port.node)?).await?;
            // Own prefixes count until the session is given up; foreign ones are filtered before they count.
            let few = u64::from(scene.topology.bgp.maximum_prefix) / 2;
            let has_refused = if is_own {
                session.is_overflown()
            } else {
                session.is_established() && session.accepted < few
            };
            if !has_refused {
                accepting.push(format!(
                    "{} {} ({}, {} prefixes)",
                    port.node, port.name, session.state, session.accepted
                ));
            }
        }
        if accepting.is_empty() || Instant::now() >= end {
            return Ok(accepting);
        }
        sleep(LOOK).await;
    }
}
