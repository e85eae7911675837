//! Steps from the rows that are to the rows that shall be.
//!
//! Ports leave first, all of them, and only then their disappearance is waited for, so that the waits run side by side.
//! Then what is no longer wanted goes, then what is missing comes, then ports enter where they belong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::actual::{Actual, Overlay, tenant};
use super::row::{Fields, Key, vlan};
use super::wanted::{Fault, routed_in, wanted_on};
use crate::intent::{PortClass, Switch};
use crate::name::{PortName, VrfName};

/// Something the hardware has, known only by asking it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The port is in a VLAN.
    BridgePort(PortName),
    /// The port is a routed interface.
    RouterInterface(PortName),
}

impl Fact {
    /// The port.
    #[must_use]
    pub fn port(&self) -> &PortName {
        match self {
            Self::BridgePort(port) | Self::RouterInterface(port) => port,
        }
    }

    /// Whether it is so.
    #[must_use]
    pub fn holds(&self, actual: &Actual) -> bool {
        match self {
            Self::BridgePort(port) => actual.bridged.contains(port),
            Self::RouterInterface(port) => actual.routed.contains(port),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BridgePort(port) => write!(f, "bridge port of {port}"),
            Self::RouterInterface(port) => write!(f, "router interface of {port}"),
        }
    }
}

/// One change, or one wait for the daemons to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write these fields of a row, which is made if it is not there. No fields: only make it.
    Set {
        /// The row.
        key: Key,
        /// Fields that are missing or different.
        fields: Fields,
    },
    /// Remove a row.
    Delete {
        /// The row.
        key: Key,
    },
    /// Go on when the hardware no longer has this.
    WaitGone {
        /// What has to disappear.
        what: Fact,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { key, fields } => {
                write!(f, "set {key}")?;
                fields.iter().try_for_each(|(field, value)| write!(f, " {field}={value}"))
            }
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::WaitGone { what } => write!(f, "wait until the {what} is gone"),
        }
    }
}

/// Whether a port or a routing table that FRR may know goes away in these steps, so that FRR has to give it up before.
#[must_use]
pub fn leaves_something(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Delete { key } => matches!(key, Key::Interface(_) | Key::Vrf(_)),
        Step::Set { .. } | Step::WaitGone { .. } => false,
    })
}

/// The steps from what is to what shall be, in their order; none if all is as it shall be.
///
/// # Errors
/// Fails when the intent contradicts itself or does not fit the device; nothing is planned then.
pub fn plan(intent: &Switch, actual: &Actual) -> Result<Vec<Step>, Fault> {
    let overlay = actual.overlay(intent);
    let wanted = wanted_on(intent, actual, &overlay)?;
    let mut deletes = Vec::new();
    let mut waits = Vec::new();
    for (port, class) in intent.classes() {
        leave(intent, actual, port, class, &wanted, &mut deletes, &mut waits);
    }
    strangers(intent, actual, &overlay, &mut deletes, &mut waits);
    deletes.extend(rebound(actual, &wanted));
    let surplus = surplus(intent, actual, &overlay, &wanted, &deletes);
    let mut steps = Vec::new();
    let (off, rest): (Vec<Step>, Vec<Step>) =
        missing(actual, &wanted, &deletes).into_iter().partition(is_off);
    steps.extend(off);
    steps.extend(deletes.into_iter().chain(waits).chain(surplus));
    steps.extend(rest);
    Ok(steps)
}

