//! The isolation probe: derives from the API what must and what must not reach what, tries it on the wire, and reports
//! what arrived although it must not, and what did not although it must.
//!
//! Four parts, from gentle to hostile: every pair as the nodes would send by themselves, and pings where only they pass; what must not arrive once more,
//! handed to each leaf directly, whether or not the machine knows a route; forged sources; foreign announcements.

mod command;
mod continuous;
mod echo;
mod expectation;
mod facts;
mod flood;
mod hostile;
mod inside;
mod judge;
mod outcome;
mod place;
mod routing;
mod settle;
mod spoof;
mod text;
mod way;
mod wire;

use std::collections::BTreeMap;

use anyhow::Context as _;
use metal_client::Client;
use metal_runtime::clock;
use tokio::time::Instant;

pub use command::{Probe, command};
pub use continuous::watch;
pub use expectation::{Check, Member, Standing};
use outcome::Verdict;
pub use outcome::{Finding, Outcome};

use crate::fabric::topology::{Machine, Topology};
use facts::Answers;
use place::{Manner, Place};
use routing::Port;
use way::Ways;
use wire::{Hit, Shot, Wire};

/// What to try.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Also forged sources.
    pub spoof: bool,
    /// Also foreign announcements and too many of them. Disturbs the hostile machine's own BGP sessions.
    pub hostile: bool,
    /// Octets of the largest packet machines of one VRF must be able to exchange, headers included; 0 leaves it out.
    pub mtu: usize,
    /// Is told each part as it begins.
    pub tell: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self { spoof: true, hostile: true, mtu: 9000, tell: |_| () }
    }
}

impl Options {
    /// Nothing that anybody else would notice.
    pub fn gentle() -> Self {
        Self { spoof: false, hostile: false, ..Self::default() }
    }
}

/// The fabric as one run sees it.
struct Scene<'a> {
    client: &'a Client,
    topology: &'a Topology,
    /// Process of each node, as the host counts.
    nodes: &'a BTreeMap<String, u32>,
    answers: Answers,
    members: Vec<Member>,
    wire: Wire,
    outcome: Outcome,
}

/// Probes once.
///
/// `nodes` are the processes whose namespaces are the nodes. What the probe changed in a machine is undone when the
/// future ends or is dropped.
pub async fn run(
    client: &Client,
    nodes: &BTreeMap<String, u32>,
    topology: &Topology,
    options: &Options,
) -> anyhow::Result<Outcome> {
    (options.tell)("every pair, as the nodes would send");
    let began = Instant::now();
    let mut scene = Scene::set(client, nodes, topology).await?;
    let checks = scene.try_plain().await?;
    if options.mtu > 0 {
        scene.try_large(&checks, options.mtu).await?;
    }
    (options.tell)("what must not arrive, handed to each leaf");
    let ways = scene.make_ways().await?;
    scene.try_forced(&checks, &ways).await?;
    if options.spoof {
        (options.tell)("forged sources");
        spoof::probe(&mut scene, &checks, &ways).await?;
    }
    drop(ways);
    if options.hostile {
        (options.tell)("foreign announcements");
        hostile::probe(&mut scene).await?;
    }
    scene.outcome.seconds = began.elapsed().as_secs_f64();
    Ok(scene.outcome)
}

