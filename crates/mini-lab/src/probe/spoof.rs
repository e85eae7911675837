//! Forged sources: each machine sends with addresses of everybody else, to everybody else.
//!
//! Outside the machine's own VRF nothing may arrive, whoever it claims to be. Inside, a leaf drops what comes from a source
//! it does not route back to the machine's port. For IPv6 it does so only where its VRFs are namespaces; where they are
//! devices an arrival is told and not held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metal_runtime::clock;

use super::expectation::{Check, Member, Standing};
use super::outcome::{Finding, Verdict};
use super::place::Manner;
use super::routing::Port;
use super::way::Ways;
use super::wire::Shot;
use super::{Scene, expectation, hostile};

pub async fn probe(
    scene: &mut Scene<'_>,
    checks: &[Check],
    ways: &BTreeMap<String, Ways>,
) -> anyhow::Result<()> {
    let mut tries: Vec<(Check, IpAddr)> = Vec::new();
    let mut shots = Vec::new();
    let members = scene.members.clone();
    for member in members.iter().filter(|member| ways.contains_key(&member.node)) {
        let Some(from) = scene.wire.place_of(&member.node) else { continue };
        for source in foreign(member, &members) {
            let fits = |check: &&Check| {
                check.from == member.node && check.to.is_ipv4() == source.is_ipv4() && check.to != source
            };
            for check in checks.iter().filter(fits) {
                for mark in marks(check, &ways[&member.node]) {
                    tries.push((check.clone(), source));
                    let manner = Manner { source: Some(source), mark, ..Manner::default() };
                    shots.push(Shot { manner, ..Shot::to(from, check.to) });
                }
            }
        }
    }
    let hits = scene.wire.fire(&shots).await?;
    let after = scene.look_again().await?;
    let (tried, sources): (Vec<Check>, Vec<IpAddr>) = tries.into_iter().unzip();
    scene.note_unsent("forged source", &tried, &hits);
    let mut told = BTreeSet::new();
    for ((check, hit), source) in expectation::merge(&tried, &after).iter().zip(&hits).zip(sources) {
        let part = format!("forged source {source}");
        let (verdict, finding) = super::judge::judge(&part, &relaxed(check), hit, &scene.wire, clock::now());
        let is_tenant =
            members.iter().any(|it| it.node == check.from && matches!(it.standing, Standing::Tenant(_)));
        if verdict == Verdict::Allowed && check.expectation.must && is_tenant {
            if source.is_ipv4() || is_filtered(scene, &check.from) {
                let finding = unfiltered(&part, check);
                scene.outcome.take(&part, check, Verdict::Violation, Some(finding));
                continue;
            }
            told.insert((check.from.clone(), source));
        }
        scene.outcome.take(&part, &relaxed(check), verdict, finding);
    }
    for (from, source) in told {
        scene.outcome.notes.push(format!("{from} may claim to be {source} inside its own VRF"));
    }
    Ok(())
}

/// Whether every leaf of the machine has its VRF as a namespace.
fn is_filtered(scene: &Scene<'_>, node: &str) -> bool {
    let member = scene.members.iter().find(|it| it.node == node);
    let ports = member.map(|member| hostile::ports(scene, member)).unwrap_or_default();
    let is_inner = |port: &Port| {
        let table = port.vrf.map(|vrf| format!("vrf{vrf}")).unwrap_or_default();
        scene
            .wire
            .places()
            .iter()
            .any(|place| place.node == port.node && place.table == table && place.is_inner())
    };
    !ports.is_empty() && ports.iter().all(is_inner)
}

/// One address of each family of everybody else that the machine does not hold itself.
fn foreign(member: &Member, members: &[Member]) -> BTreeSet<IpAddr> {
    let mut all = BTreeSet::new();
    for other in members.iter().filter(|other| other.node != member.node) {
        for is_v4 in [true, false] {
            let usable =
                |address: &&IpAddr| address.is_ipv4() == is_v4 && !member.addresses.contains(*address);
            all.extend(other.addresses.iter().find(usable));
        }
    }
    all
}

/// The machine's own routing inside its network, otherwise each leaf directly.
fn marks(check: &Check, ways: &Ways) -> Vec<u32> {
    if check.expectation.must { vec![0] } else { ways.marks.iter().map(|(_, mark)| *mark).collect() }
}

/// With a forged source nothing has to arrive.
fn relaxed(check: &Check) -> Check {
    let mut check = check.clone();
    check.expectation.must = false;
    check
}

fn unfiltered(part: &str, check: &Check) -> Finding {
    Finding {
        at: clock::now(),
        part: part.to_owned(),
        from: check.from.clone(),
        to: check.to,
        happened: "arrived".to_owned(),
        expected: "to be dropped by the leaf".to_owned(),
        why: "the source is not routed back to the machine's port".to_owned(),
    }
}
