//! The configuration of a leaf, a spine or an exit.
//!
//! All three are the same program with parts left out. What the parts have in common: eBGP without addresses on the
//! links, the loopback as only underlay route, EVPN on top. A tenant's instance has the same shape whether its machines
//! use IPv4, IPv6 or both: taking a family into use later must not reset the sessions of machines that run.

use std::net::IpAddr;

use super::config::{Config, Section};
use super::policy::{self, CLOSED, DENY_MGMT, Family, LOOPBACKS, map_in, map_vni};
use crate::intent::{Bgp, External, MachineFilter, Switch, Tenant};
use crate::name::{PortName, Vni};

/// A path may contain our own system this often: a firewall gives back what it got through us.
const OWN_IN_PATH: &str = "allowas-in 2";

/// Which system runs the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Linux with VRF devices, Cumulus too.
    Vrf,
    /// Linux with a network namespace in place of each VRF: nothing can be leaked between them.
    Netns,
    /// `SONiC`.
    Sonic {
        /// Prefer the loopback as source of what the switch itself sends.
        sets_source: bool,
        /// Hand routes over on the loopback address, as releases from 202411 need.
        has_fpm: bool,
    },
}

impl Flavor {
    fn is_sonic(self) -> bool {
        matches!(self, Self::Sonic { .. })
    }

    /// How a routing table is called there.
    fn vrf_name(self, intent: &Switch, vni: Vni) -> String {
        match (self, intent.externals.get(&vni)) {
            (Self::Sonic { .. }, None) => format!("Vrf{vni}"),
            _ => intent.vrf_name(vni).to_string(),
        }
    }
}

/// Writes the configuration of a switch.
#[must_use]
pub fn switch(intent: &Switch, flavor: Flavor) -> Config {
    let policy = policy::of(intent);
    let mut config = Config::empty(flavor == Flavor::Netns);
    config.lines(head(intent, flavor));
    config.lines(policy.lists);
    config.lines(policy.communities);
    config.sections(policy.maps);
    config.sections(own_maps(intent, flavor));
    config.lines(management(intent, flavor));
    for (vni, external) in &intent.externals {
        config.section(vrf(&flavor.vrf_name(intent, *vni), *vni, Some(external)));
    }
    for vni in intent.tenants.keys() {
        config.section(vrf(&flavor.vrf_name(intent, *vni), *vni, None));
    }
    config.sections(advertisements(intent, flavor));
    config.section(underlay(intent, flavor));
    for (vni, external) in &intent.externals {
        config.section(outside(intent, flavor, *vni, external));
    }
    for (vni, tenant) in &intent.tenants {
        config.section(inside(intent, flavor, *vni, tenant));
    }
    if matches!(flavor, Flavor::Sonic { sets_source: true, .. }) {
        config.lines(vec!["ip protocol bgp route-map RM_SET_SRC".to_owned()]);
    }
    config
}

fn head(intent: &Switch, flavor: Flavor) -> Vec<String> {
    let mut lines = vec!["frr defaults datacenter".to_owned(), format!("hostname {}", intent.hostname)];
    match flavor {
        Flavor::Vrf | Flavor::Netns => lines.push("log syslog informational".to_owned()),
        Flavor::Sonic { has_fpm, .. } => {
            // As SONiC's own file begins.
            for line in [
                "password zebra",
                "enable password zebra",
                "log syslog informational",
                "log facility local4",
                "agentx",
            ] {
                lines.push(line.to_owned());
            }
            if has_fpm {
                lines.push("fpm address 127.0.0.1".to_owned());
            }
        }
    }
    if let Some(seconds) = intent.bgp.route_map_delay {
        lines.push(format!("bgp route-map delay-timer {seconds}"));
    }
    lines.push("service integrated-vtysh-config".to_owned());
    lines
}

/// Maps for the switch's own routes.
fn own_maps(intent: &Switch, flavor: Flavor) -> Vec<Section> {
    let section = |head: String, line: Option<String>| Section::new(head, line.into_iter().collect());
    match flavor {
        Flavor::Vrf | Flavor::Netns => {
            vec![section(format!("route-map {LOOPBACKS} permit 10"), Some("match interface lo".to_owned()))]
        }
        Flavor::Sonic { sets_source, .. } => {
            let mut maps = vec![
                section(format!("route-map {DENY_MGMT} deny 10"), Some("match interface eth0".to_owned())),
                section(format!("route-map {DENY_MGMT} permit 20"), None),
            ];
            if sets_source {
                let source = format!("set src {}", intent.loopback);
                maps.push(section("route-map RM_SET_SRC permit 10".to_owned(), Some(source)));
            }
            maps
        }
    }
}

