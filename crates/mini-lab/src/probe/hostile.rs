//! Foreign announcements: a machine takes others' addresses, and its routing daemon announces them in earnest.
//!
//! Judged is what counts: nobody's packets for such an address end at the hostile machine, the rightful holders are
//! still reached, and the leaves have no path to it through the hostile machine's port. Afterwards it announces more
//! prefixes than a machine may, and its sessions must be given up.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use metal_runtime::clock;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::expectation::{self, Member, Standing};
use super::outcome::Finding;
use super::{Scene, inside};

/// How long an announcement may take to be made.
const ANNOUNCED: Duration = Duration::from_secs(10);
/// How long the far side may take to hear it: one run of its update timer.
const HEARD: Duration = Duration::from_millis(1500);
/// How long the sessions may take to be given up, and to come back.
const SESSION: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
/// A network nobody has, as a whole prefix.
const UNUSED: &str = "198.18.0.0/15";
/// Where the prefixes that are too many come from, unless the machine's own network is large enough: the documentation's.
const TOO_MANY_FROM: &str = "2001:db8:ffff::";

pub async fn probe(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let members = scene.members.clone();
    let tenants = |it: &&Member| matches!(it.standing, Standing::Tenant(_));
    for hostile in members.iter().filter(tenants) {
        announce(scene, hostile).await.with_context(|| format!("make {} hostile", hostile.node))?;
    }
    // One is enough: all ports are configured by the same rule, and each time takes the sessions down.
    if let Some(hostile) = members.iter().find(tenants) {
        flood(scene, hostile).await.with_context(|| format!("make {} announce too much", hostile.node))?;
    }
    Ok(())
}

/// Undoes what was changed in a machine when it is dropped.
#[derive(Debug)]
struct Undo {
    pid: u32,
    script: String,
}

impl Drop for Undo {
    fn drop(&mut self) {
        // Fails for what was never done.
        let _ = inside::run_blocking(self.pid, &["ip", "-force", "-batch", "-"], &self.script);
    }
}

async fn announce(scene: &mut Scene<'_>, hostile: &Member) -> anyhow::Result<()> {
    let pid = *scene.nodes.get(&hostile.node).context("find its process")?;
    let foreign = foreign(scene, hostile);
    let mut wanted: BTreeSet<IpNet> = foreign.iter().map(|address| IpNet::from(*address)).collect();
    let mut script = String::new();
    let mut undo = Undo { pid, script: String::new() };
    for prefix in &wanted {
        let flags = if prefix.addr().is_ipv6() { " nodad" } else { "" };
        let _ = writeln!(script, "addr add {prefix} dev lo{flags}");
        let _ = writeln!(undo.script, "addr del {prefix} dev lo");
    }
    let mut whole: Vec<IpNet> = vec![UNUSED.parse().expect("it is a prefix")];
    whole.push(scene.topology.pxe.network.into());
    whole.push("0.0.0.0/0".parse().expect("it is a prefix"));
    whole.push("::/0".parse().expect("it is a prefix"));
    for prefix in &whole {
        let _ = writeln!(script, "route add blackhole {prefix} metric 1000");
        let _ = writeln!(undo.script, "route del blackhole {prefix} metric 1000");
    }
    wanted.extend(&whole);
    change(pid, &["ip", "-force", "-batch", "-"], &script);
    let missing = wait_announced(pid, &wanted).await?;
    for prefix in missing {
        scene.outcome.notes.push(format!("{} did not get to announce {prefix}", hostile.node));
    }
    sleep(HEARD).await;
    look_into_leaves(scene, hostile, &wanted).await?;
    let part = format!("{} announces it", hostile.node);
    let checks: Vec<_> = expectation::checks(&scene.members, scene.topology)
        .into_iter()
        .filter(|check| check.from != hostile.node && foreign.contains(&check.to))
        .collect();
    let shots = scene.shots(&checks, |check, shot| shot.must = check.expectation.must)?;
    let hits = scene.wire.fire(&shots).await?;
    let after = scene.look_again().await?;
    let checks = expectation::merge(&checks, &after);
    scene.judge(&part, &checks, &hits);
    drop(undo);
    Ok(())
}

