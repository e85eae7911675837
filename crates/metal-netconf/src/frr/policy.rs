//! Who may announce what: prefix lists and route maps of a switch.
//!
//! FRR's lists have a trap: a list without entries permits everything, and a map's entry without a condition matches
//! everything. Here no list is ever empty, and no entry that lets a machine or firewall in lacks its condition: a filter
//! with nothing in it has neither list nor map, and the group's map, which denies, holds.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::config::Section;
use crate::intent::{FirewallFilter, Switch};
use crate::name::{Asn, PortName, Vni};

/// The map that denies everything.
pub(super) const CLOSED: &str = "CLOSED";
/// The map that lets the switch's own loopback addresses through.
pub(super) const LOOPBACKS: &str = "LOOPBACKS";
/// The map that keeps the management network out of the fabric on `SONiC`.
pub(super) const DENY_MGMT: &str = "DENY_MGMT";
/// What comes from outside carries this community, so that it is not passed on to the outside again.
const OUTSIDE: &str = "OUTSIDE";
/// Prefixes that must cross the border in neither direction.
const UNDERLAY: &str = "UNDERLAY";
/// The default route, which an exit takes but does not give.
const DEFAULT: &str = "DEFAULT";
/// FRR counts entries of a map from 1 to 65535; ten is where people begin.
const FIRST: usize = 10;

/// The two families of unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// As the family of an address is written in BGP.
    pub(super) fn unicast(self) -> &'static str {
        match self {
            Self::V4 => "ipv4 unicast",
            Self::V6 => "ipv6 unicast",
        }
    }

    /// As it is written in lists, maps and routes.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ipv6",
        }
    }

    fn longest(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6 => "6",
        }
    }

    pub(super) fn has(self, prefix: &IpNet) -> bool {
        matches!((self, prefix), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }
}

/// Lists and maps, gathered.
#[derive(Debug, Default)]
pub(super) struct Policy {
    pub(super) lists: Vec<String>,
    pub(super) communities: Vec<String>,
    pub(super) maps: Vec<Section>,
}

/// Name of the inbound map of a port, nothing if it may announce nothing in this family.
pub(super) fn map_in(owner: &str, prefixes: &BTreeSet<IpNet>, family: Family) -> Option<String> {
    prefixes.iter().any(|prefix| family.has(prefix)).then(|| format!("{owner}-in{}", family.suffix()))
}

/// Name of the outbound EVPN map of a firewall's port, nothing if it is told nothing.
pub(super) fn map_vni(port: &PortName, filter: &FirewallFilter) -> Option<String> {
    (!filter.vnis.is_empty()).then(|| format!("{}-vni", firewall(port)))
}

/// How the objects of a firewall's port are called.
pub(super) fn firewall(port: &PortName) -> String {
    format!("fw-{port}")
}

/// Lists and maps of all ports that are up.
pub(super) fn of(intent: &Switch) -> Policy {
    let mut policy = Policy::default();
    policy.maps.push(entry(CLOSED, false, FIRST, Vec::new()));
    for (port, filter) in intent.tenants.values().flat_map(|tenant| &tenant.ports) {
        if intent.is_up(port) {
            policy.inbound(port.as_str(), &filter.prefixes);
        }
    }
    for (port, filter) in intent.firewalls.iter().filter(|(port, _)| intent.is_up(port)) {
        policy.inbound(&firewall(port), &filter.prefixes);
        if let Some(name) = map_vni(port, filter) {
            for (place, vni) in filter.vnis.iter().enumerate() {
                policy.maps.push(entry(&name, true, FIRST + place, vec![format!("match evpn vni {vni}")]));
            }
        }
    }
    let borders: Vec<Vni> = (intent.externals.iter())
        .filter(|(_, external)| !external.neighbors.is_empty() && intent.is_up(&external.port))
        .map(|(vni, _)| *vni)
        .collect();
    if !borders.is_empty() {
        policy.border(intent, &borders);
    }
    policy
}

/// Names of the inbound and the outbound map of an external network.
pub(super) fn maps_external(vni: Vni, family: Family) -> (String, String) {
    (format!("ext{vni}-in{}", family.suffix()), format!("ext{vni}-out{}", family.suffix()))
}

fn community(asn: Asn, vni: Vni) -> String {
    format!("{asn}:{vni}:1")
}

fn entry(name: &str, permits: bool, sequence: usize, lines: Vec<String>) -> Section {
    let action = if permits { "permit" } else { "deny" };
    Section::new(format!("route-map {name} {action} {sequence}"), lines)
}

impl Policy {
    fn inbound(&mut self, owner: &str, prefixes: &BTreeSet<IpNet>) {
        for family in Family::BOTH {
            let Some(map) = map_in(owner, prefixes, family) else { continue };
            let (keyword, longest) = (family.keyword(), family.longest());
            let list = format!("{map}-prefixes");
            let own: Vec<IpNet> =
                prefixes.iter().filter(|prefix| family.has(prefix)).map(IpNet::trunc).collect();
            for prefix in IpNet::aggregate(&own) {
                self.lists.push(format!("{keyword} prefix-list {list} permit {prefix} le {longest}"));
            }
            let condition = format!("match {keyword} address prefix-list {list}");
            self.maps.push(entry(&map, true, FIRST, vec![condition]));
        }
    }

    /// At the border the underlay stays inside, nothing passes from outside to outside, and the default route is only
    /// taken.
    fn border(&mut self, intent: &Switch, vnis: &[Vni]) {
        self.lists.push(format!("ip prefix-list {DEFAULT} permit 0.0.0.0/0"));
        self.lists.push(format!("ip prefix-list {UNDERLAY} permit {}/32", intent.loopback));
        self.lists.push(format!("ipv6 prefix-list {DEFAULT} permit ::/0"));
        for vni in vnis {
            let mark = community(intent.asn, *vni);
            self.communities.push(format!("bgp large-community-list standard {OUTSIDE} permit {mark}"));
            for family in Family::BOTH {
                let keyword = family.keyword();
                let (inbound, outbound) = maps_external(*vni, family);
                let of_list = |list: &str| vec![format!("match {keyword} address prefix-list {list}")];
                if family == Family::V4 {
                    self.maps.push(entry(&inbound, false, FIRST, of_list(UNDERLAY)));
                    self.maps.push(entry(&outbound, false, FIRST, of_list(UNDERLAY)));
                }
                let marked = vec![format!("set large-community {mark} additive")];
                self.maps.push(entry(&inbound, true, FIRST + 10, marked));
                self.maps.push(entry(&outbound, false, FIRST + 10, of_list(DEFAULT)));
                let from_outside = vec![format!("match large-community {OUTSIDE}")];
                self.maps.push(entry(&outbound, false, FIRST + 20, from_outside));
                self.maps.push(entry(&outbound, true, FIRST + 30, Vec::new()));
            }
        }
    }
}
