//! Leaving everything as it was: after the hostile part it is waited until the machines' routes are back on both sides.
//! A session that is up again has not yet said anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::{Instant, sleep};

use super::expectation::{Member, Standing};
use super::routing::{self, Port};
use super::{Scene, hostile};
use crate::fabric::machine::PORTS;

/// How long everything may take to come back.
const MOST: Duration = Duration::from_secs(90);
/// How long a session may take to come up before it is cleared once more.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(200);

/// What was accepted over both ends of the machines' cables.
#[derive(Debug)]
pub struct Before {
    accepted: BTreeMap<Port, BTreeSet<IpNet>>,
}

impl Before {
    /// As it is now, for these machines.
    pub async fn note(scene: &Scene<'_>, machines: &[Member]) -> anyhow::Result<Self> {
        let mut ports = Vec::new();
        for machine in machines {
            ports.extend(hostile::ports(scene, machine));
            ports.extend(PORTS.map(|name| Port {
                node: machine.node.clone(),
                vrf: None,
                name: name.to_owned(),
            }));
        }
        Ok(Self { accepted: accepted(scene, &ports).await? })
    }

    /// Waits until it is so again, as far as that is still wanted; notes what is not.
    pub async fn wait(self, scene: &mut Scene<'_>) -> anyhow::Result<()> {
        let end = Instant::now() + MOST;
        let mut cleared: BTreeMap<Port, Instant> = BTreeMap::new();
        loop {
            scene.look_again().await?;
            let missing = self.missing(scene).await?;
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                for (port, prefixes) in missing {
                    let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
                    scene.outcome.notes.push(format!(
                        "{} has not got {} back over {} since the probe",
                        port.node,
                        prefixes.join(", "),
                        port.name
                    ));
                }
                return Ok(());
            }
            for port in missing.into_keys().filter(|port| port.vrf.is_some()) {
                let is_recent = cleared.get(&port).is_some_and(|since| since.elapsed() < PATIENCE);
                let pid = scene.pid(&port.node)?;
                if !is_recent && !port.session(pid).await?.is_established() {
                    port.clear(pid).await?;
                    cleared.insert(port, Instant::now());
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Addresses that machines of the same VRF still have, but are not accepted any more.
    async fn missing(&self, scene: &Scene<'_>) -> anyhow::Result<BTreeMap<Port, BTreeSet<IpNet>>> {
        let wanted: Vec<(&Port, BTreeSet<IpNet>)> = self
            .accepted
            .iter()
            .map(|(port, prefixes)| {
                let addresses = addresses(scene, port);
                (port, prefixes.iter().filter(|prefix| addresses.contains(&prefix.addr())).copied().collect())
            })
            .filter(|(_, wanted): &(_, BTreeSet<IpNet>)| !wanted.is_empty())
            .collect();
        let ports: Vec<Port> = wanted.iter().map(|(port, _)| (*port).clone()).collect();
        let now = accepted(scene, &ports).await?;
        let missing = wanted.into_iter().map(|(port, wanted)| {
            let there = now.get(port);
            (
                port.clone(),
                wanted.into_iter().filter(|it| !there.is_some_and(|there| there.contains(it))).collect(),
            )
        });
        Ok(missing.filter(|(_, missing): &(_, BTreeSet<IpNet>)| !missing.is_empty()).collect())
    }
}

/// What may come in over a port: on a leaf from the machine behind it, on a machine from others of its VRF.
fn addresses(scene: &Scene<'_>, port: &Port) -> BTreeSet<IpAddr> {
    let tenants = scene.members.iter().filter_map(|it| match it.standing {
        Standing::Tenant(vrf) => Some((vrf, it)),
        _ => None,
    });
    let vrf_of = |node: &str| tenants.clone().find(|(_, it)| it.node == node).map(|(vrf, _)| vrf);
    let behind = scene.machine_behind(port).map(str::to_owned);
    let of: Vec<&Member> = match port.vrf {
        Some(vrf) => tenants
            .clone()
            .filter(|(its, it)| *its == vrf && Some(&it.node) == behind.as_ref())
            .map(|(_, it)| it)
            .collect(),
        None => {
            let vrf = vrf_of(&port.node);
            tenants
                .clone()
                .filter(|(its, it)| Some(*its) == vrf && it.node != port.node)
                .map(|(_, it)| it)
                .collect()
        }
    };
    of.iter().flat_map(|it| it.addresses.iter().copied()).collect()
}

/// Asks each node once.
async fn accepted(scene: &Scene<'_>, ports: &[Port]) -> anyhow::Result<BTreeMap<Port, BTreeSet<IpNet>>> {
    let mut by_node: BTreeMap<&str, Vec<&Port>> = BTreeMap::new();
    for port in ports {
        by_node.entry(&port.node).or_default().push(port);
    }
    let mut all = BTreeMap::new();
    for (node, ports) in by_node {
        let sets = routing::accepted(scene.pid(node)?, &ports).await?;
        all.extend(ports.into_iter().cloned().zip(sets));
    }
    Ok(all)
}