/// Changes what can be changed: some of what a hostile machine wants it may have already.
fn change(pid: u32, argv: &[&str], script: &str) {
    if let Err(error) = inside::run_blocking(pid, argv, script) {
        tracing::debug!(error = metal_runtime::chain(error.as_ref()), "not everything was changed");
    }
}

/// Addresses of everybody outside the machine's VRF which its leaf must not believe it has.
fn foreign(scene: &Scene<'_>, hostile: &Member) -> BTreeSet<IpAddr> {
    let own = allowed(scene, hostile);
    let others = scene.members.iter().filter(|other| other.standing != hostile.standing);
    let addresses = others.flat_map(|other| &other.addresses);
    addresses.filter(|address| !own.iter().any(|prefix| prefix.contains(*address))).copied().collect()
}

/// What the leaves accept from the machine, as the API says.
fn allowed(scene: &Scene<'_>, hostile: &Member) -> Vec<IpNet> {
    let filters = ports(scene, hostile).into_iter().filter_map(|(_, nic)| nic.filter.as_ref());
    let filtered = filters.flat_map(|filter| &filter.cidrs).filter_map(|cidr| cidr.parse().ok());
    filtered.chain(hostile.addresses.iter().map(|address| IpNet::from(*address))).collect()
}

/// The machine's ports, with the switches they are on.
fn ports<'a>(scene: &'a Scene<'_>, hostile: &Member) -> Vec<(String, &'a metal_model::v1::SwitchNic)> {
    let Some(machine) = scene.topology.machines.iter().find(|it| it.name.as_str() == hostile.node) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for end in &machine.ports {
        let switch = scene.answers.switches.iter().find(|switch| switch.id == end.switch.as_str());
        let nic = switch.and_then(|switch| switch.nics.iter().find(|nic| nic.name == end.port.as_str()));
        found.extend(nic.map(|nic| (end.switch.to_string(), nic)));
    }
    found
}

async fn ask(pid: u32, command: &str) -> anyhow::Result<Value> {
    let told = inside::ask(pid, &["vtysh", "-c", command], "").await?;
    serde_json::from_str(told.trim()).with_context(|| format!("understand `{command}`"))
}

/// Waits until the machine says it announces all of these to a leaf; answers what it does not.
async fn wait_announced(pid: u32, wanted: &BTreeSet<IpNet>) -> anyhow::Result<BTreeSet<IpNet>> {
    let end = Instant::now() + ANNOUNCED;
    loop {
        let mut announced = BTreeSet::new();
        for family in ["ipv4", "ipv6"] {
            let told =
                ask(pid, &format!("show bgp {family} unicast neighbors lan0 advertised-routes json")).await;
            let routes = told.ok().and_then(|told| told.get("advertisedRoutes").cloned());
            let prefixes = routes.as_ref().and_then(Value::as_object).into_iter().flatten();
            announced.extend(prefixes.filter_map(|(prefix, _)| prefix.parse::<IpNet>().ok()));
        }
        let missing: BTreeSet<IpNet> = wanted.difference(&announced).copied().collect();
        if missing.is_empty() || Instant::now() >= end {
            return Ok(missing);
        }
        sleep(LOOK).await;
    }
}