/// What a port has to leave before it is where it belongs.
fn leave(
    intent: &Switch,
    actual: &Actual,
    port: &PortName,
    class: PortClass,
    wanted: &BTreeMap<Key, Fields>,
    deletes: &mut Vec<Step>,
    waits: &mut Vec<Step>,
) {
    if class == PortClass::Extra {
        return;
    }
    let target = routed_in(intent, class);
    let interface = Key::Interface(port.clone());
    let vrf = target.as_ref().and_then(Option::as_ref).map(VrfName::as_str);
    let is_there = actual.rows.contains_key(&interface);
    let moves = is_there && (target.is_none() || actual.field(&interface, "vrf_name") != vrf);
    // An uplink may have addresses from elsewhere; they stay as long as it does.
    let keeps_addresses = class == PortClass::Uplink && !moves;
    deletes.extend(
        addresses(actual, port)
            .filter(|key| moves || (!keeps_addresses && !wanted.contains_key(key)))
            .map(|key| Step::Delete { key }),
    );
    if moves {
        deletes.push(Step::Delete { key: interface });
    }
    if actual.routed.contains(port) && (moves || !is_there || target.is_none()) {
        waits.push(Step::WaitGone { what: Fact::RouterInterface(port.clone()) });
    }
    let members =
        actual.rows.iter().filter(|(key, _)| matches!(key, Key::VlanMember(_, member) if member == port));
    let (right, wrong): (Vec<_>, Vec<_>) = members.partition(|(key, row)| {
        wanted
            .get(*key)
            .is_some_and(|fields| fields.iter().all(|(field, value)| row.get(*field) == Some(value)))
    });
    let enters_anew = class != PortClass::Unprovisioned || (right.is_empty() && !wrong.is_empty());
    deletes.extend(wrong.into_iter().map(|(key, _)| Step::Delete { key: key.clone() }));
    if actual.bridged.contains(port) && enters_anew {
        waits.push(Step::WaitGone { what: Fact::BridgePort(port.clone()) });
    }
}

/// A VLAN's interface cannot be told to change its routing table: it has to be made again.
fn rebound(actual: &Actual, wanted: &BTreeMap<Key, Fields>) -> Vec<Step> {
    let is_elsewhere = |(key, fields): &(&Key, &Fields)| {
        let to = fields.get("vrf_name").map(String::as_str);
        let is_there = matches!(key, Key::VlanInterface(_)) && actual.rows.contains_key(*key);
        is_there && to.is_some() && actual.field(key, "vrf_name") != to
    };
    let elsewhere = wanted.iter().filter(is_elsewhere);
    elsewhere.map(|(key, _)| Step::Delete { key: key.clone() }).collect()
}

fn addresses(actual: &Actual, port: &PortName) -> impl Iterator<Item = Key> {
    let is_its = move |key: &&Key| matches!(key, Key::InterfaceAddress(owner, _) if owner == port);
    actual.rows.keys().filter(is_its).cloned()
}

/// Ports the intent does not mention must not stay in a tenant's routing table, nor in one that goes away.
fn strangers(
    intent: &Switch,
    actual: &Actual,
    overlay: &Overlay,
    deletes: &mut Vec<Step>,
    waits: &mut Vec<Step>,
) {
    let known: BTreeSet<&PortName> = intent.classes().into_iter().map(|(port, _)| port).collect();
    let surplus = actual.surplus_vrfs(intent, overlay);
    let is_closed = |vrf: &str| {
        let is_tenants = tenant(vrf).is_some_and(|vni| intent.tenants.contains_key(&vni));
        is_tenants || surplus.iter().any(|name| name.as_str() == vrf)
    };
    for (port, vrf) in actual.interfaces() {
        if known.contains(port) || !vrf.is_some_and(is_closed) {
            continue;
        }
        deletes.extend(addresses(actual, port).map(|key| Step::Delete { key }));
        deletes.push(Step::Delete { key: Key::Interface(port.clone()) });
        if actual.routed.contains(port) {
            waits.push(Step::WaitGone { what: Fact::RouterInterface(port.clone()) });
        }
    }
}