fn management(intent: &Switch, flavor: Flavor) -> Vec<String> {
    let Some(management) = &intent.management else { return Vec::new() };
    if flavor == Flavor::Netns {
        return Vec::new();
    }
    let gateway = management.gateway;
    let route = |to: &dyn std::fmt::Display| format!("ip route {to} {gateway} nexthop-vrf mgmt");
    let everything = std::iter::once(route(&"0.0.0.0/0"));
    everything.chain(management.routes.iter().map(|to| route(&to.trunc()))).collect()
}

fn vrf(name: &str, vni: Vni, external: Option<&External>) -> Section {
    let mut lines: Vec<String> = Vec::new();
    for (to, via) in external.iter().flat_map(|external| &external.routes) {
        let keyword = if Family::V4.has(to) { Family::V4.keyword() } else { Family::V6.keyword() };
        lines.push(format!("{keyword} route {} {via}", to.trunc()));
    }
    lines.push(format!("vni {vni}"));
    Section::new(format!("vrf {name}"), lines)
}

/// Router advertisements, by which neighbours on links without addresses find each other.
fn advertisements(intent: &Switch, flavor: Flavor) -> Vec<Section> {
    let own = intent.uplinks.iter().chain(intent.firewalls.keys()).map(|port| (port, None));
    let tenants = intent.tenants.iter().flat_map(|(vni, tenant)| {
        let vrf = flavor.vrf_name(intent, *vni);
        tenant.ports.keys().map(move |port| (port, Some(vrf.clone())))
    });
    own.chain(tenants)
        .filter(|(port, _)| intent.is_up(port))
        .map(|(port, vrf)| advertisement(port, vrf.as_deref()))
        .collect()
}

pub(super) fn advertisement(port: &PortName, vrf: Option<&str>) -> Section {
    let lines = vec!["ipv6 nd ra-interval 6".to_owned(), "no ipv6 nd suppress-ra".to_owned()];
    let place = vrf.map(|vrf| format!(" vrf {vrf}")).unwrap_or_default();
    Section::new(format!("interface {port}{place}"), lines)
}

/// An instance of BGP with its first lines.
fn instance(intent: &Switch, vrf: Option<&str>) -> Section {
    let place = vrf.map(|vrf| format!(" vrf {vrf}")).unwrap_or_default();
    let lines =
        vec![format!("bgp router-id {}", intent.loopback), "bgp bestpath as-path multipath-relax".to_owned()];
    Section::new(format!("router bgp {}{place}", intent.asn), lines)
}

/// A peer group of external neighbours.
pub(super) fn group(name: &str, bgp: &Bgp) -> [String; 3] {
    [
        format!("neighbor {name} peer-group"),
        format!("neighbor {name} remote-as external"),
        format!("neighbor {name} timers {} {}", bgp.keepalive, bgp.hold),
    ]
}

pub(super) fn member(port: &PortName, group: &str) -> String {
    format!("neighbor {port} interface peer-group {group}")
}

/// The instance that connects the switches, and the firewalls with them.
fn underlay(intent: &Switch, flavor: Flavor) -> Section {
    let firewalls: Vec<_> = intent.firewalls.iter().filter(|(port, _)| intent.is_up(port)).collect();
    let mut section = instance(intent, None);
    section.lines.extend(group("FABRIC", &intent.bgp));
    if !firewalls.is_empty() {
        section.lines.extend(group("FIREWALL", &intent.bgp));
    }
    let uplinks = intent.uplinks.iter().filter(|port| intent.is_up(port));
    section.lines.extend(uplinks.map(|port| member(port, "FABRIC")));
    section.lines.extend(firewalls.iter().map(|(port, _)| member(port, "FIREWALL")));
    for family in Family::BOTH {
        let mut lines = Vec::new();
        if flavor.is_sonic() {
            lines.push(format!("redistribute kernel route-map {DENY_MGMT}"));
            lines.push(format!("redistribute connected route-map {DENY_MGMT}"));
        } else {
            lines.push(format!("redistribute connected route-map {LOOPBACKS}"));
        }
        if !firewalls.is_empty() {
            lines.extend(closed_group("FIREWALL", family, intent.bgp.maximum_prefix));
            lines.push(format!("neighbor FIREWALL {OWN_IN_PATH}"));
        }
        for (port, filter) in &firewalls {
            let map = map_in(&policy::firewall(port), &filter.prefixes, family);
            lines.extend(map.map(|map| format!("neighbor {port} route-map {map} in")));
        }
        section.families.push((family.unicast(), lines));
    }
    let mut evpn = vec!["neighbor FABRIC activate".to_owned(), format!("neighbor FABRIC {OWN_IN_PATH}")];
    if !firewalls.is_empty() {
        evpn.push("neighbor FIREWALL activate".to_owned());
        evpn.push(format!("neighbor FIREWALL {OWN_IN_PATH}"));
        evpn.push(format!("neighbor FIREWALL route-map {CLOSED} out"));
    }
    for (port, filter) in &firewalls {
        evpn.extend(map_vni(port, filter).map(|map| format!("neighbor {port} route-map {map} out")));
    }
    if intent.is_vtep {
        evpn.push("advertise-all-vni".to_owned());
    }
    section.families.push(("l2vpn evpn", evpn));
    section
}

