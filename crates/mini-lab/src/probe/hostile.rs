//! Foreign announcements: machines take others' addresses, and their routing daemons announce them in earnest.
//!
//! Judged is what counts: nobody's packets for such an address end at the hostile machine, the rightful holders are
//! still reached, and the leaves have no path to it through the hostile machine's port. Afterwards one announces more
//! prefixes than a machine may, and its sessions must be given up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use metal_runtime::clock;
use tokio::time::{Instant, sleep};

use super::expectation::{self, Member, Standing};
use super::flood::flood;
use super::outcome::Finding;
use super::routing::{self, Port};
use super::settle::Before;
use super::{Scene, inside};
use crate::fabric::machine::PORTS;

/// How long an announcement may take to be made.
const ANNOUNCED: Duration = Duration::from_secs(10);
/// How long the far side may take to hear it: one run of its update timer.
const HEARD: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_millis(200);
/// A network nobody has, as a whole prefix.
const UNUSED: &str = "198.18.0.0/15";

pub async fn probe(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let tenants: Vec<Member> = tenants(scene).cloned().collect();
    // Who was what when the run began is what is printed, so what follows must not be less without a word.
    let count =
        |members: &[Member]| members.iter().filter(|it| matches!(it.standing, Standing::Tenant(_))).count();
    if count(&scene.outcome.members) > tenants.len() {
        scene.outcome.notes.push("machines are being moved, so not all were made hostile".to_owned());
    }
    let before = Before::note(scene, &tenants).await.context("note what machines announce")?;
    let outcome = attack(scene, &tenants).await;
    before.wait(scene).await.context("wait for what machines announce")?;
    // A machine that was moved meanwhile has no sessions to ask for.
    let is_same = |it: &Member| tenants.iter().any(|was| was.node == it.node && was.standing == it.standing);
    if outcome.is_err() && tenants.len() > tenants_as(scene, is_same) {
        scene.outcome.notes.push("machines changed, so foreign announcements were not all judged".to_owned());
        return Ok(());
    }
    outcome
}

fn tenants<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a Member> {
    scene.members.iter().filter(|it| matches!(it.standing, Standing::Tenant(_)))
}

fn tenants_as(scene: &Scene<'_>, is_same: impl Fn(&Member) -> bool) -> usize {
    tenants(scene).filter(|it| is_same(it)).count()
}

async fn attack(scene: &mut Scene<'_>, tenants: &[Member]) -> anyhow::Result<()> {
    for hostile in halves(tenants) {
        let names: Vec<&str> = hostile.iter().map(|it| it.node.as_str()).collect();
        let names = names.join(", ");
        announce(scene, &hostile, &names).await.with_context(|| format!("make {names} hostile"))?;
    }
    // One is enough: all ports are configured by the same rule, and each time takes the sessions down.
    if let Some(hostile) = tenants.first() {
        flood(scene, hostile).await.with_context(|| format!("make {} announce too much", hostile.node))?;
    }
    Ok(())
}

/// In either half every VRF with several machines has some that are not hostile and could be fooled.
fn halves(tenants: &[Member]) -> Vec<Vec<Member>> {
    let mut halves = vec![Vec::new(), Vec::new()];
    let mut count: BTreeMap<Standing, usize> = BTreeMap::new();
    for member in tenants {
        let count = count.entry(member.standing).or_default();
        halves[*count % 2].push(member.clone());
        *count += 1;
    }
    halves.retain(|half| !half.is_empty());
    halves
}

/// Undoes what was changed in a machine when it is dropped.
#[derive(Debug)]
pub struct Undo {
    pub pid: u32,
    pub script: String,
}

impl Drop for Undo {
    fn drop(&mut self) {
        // Fails for what was never done.
        let _ = inside::run_blocking(self.pid, &["ip", "-force", "-batch", "-"], &self.script);
    }
}

async fn announce(scene: &mut Scene<'_>, hostile: &[Member], names: &str) -> anyhow::Result<()> {
    let mut undo = Vec::new();
    let mut announced = Vec::new();
    for member in hostile {
        let pid = scene.pid(&member.node)?;
        let foreign = foreign(scene, member);
        let wanted = wanted(scene, &foreign);
        undo.push(Undo { pid, script: script("del", &foreign, &wanted) });
        change(pid, &["ip", "-force", "-batch", "-"], &script("add", &foreign, &wanted));
        announced.push((member, foreign, wanted));
    }
    for (member, _, wanted) in &announced {
        for prefix in wait_announced(scene.pid(&member.node)?, wanted).await {
            scene.outcome.notes.push(format!("{} did not get to announce {prefix}", member.node));
        }
    }
    sleep(HEARD).await;
    for (member, _, wanted) in &announced {
        look_into_leaves(scene, member, wanted).await?;
    }
    let is_hostile = |node: &str| hostile.iter().any(|it| it.node == node);
    let checks: Vec<_> = expectation::checks(&scene.members, scene.topology)
        .into_iter()
        .filter(|check| !is_hostile(&check.from))
        .filter(|check| announced.iter().any(|(_, foreign, _)| foreign.contains(&check.to)))
        .collect();
    let shots = scene.shots(&checks, |check, shot| shot.must = check.expectation.must)?;
    let hits = scene.wire.fire(&shots).await?;
    let after = scene.look_again().await?;
    scene.judge(&format!("announced by {names}"), &expectation::merge(&checks, &after), &hits);
    drop(undo);
    Ok(())
}

