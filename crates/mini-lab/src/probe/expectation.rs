//! What must and what must not reach what. Pure: from who is what and holds which address to one check for every ordered
//! pair of a node and an address that is not its own.
//!
//! Two nodes have a relation; an address may have several holders, because tenants choose addresses without asking one
//! another. A check allows those holders the source has a relation with, and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::fabric::topology::{Role, Switch, Topology};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A running machine of a tenant, in this VRF.
    Tenant(u64),
    /// A machine of nobody.
    Pxe,
    /// A machine on its way between the PXE network and this VRF, where one is known.
    Moving(Option<u64>),
    /// A firewall: what passes it is not judged.
    Firewall,
    /// A switch.
    Switch,
    /// The management server.
    Management,
    /// The host outside.
    Outside,
}

/// A node with the addresses it has a right to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    pub node: String,
    pub standing: Standing,
    pub addresses: BTreeSet<IpAddr>,
}

/// Where a packet may end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// These nodes, and nobody else.
    pub only: BTreeSet<String>,
    /// Whether it must arrive at one of them.
    pub must: bool,
}

/// Something to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub from: String,
    pub to: IpAddr,
    pub expectation: Expectation,
    /// Whether the holder's answer need not come back.
    pub one_way: bool,
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Never(&'static str),
    May(&'static str),
    Must(&'static str),
}
use Relation::{May, Must, Never};

/// One check for each node and each address that is not its own.
pub fn checks(members: &[Member], topology: &Topology) -> Vec<Check> {
    let mut holders: BTreeMap<IpAddr, Vec<&Member>> = BTreeMap::new();
    for member in members {
        for address in &member.addresses {
            holders.entry(*address).or_default().push(member);
        }
    }
    let mut all = Vec::new();
    for from in members {
        for (address, holders) in &holders {
            if !from.addresses.contains(address) {
                all.push(check(from, *address, holders, topology));
            }
        }
    }
    all
}

/// What must answer pings: a leaf takes no more than those, and DHCP, from machines of nobody.
pub fn pings(members: &[Member], topology: &Topology) -> Vec<Check> {
    let machines = members.iter().filter(|it| it.standing == Standing::Pxe);
    let leaf = |from: &Member, leaf: &Switch| {
        let expectation = Expectation { only: BTreeSet::from([leaf.name.to_string()]), must: true };
        let why = "leaves answer pings in the PXE network";
        Some(Check { from: from.node.clone(), to: leaf.pxe?.into(), expectation, one_way: false, why })
    };
    machines.flat_map(|from| topology.switches.iter().filter_map(move |it| leaf(from, it))).collect()
}

fn check(from: &Member, to: IpAddr, holders: &[&Member], topology: &Topology) -> Check {
    let mut expectation = Expectation::default();
    let mut strongest = Never("nobody holds it");
    let mut one_way = false;
    for holder in holders {
        let relation = relation(from, holder, to, topology);
        if !matches!(relation, Never(_)) {
            expectation.only.insert(holder.node.clone());
        }
        expectation.must |= matches!(relation, Must(_));
        // The leaf takes hardly anything from there.
        one_way |= (from.standing, holder.standing) == (Standing::Switch, Standing::Pxe);
        if rank(relation) >= rank(strongest) {
            strongest = relation;
        }
    }
    let (Never(why) | May(why) | Must(why)) = strongest;
    Check { from: from.node.clone(), to, expectation, one_way, why }
}

fn rank(relation: Relation) -> u8 {
    match relation {
        Never(_) => 0,
        May(_) => 1,
        Must(_) => 2,
    }
}

fn relation(from: &Member, holder: &Member, to: IpAddr, topology: &Topology) -> Relation {
    let (mine, theirs) = (settled(from.standing), settled(holder.standing));
    let is_settled = mine.len() == 1 && theirs.len() == 1;
    let pairs = mine.iter().flat_map(|mine| theirs.iter().map(move |theirs| (*mine, *theirs)));
    let relations = pairs.map(|(mine, theirs)| between(mine, theirs, (from, holder), to, topology));
    let best = relations.max_by_key(|relation| rank(*relation)).unwrap_or(Never("unknown"));
    match best {
        Must(_) if !is_settled => May("a machine is being moved"),
        other => other,
    }
}

/// What a node may be seen as. A machine that is being moved is in one network or in the other.
fn settled(standing: Standing) -> Vec<Standing> {
    match standing {
        Standing::Moving(Some(vrf)) => vec![Standing::Pxe, Standing::Tenant(vrf)],
        // It has left a network we are not told, so nothing but the PXE network is known to be right.
        Standing::Moving(None) => vec![Standing::Pxe, Standing::Moving(None)],
        other => vec![other],
    }
}

fn between(
    mine: Standing,
    theirs: Standing,
    (from, holder): (&Member, &Member),
    to: IpAddr,
    topology: &Topology,
) -> Relation {
    use Standing::{Firewall, Management, Moving, Outside, Pxe, Switch, Tenant};
    let in_pxe = matches!(to, IpAddr::V4(to) if topology.pxe.network.contains(&to));
    match (mine, theirs) {
        (Firewall, _) | (_, Firewall) => May("firewalls are not judged"),
        (Tenant(mine), Tenant(theirs)) if mine == theirs => Must("both are in one VRF"),
        (Tenant(_), Tenant(_)) => Never("they are in different VRFs"),
        (Pxe, Pxe) if in_pxe => Must("both are in the PXE network"),
        (Pxe, Switch) if in_pxe => May("the leaf takes DHCP and pings there"),
        (Pxe, Switch) => Never("a machine of nobody sees only the PXE addresses of leaves"),
        (Pxe, Management) => May("the boot service may be reached from the PXE network"),
        (Switch, Pxe) if is_leaf(&from.node, topology) => Must("leaves are in the PXE network"),
        (Switch | Management, Pxe) => May("the fabric may reach the PXE network"),
        (Switch, Switch) if is_loopback(to, topology) => Must("both are in the underlay"),
        (Switch | Management, Switch | Management) if in_management(to, topology) => {
            Must("both are in the management network")
        }
        (Switch | Management, Switch | Management | Outside) => May("the fabric's own"),
        (Outside, Switch) if is_border(&holder.node, to, topology) => {
            Must("it is the exit's address outside")
        }
        (Outside, _) => Never("nothing leads in from outside"),
        (Tenant(_) | Pxe, Outside) => Never("nothing leads out without a firewall"),
        (Tenant(_), Pxe) | (Pxe, Tenant(_)) => Never("tenants are apart from the PXE network"),
        (Pxe, Pxe) => Never("it is no address of the PXE network"),
        (Tenant(_), Switch | Management) => Never("tenants are apart from the fabric"),
        (Switch | Management, Tenant(_)) => Never("the fabric's own tables do not lead to tenants"),
        (Moving(_), _) | (_, Moving(_)) => Never("a machine that is being moved is in no other network"),
    }
}

fn is_leaf(node: &str, topology: &Topology) -> bool {
    topology.switch(node).is_some_and(|switch| switch.role == Role::Leaf)
}

fn is_loopback(to: IpAddr, topology: &Topology) -> bool {
    topology.switches.iter().any(|switch| IpAddr::from(switch.loopback) == to)
}

fn in_management(to: IpAddr, topology: &Topology) -> bool {
    matches!(to, IpAddr::V4(to) if topology.management.network.contains(&to))
}

fn is_border(node: &str, to: IpAddr, topology: &Topology) -> bool {
    topology.external.as_ref().is_some_and(|external| {
        external.switch.as_str() == node && external.addresses.iter().any(|own| own.addr() == to)
    })
}

/// What holds for a try during which the situation became another: it must arrive only if it must before and after,
/// and it may arrive wherever it might before or after.
pub fn merge(some: &[Check], after: &[Check]) -> Vec<Check> {
    let after: BTreeMap<(&str, IpAddr), &Check> = after.iter().map(|it| ((&*it.from, it.to), it)).collect();
    let merged = some.iter().map(|check| {
        let later = after.get(&(&*check.from, check.to));
        let mut merged = check.clone();
        merged.expectation.must &= later.is_some_and(|later| later.expectation.must);
        merged
            .expectation
            .only
            .extend(later.into_iter().flat_map(|later| later.expectation.only.iter().cloned()));
        merged
    });
    merged.collect()
}

#[cfg(test)]
#[path = "expectation_tests.rs"]
mod tests;