/// Removes VLANs and routing tables that are ours and that nobody wants: the mapping, the routed interface, the
/// suppression, the VLAN, the table.
fn surplus(
    intent: &Switch,
    actual: &Actual,
    overlay: &Overlay,
    wanted: &BTreeMap<Key, Fields>,
    leaving: &[Step],
) -> Vec<Step> {
    let mut keys: Vec<Key> = Vec::new();
    let is_unwanted = |key: &&Key| !wanted.contains_key(key);
    let is_ours = |key: &&Key| match key {
        Key::TunnelMap(..) => {
            actual.field(key, "vlan").and_then(vlan).is_some_and(|vlan| overlay.ours.contains(&vlan))
        }
        _ => false,
    };
    keys.extend(actual.rows.keys().filter(is_ours).filter(is_unwanted).cloned());
    let kinds: [fn(&Key) -> Option<crate::name::VlanId>; 3] = [
        |key| if let Key::VlanInterface(vlan) = key { Some(*vlan) } else { None },
        |key| if let Key::Suppress(vlan) = key { Some(*vlan) } else { None },
        |key| if let Key::Vlan(vlan) = key { Some(*vlan) } else { None },
    ];
    for vlan_of in kinds {
        let is_surplus = |key: &&Key| vlan_of(key).is_some_and(|vlan| overlay.ours.contains(&vlan));
        keys.extend(actual.rows.keys().filter(is_surplus).filter(is_unwanted).cloned());
    }
    let goes = |key: &Key| {
        keys.contains(key)
            || leaving.iter().any(|step| matches!(step, Step::Delete { key: gone } if gone == key))
    };
    let used: BTreeSet<&str> = actual
        .rows
        .iter()
        .filter(|(key, _)| !goes(key))
        .filter_map(|(_, row)| row.get("vrf_name").map(String::as_str))
        .collect();
    let vrfs: Vec<Key> = actual
        .surplus_vrfs(intent, overlay)
        .into_iter()
        .filter(|vrf| !used.contains(vrf.as_str()))
        .map(Key::Vrf)
        .collect();
    keys.extend(vrfs);
    keys.into_iter().map(|key| Step::Delete { key }).collect()
}

/// Rows and fields that are wanted and not there, tables and VLANs before ports.
fn missing(actual: &Actual, wanted: &BTreeMap<Key, Fields>, deletes: &[Step]) -> Vec<Step> {
    let gone: BTreeSet<&Key> = deletes
        .iter()
        .filter_map(|step| match step {
            Step::Delete { key } => Some(key),
            Step::Set { .. } | Step::WaitGone { .. } => None,
        })
        .collect();
    let mut sets: Vec<(u8, Step)> = Vec::new();
    for (key, fields) in wanted {
        let row = if gone.contains(key) { None } else { actual.rows.get(key) };
        let differs = |(field, value): &(&&'static str, &String)| {
            row.and_then(|row| row.get(**field)).is_none_or(|have| have != *value)
        };
        let fields: Fields =
            fields.iter().filter(differs).map(|(field, value)| (*field, value.clone())).collect();
        if row.is_some() && fields.is_empty() {
            continue;
        }
        sets.push((rank(key), Step::Set { key: key.clone(), fields }));
    }
    sets.sort_by_key(|(rank, _)| *rank);
    // A port is switched on when it is where it belongs.
    let mut on = Vec::new();
    let mut steps = Vec::new();
    for (_, step) in sets {
        match step {
            Step::Set { key: key @ Key::Port(_), mut fields }
                if fields.get("admin_status").is_some_and(|s| s == "up") =>
            {
                fields.remove("admin_status");
                on.push(Step::Set {
                    key: key.clone(),
                    fields: Fields::from([("admin_status", "up".to_owned())]),
                });
                if !fields.is_empty() {
                    steps.push(Step::Set { key, fields });
                }
            }
            step => steps.push(step),
        }
    }
    steps.extend(on);
    steps
}

fn is_off(step: &Step) -> bool {
    matches!(step, Step::Set { key: Key::Port(_), fields } if fields.get("admin_status").is_some_and(|s| s == "down"))
}

fn rank(key: &Key) -> u8 {
    match key {
        Key::Vrf(_) => 0,
        Key::Vlan(_) => 1,
        Key::Suppress(_) => 2,
        Key::VlanInterface(_) => 3,
        Key::VlanAddress(..) => 4,
        Key::TunnelMap(..) => 5,
        Key::Port(_) => 6,
        Key::VlanMember(..) => 7,
        Key::Interface(_) => 8,
        Key::InterfaceAddress(..) => 9,
    }
}