/// A group of neighbours a tenant controls: nothing comes in unless a member has its own map.
fn closed_group(group: &str, family: Family, most: u32) -> Vec<String> {
    let mut lines = Vec::new();
    if family == Family::V6 {
        // IPv4 is active without being asked for.
        lines.push(format!("neighbor {group} activate"));
    }
    // One that says too much is closed, and heard again after a minute: nobody has to come and open it.
    lines.push(format!("neighbor {group} maximum-prefix {most} restart 1"));
    lines.push(format!("neighbor {group} route-map {CLOSED} in"));
    lines
}

fn overlay() -> (&'static str, Vec<String>) {
    ("l2vpn evpn", Family::BOTH.map(|family| format!("advertise {}", family.unicast())).to_vec())
}

/// The instance of a tenant.
fn inside(intent: &Switch, flavor: Flavor, vni: Vni, tenant: &Tenant) -> Section {
    let ports: Vec<(&PortName, &MachineFilter)> =
        tenant.ports.iter().filter(|(port, _)| intent.is_up(port)).collect();
    let mut section = instance(intent, Some(&flavor.vrf_name(intent, vni)));
    section.lines.extend(group("MACHINE", &intent.bgp));
    section.lines.extend(ports.iter().map(|(port, _)| member(port, "MACHINE")));
    for family in Family::BOTH {
        let mut lines = vec!["redistribute connected".to_owned()];
        lines.extend(closed_group("MACHINE", family, intent.bgp.maximum_prefix));
        for (port, filter) in &ports {
            let map = map_in(port.as_str(), &filter.prefixes, family);
            lines.extend(map.map(|map| format!("neighbor {port} route-map {map} in")));
        }
        section.families.push((family.unicast(), lines));
    }
    section.families.push(overlay());
    section
}

/// The instance of an external network. Neighbours of each family have a group that speaks only that family.
fn outside(intent: &Switch, flavor: Flavor, vni: Vni, external: &External) -> Section {
    let mut section = instance(intent, Some(&flavor.vrf_name(intent, vni)));
    let is_up = intent.is_up(&external.port);
    let of = |family: Family| {
        let speaks = move |address: &IpAddr| address.is_ipv4() == (family == Family::V4);
        external.neighbors.iter().filter(move |(address, _)| is_up && speaks(address))
    };
    let used: Vec<Family> = Family::BOTH.into_iter().filter(|family| of(*family).next().is_some()).collect();
    for family in &used {
        let [declared, _, timers] = group(external_group(*family), &intent.bgp);
        section.lines.extend([declared, timers]);
    }
    for family in &used {
        for (address, asn) in of(*family) {
            section.lines.push(format!("neighbor {address} remote-as {asn}"));
            section.lines.push(format!("neighbor {address} peer-group {}", external_group(*family)));
        }
    }
    for family in Family::BOTH {
        let mut lines = vec!["redistribute connected".to_owned(), "redistribute static".to_owned()];
        for other in &used {
            let name = external_group(*other);
            if *other == family {
                let (inbound, outbound) = policy::maps_external(vni, family);
                lines.extend((family == Family::V6).then(|| format!("neighbor {name} activate")));
                lines.push(format!("neighbor {name} remove-private-AS all"));
                lines.push(format!("neighbor {name} route-map {inbound} in"));
                lines.push(format!("neighbor {name} route-map {outbound} out"));
            } else if family == Family::V4 {
                lines.push(format!("no neighbor {name} activate"));
            }
        }
        section.families.push((family.unicast(), lines));
    }
    section.families.push(overlay());
    section
}

fn external_group(family: Family) -> &'static str {
    match family {
        Family::V4 => "EXTERNAL",
        Family::V6 => "EXTERNAL6",
    }
}