/// What a hostile machine wants to announce.
fn wanted(scene: &Scene<'_>, foreign: &BTreeSet<IpAddr>) -> BTreeSet<IpNet> {
    let whole = [UNUSED, "0.0.0.0/0", "::/0"].map(|prefix| prefix.parse().expect("it is a prefix"));
    let single = foreign.iter().map(|address| IpNet::from(*address));
    single.chain(whole).chain([scene.topology.pxe.network.into()]).collect()
}

/// Its kernel gets, or loses, what its daemon announces.
fn script(verb: &str, foreign: &BTreeSet<IpAddr>, wanted: &BTreeSet<IpNet>) -> String {
    let mut script = String::new();
    for prefix in wanted {
        let _ = if foreign.contains(&prefix.addr()) && prefix.prefix_len() == prefix.max_prefix_len() {
            let flags = if prefix.addr().is_ipv6() && verb == "add" { " nodad" } else { "" };
            writeln!(script, "addr {verb} {prefix} dev lo{flags}")
        } else {
            writeln!(script, "route {verb} blackhole {prefix} metric 1000")
        };
    }
    script
}

/// Changes what can be changed: some of what a hostile machine wants it may have already.
pub fn change(pid: u32, argv: &[&str], script: &str) {
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
pub fn allowed(scene: &Scene<'_>, hostile: &Member) -> Vec<IpNet> {
    let nics = ends(scene, hostile).into_iter().filter_map(|(switch, name)| {
        let switch = scene.answers.switches.iter().find(|it| it.id == switch)?;
        switch.nics.iter().find(|nic| nic.name == name)
    });
    let filters = nics.filter_map(|nic| nic.filter.as_ref());
    let filtered = filters.flat_map(|filter| &filter.cidrs).filter_map(|cidr| cidr.parse().ok());
    filtered.chain(hostile.addresses.iter().map(|address| IpNet::from(*address))).collect()
}

/// The switch ports a machine's cables end in.
fn ends<'a>(scene: &Scene<'a>, member: &Member) -> Vec<(&'a str, &'a str)> {
    let machine = scene.topology.machines.iter().find(|it| it.name.as_str() == member.node);
    let ends = machine.into_iter().flat_map(|machine| &machine.ports);
    ends.map(|end| (end.switch.as_str(), end.port.as_str())).collect()
}

/// The same as ports of the VRF the machine is in; none if it is in none.
pub fn ports(scene: &Scene<'_>, member: &Member) -> Vec<Port> {
    let Standing::Tenant(vrf) = member.standing else { return Vec::new() };
    let port =
        |(node, name): (&str, &str)| Port { node: node.to_owned(), vrf: Some(vrf), name: name.to_owned() };
    ends(scene, member).into_iter().map(port).collect()
}

/// Waits until the machine says it announces all of these to a leaf; answers what it does not.
async fn wait_announced(pid: u32, wanted: &BTreeSet<IpNet>) -> BTreeSet<IpNet> {
    let port = Port { node: String::new(), vrf: None, name: PORTS[0].to_owned() };
    let end = Instant::now() + ANNOUNCED;
    loop {
        let announced = port.advertised(pid).await.unwrap_or_else(|error| {
            tracing::debug!(error = metal_runtime::chain(error.as_ref()), "asked what is announced");
            BTreeSet::new()
        });
        let missing: BTreeSet<IpNet> = wanted.difference(&announced).copied().collect();
        if missing.is_empty() || Instant::now() >= end {
            return missing;
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
    for port in ports(scene, hostile) {
        let pid = scene.pid(&port.node)?;
        let session = port.session(pid).await?;
        if !session.is_established() {
            scene.outcome.notes.push(format!(
                "{} {}: the session with {} is {}, so it was not seen whether foreign prefixes are refused",
                port.node, port.name, hostile.node, session.state
            ));
        }
        let accepted = routing::accepted(pid, &[&port]).await?;
        for prefix in accepted.iter().flatten().filter(|prefix| wanted.contains(*prefix)) {
            scene.outcome.violations.push(Finding {
                at: clock::now(),
                part: "foreign announcement".to_owned(),
                from: hostile.node.clone(),
                to: prefix.addr(),
                happened: format!("{} accepted {prefix} on {}", port.node, port.name),
                expected: "to be refused".to_owned(),
                why: "it is not among the prefixes the machine may announce".to_owned(),
            });
        }
    }
    Ok(())
}