/// Looks whether a leaf has a path to one of these through the machine's port.
async fn look_into_leaves(
    scene: &mut Scene<'_>,
    hostile: &Member,
    wanted: &BTreeSet<IpNet>,
) -> anyhow::Result<()> {
    let Standing::Tenant(vrf) = hostile.standing else { return Ok(()) };
    let ports: Vec<(String, String)> =
        ports(scene, hostile).into_iter().map(|(switch, nic)| (switch, nic.name.clone())).collect();
    for (switch, port) in ports {
        let pid = *scene.nodes.get(&switch).context("find the leaf's process")?;
        for family in ["ipv4", "ipv6"] {
            let command = format!("show bgp vrf vrf{vrf} {family} unicast neighbors {port} routes json");
            let told = ask(pid, &command).await?;
            let accepted = told.get("routes").and_then(Value::as_object).into_iter().flatten();
            for prefix in accepted.filter_map(|(prefix, _)| prefix.parse::<IpNet>().ok()) {
                if wanted.contains(&prefix) {
                    scene.outcome.violations.push(Finding {
                        at: clock::now(),
                        part: "foreign announcement".to_owned(),
                        from: hostile.node.clone(),
                        to: prefix.addr(),
                        happened: format!("{switch} accepted {prefix} on {port}"),
                        expected: "to be refused".to_owned(),
                        why: "it is not among the prefixes the machine may announce".to_owned(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// More prefixes than a machine may announce, inside its own network where they are not filtered one by one.
async fn flood(scene: &mut Scene<'_>, hostile: &Member) -> anyhow::Result<()> {
    let Standing::Tenant(vrf) = hostile.standing else { return Ok(()) };
    let pid = *scene.nodes.get(&hostile.node).context("find its process")?;
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
            (TOO_MANY_FROM.parse().expect("it is an address"), false)
        }
    };
    let ports: Vec<(String, String)> =
        ports(scene, hostile).into_iter().map(|(switch, nic)| (switch, nic.name.clone())).collect();
    let mut undo = Undo { pid, script: String::new() };
    let mut script = String::new();
    for number in 0..u128::from(most) + 16 {
        // Far from the addresses that are given out first.
        let prefix = std::net::Ipv6Addr::from_bits(base.to_bits() + 0x8000 + number);
        let _ = writeln!(script, "route add blackhole {prefix}/128");
        let _ = writeln!(undo.script, "route del blackhole {prefix}/128");
    }
    change(pid, &["ip", "-6", "-force", "-batch", "-"], &script);
    let end = Instant::now() + SESSION;
    let refused = loop {
        let mut refused = 0;
        for (switch, port) in &ports {
            refused += usize::from(has_refused(scene, switch, port, vrf, most, is_own).await?);
        }
        if refused == ports.len() || Instant::now() >= end {
            break refused;
        }
        sleep(LOOK).await;
    };
    if refused < ports.len() {
        scene.outcome.violations.push(Finding {
            at: clock::now(),
            part: "too many prefixes".to_owned(),
            from: hostile.node.clone(),
            to: base.into(),
            happened: format!("{} of {} leaves refused more than {most} prefixes", refused, ports.len()),
            expected: "every leaf to refuse them".to_owned(),
            why: "a machine must not fill the fabric's tables".to_owned(),
        });
    }
    drop(undo);
    restore(scene, &ports, vrf).await
}

async fn session(scene: &Scene<'_>, switch: &str, port: &str, vrf: u64) -> anyhow::Result<Value> {
    let pid = *scene.nodes.get(switch).context("find the leaf's process")?;
    let summary = ask(pid, &format!("show bgp vrf vrf{vrf} ipv6 unicast summary json")).await?;
    Ok(summary.get("peers").and_then(|peers| peers.get(port)).cloned().unwrap_or_default())
}

/// Own prefixes count until the session is given up; foreign ones are filtered before they count.
async fn has_refused(
    scene: &Scene<'_>,
    switch: &str,
    port: &str,
    vrf: u64,
    most: u32,
    is_own: bool,
) -> anyhow::Result<bool> {
    let peer = session(scene, switch, port, vrf).await?;
    let is_established = peer.get("state").and_then(Value::as_str) == Some("Established");
    let accepted = peer.get("pfxRcd").and_then(Value::as_u64).unwrap_or_default();
    Ok(if is_own { !is_established } else { accepted < u64::from(most) / 2 })
}

/// A session that was given up stays so until somebody says otherwise.
async fn restore(scene: &mut Scene<'_>, ports: &[(String, String)], vrf: u64) -> anyhow::Result<()> {
    sleep(HEARD).await;
    let end = Instant::now() + SESSION;
    for (switch, port) in ports {
        let pid = *scene.nodes.get(switch).context("find the leaf's process")?;
        inside::ask(pid, &["vtysh", "-c", &format!("clear bgp vrf vrf{vrf} {port}")], "").await?;
    }
    for (switch, port) in ports {
        while session(scene, switch, port, vrf).await?.get("state").and_then(Value::as_str)
            != Some("Established")
        {
            if Instant::now() >= end {
                scene.outcome.notes.push(format!("the session on {switch} {port} did not come back"));
                break;
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}
