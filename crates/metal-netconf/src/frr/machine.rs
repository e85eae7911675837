//! The configuration of a machine that speaks BGP to its two leaves.

use std::net::Ipv4Addr;

use super::config::{Config, Section};
use super::switch::{advertisement, group, member};
use crate::intent::Bgp;
use crate::name::{Asn, Hostname, PortName};

/// A machine, as far as its routing is concerned. It has no routing tables but the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub hostname: Hostname,
    /// Its autonomous system.
    pub asn: Asn,
    /// Its first private address; 169.254.255.255 if that is IPv6, 0.0.0.0 if it has none.
    pub router_id: Ipv4Addr,
    /// Its ports towards the leaves, `lan0` and `lan1`.
    pub uplinks: Vec<PortName>,
    /// Timers; the limits in it are a switch's business.
    pub bgp: Bgp,
}

/// Writes the configuration of a machine: all its addresses go to both leaves, nothing it learned from one goes to the
/// other, and daemons on the machine may announce further addresses.
#[must_use]
pub fn machine(machine: &Machine) -> Config {
    let mut config = Config::empty(false);
    let mut head = vec![
        "frr defaults datacenter".to_owned(),
        format!("hostname {}", machine.hostname),
        "log syslog informational".to_owned(),
        "allow-reserved-ranges".to_owned(),
        "no zebra nexthop kernel enable".to_owned(),
    ];
    head.extend(machine.bgp.route_map_delay.map(|seconds| format!("bgp route-map delay-timer {seconds}")));
    head.push("service integrated-vtysh-config".to_owned());
    config.lines(head);
    config.section(Section::new(
        "route-map local-in permit 10".to_owned(),
        vec!["set weight 32768".to_owned()],
    ));
    let own = vec!["match as-path SELF".to_owned()];
    config.section(Section::new("route-map only-self-out permit 10".to_owned(), own));
    config.sections(machine.uplinks.iter().map(|port| advertisement(port, None)));
    config.section(instance(machine));
    config.lines(vec!["bgp as-path access-list SELF permit ^$".to_owned()]);
    config
}

fn instance(machine: &Machine) -> Section {
    let mut section = Section::new(format!("router bgp {}", machine.asn), Vec::new());
    section.lines.push(format!("bgp router-id {}", machine.router_id));
    section.lines.push("bgp bestpath as-path multipath-relax".to_owned());
    section.lines.push("neighbor LOCAL peer-group".to_owned());
    section.lines.push("neighbor LOCAL remote-as internal".to_owned());
    let [_, _, timers] = group("LOCAL", &machine.bgp);
    section.lines.push(timers);
    section.lines.extend(group("TOR", &machine.bgp));
    section.lines.extend(machine.uplinks.iter().map(|port| member(port, "TOR")));
    section.lines.push("bgp listen range 0.0.0.0/0 peer-group LOCAL".to_owned());
    for (family, is_v6) in [("ipv4 unicast", false), ("ipv6 unicast", true)] {
        let mut lines = vec!["redistribute kernel".to_owned(), "redistribute connected".to_owned()];
        for (name, map) in [("LOCAL", "local-in in"), ("TOR", "only-self-out out")] {
            lines.extend(is_v6.then(|| format!("neighbor {name} activate")));
            lines.push(format!("neighbor {name} route-map {map}"));
        }
        section.families.push((family, lines));
    }
    section
}