impl<'a> Scene<'a> {
    async fn set(
        client: &'a Client,
        nodes: &'a BTreeMap<String, u32>,
        topology: &'a Topology,
    ) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for node in topology.nodes() {
            let pid = nodes.get(&node).with_context(|| format!("the lab does not say where {node} runs"))?;
            places.extend(Place::all(&node, *pid)?);
        }
        let answers = Answers::ask(client).await?;
        let members = facts::members(&answers, topology, &facts::held(&places)?);
        let wire = Wire::open(places)?;
        let outcome = Outcome { members: members.clone(), ..Outcome::default() };
        Ok(Self { client, topology, nodes, answers, members, wire, outcome })
    }

    /// Asks again who is what.
    async fn look_again(&mut self) -> anyhow::Result<Vec<Check>> {
        self.answers = Answers::ask(self.client).await?;
        self.members = facts::members(&self.answers, self.topology, &facts::held(self.wire.places())?);
        Ok(expectation::checks(&self.members, self.topology))
    }

    /// Tries all pairs as the nodes would send; answers what held before and after, for an allocation may have changed
    /// meanwhile. What exists only since then was not tried.
    async fn try_plain(&mut self) -> anyhow::Result<Vec<Check>> {
        let before = expectation::checks(&self.members, self.topology);
        let pings = expectation::pings(&self.members, self.topology);
        let shots = self.shots(&before, |check, shot| {
            shot.must = check.expectation.must;
            shot.answer = !check.one_way;
        })?;
        let hits = self.wire.fire(&shots).await?;
        let answered = echo::ping(&self.wire, &pings).await?;
        let after = self.look_again().await?;
        let checks = expectation::merge(&before, &after);
        self.judge("plain", &checks, &hits);
        let pings = expectation::merge(&pings, &expectation::pings(&self.members, self.topology));
        for (check, is_answered) in pings.iter().zip(answered) {
            let (verdict, finding) = echo::judge(check, is_answered);
            self.outcome.take("ping", check, verdict, finding);
        }
        Ok(checks)
    }

    /// The process of a node.
    fn pid(&self, node: &str) -> anyhow::Result<u32> {
        self.nodes.get(node).copied().with_context(|| format!("the lab does not say where {node} runs"))
    }

    /// The machine whose cable ends in a switch's port.
    fn machine_behind(&self, port: &Port) -> Option<&str> {
        let is_there = |machine: &&Machine| {
            machine.ports.iter().any(|end| end.switch.as_str() == port.node && end.port.as_str() == port.name)
        };
        self.topology.machines.iter().find(is_there).map(|machine| machine.name.as_str())
    }

    /// A shot for each check, made what it is by `shape`.
    fn shots(&self, checks: &[Check], shape: impl Fn(&Check, &mut Shot)) -> anyhow::Result<Vec<Shot>> {
        let shot = |check: &Check| {
            let from =
                self.wire.place_of(&check.from).with_context(|| format!("{} is no node", check.from))?;
            let mut shot = Shot::to(from, check.to);
            shape(check, &mut shot);
            Ok(shot)
        };
        checks.iter().map(shot).collect()
    }

    /// Packets as large as the network must carry, which nobody may cut, between machines of one VRF.
    async fn try_large(&mut self, checks: &[Check], mtu: usize) -> anyhow::Result<()> {
        let is_tenant = |node: &str| {
            self.members.iter().any(|it| it.node == node && matches!(it.standing, Standing::Tenant(_)))
        };
        let checks: Vec<Check> =
            checks.iter().filter(|check| check.expectation.must && is_tenant(&check.from)).cloned().collect();
        let shots = self.shots(&checks, |check, shot| {
            shot.must = true;
            shot.manner = Manner { whole: true, ..Manner::default() };
            shot.size = mtu - if check.to.is_ipv4() { 28 } else { 48 };
        })?;
        let hits = self.wire.fire(&shots).await?;
        self.judge("mtu", &checks, &hits);
        Ok(())
    }

    /// The ways out of all machines, by node.
    async fn make_ways(&mut self) -> anyhow::Result<BTreeMap<String, Ways>> {
        let mut all = BTreeMap::new();
        for machine in &self.topology.machines {
            let node = machine.name.to_string();
            let pid = self.pid(&node)?;
            let ports = machine.ports.iter().enumerate().map(|(index, end)| {
                let leaf = self.topology.switch(end.switch.as_str()).and_then(|leaf| leaf.pxe);
                (format!("lan{index}"), leaf.map(|address| address.to_string()).unwrap_or_default())
            });
            let ways = Ways::make(pid, &ports.collect::<Vec<_>>()).await;
            let ways = ways.with_context(|| format!("make ways out of {node}"))?;
            if ways.marks.is_empty() {
                self.outcome.notes.push(format!(
                    "{node}: no leaf is heard on its ports, so nothing was handed to one directly"
                ));
            }
            all.insert(node, ways);
        }
        Ok(all)
    }

    /// What must not arrive, handed to each leaf whether or not the machine knows a route.
    async fn try_forced(&mut self, checks: &[Check], ways: &BTreeMap<String, Ways>) -> anyhow::Result<()> {
        let forbidden: Vec<Check> = checks
            .iter()
            .filter(|check| !check.expectation.must && ways.contains_key(&check.from))
            .cloned()
            .collect();
        for port in 0..2 {
            let mark = |check: &Check| ways[&check.from].marks.get(port).map_or(0, |(_, mark)| *mark);
            let checks: Vec<Check> = forbidden.iter().filter(|check| mark(check) != 0).cloned().collect();
            let shots = self.shots(&checks, |check, shot| {
                shot.manner = Manner { mark: mark(check), ..Manner::default() };
            })?;
            let hits = self.wire.fire(&shots).await?;
            // Allocations change during this, too.
            let after = self.look_again().await?;
            let checks = expectation::merge(&checks, &after);
            let part = format!("handed to the leaf on port {port}");
            self.note_unsent(&part, &checks, &hits);
            self.judge(&part, &checks, &hits);
        }
        Ok(())
    }

    /// What was never sent has not been tried: that it did not arrive proves nothing.
    fn note_unsent(&mut self, part: &str, checks: &[Check], hits: &[Hit]) {
        let mut unsent: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (check, hit) in checks.iter().zip(hits) {
            if let Some(why) = &hit.unsent {
                *unsent.entry((&check.from, why)).or_default() += 1;
            }
        }
        for ((from, why), count) in unsent {
            self.outcome.notes.push(format!("{from}: {count} tries could not be sent ({part}): {why}"));
        }
    }

    fn judge(&mut self, part: &str, checks: &[Check], hits: &[Hit]) {
        let at = clock::now();
        let starting = facts::starting(&self.answers, self.topology, at);
        for (check, hit) in checks.iter().zip(hits) {
            let (mut verdict, mut finding) = judge::judge(part, check, hit, &self.wire, at);
            let is_starting =
                starting.contains(&check.from) || !starting.is_disjoint(&check.expectation.only);
            if verdict == Verdict::Blocked && is_starting {
                let finding = finding.take();
                verdict = Verdict::Apart;
                let told = finding.map(|finding| finding.to_string()).unwrap_or_default();
                self.outcome.notes.push(format!("not yet, a machine has only just started: {told}"));
            }
            self.outcome.take(part, check, verdict, finding);
        }
    }
}
