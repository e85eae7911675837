//! What FRR understands by a line: which lines take each other's place, which are undone how, which define a neighbour.
//!
//! Only as much of FRR's grammar is known here as the planner needs. A line that is not known takes nobody's place: it is
//! undone by `no` and added after that, which is right for every line, only not always the shortest way.

use std::net::IpAddr;

/// The line that undoes this one.
pub(super) fn negated(line: &str) -> String {
    line.strip_prefix("no ").map_or_else(|| format!("no {line}"), str::to_owned)
}

/// The place a line occupies, if a new line with the same place replaces it without being undone first.
pub(super) fn slot(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let first = |count: usize| Some(words[..count].join(" "));
    match words.as_slice() {
        ["frr", "defaults", _] | ["bgp", "router-id", _] => first(2),
        ["bgp", "route-map", "delay-timer", _] | ["ipv6", "nd", "ra-interval", ..] => first(3),
        ["neighbor", name, "route-map", _, direction] => {
            Some(format!("neighbor {name} route-map {direction}"))
        }
        ["neighbor", _, "timers" | "maximum-prefix" | "allowas-in", ..] => first(3),
        ["neighbor", _, "remote-as", "external" | "internal"] | ["ip", "protocol", "bgp", ..] => first(3),
        ["redistribute", _, ..] => first(2),
        ["match", "evpn", "vni", _] => first(3),
        ["match", _, "address", "prefix-list", _] => first(4),
        ["match", "interface" | "as-path" | "large-community", _] | ["set", "weight" | "src", _] => first(2),
        _ => None,
    }
}

/// The neighbour, or the group, a line speaks about.
pub(super) fn neighbor(line: &str) -> Option<&str> {
    let line = line.strip_prefix("no ").unwrap_or(line);
    line.strip_prefix("neighbor ")?.split(' ').next()
}

/// How a neighbour comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Definition {
    /// A group.
    Group,
    /// On a port.
    Port,
    /// At an address.
    Address,
}

/// What a line defines, if it does. An address takes two lines, its system and its group.
pub(super) fn definition(line: &str) -> Option<(&str, Definition)> {
    let rest = line.strip_prefix("neighbor ")?;
    let (name, what) = rest.split_once(' ')?;
    if what == "peer-group" {
        return Some((name, Definition::Group));
    }
    if what == "interface" || what.starts_with("interface ") {
        return Some((name, Definition::Port));
    }
    let is_defining = what.starts_with("remote-as ") || what.starts_with("peer-group ");
    (is_defining && name.parse::<IpAddr>().is_ok()).then_some((name, Definition::Address))
}

/// The neighbour a command removes with all its lines.
pub(super) fn removed(command: &str) -> Option<&str> {
    let rest = command.strip_prefix("no ")?;
    if let Some((name, Definition::Group | Definition::Port)) = definition(rest) {
        return Some(name);
    }
    let name = rest.strip_prefix("neighbor ")?;
    name.parse::<IpAddr>().is_ok().then_some(name)
}

/// The name of the list an entry belongs to, with its kind; nothing if the line is no entry of a list.
pub(super) fn list(line: &str) -> Option<&str> {
    const KINDS: [(&str, usize); 4] = [
        ("ip prefix-list ", 3),
        ("ipv6 prefix-list ", 3),
        ("bgp as-path access-list ", 4),
        ("bgp large-community-list standard ", 4),
    ];
    let (_, words) = KINDS.iter().find(|(kind, _)| line.starts_with(kind))?;
    let (end, _) = line.match_indices(' ').nth(words - 1)?;
    line.get(..end)
}

/// Whether a line is an entry of a list that several daemons keep, each for itself.
pub(super) fn is_shared_list(line: &str) -> bool {
    line.starts_with("ip prefix-list ") || line.starts_with("ipv6 prefix-list ")
}

/// Whether a line of a map is kept by several daemons; others are known to BGP alone.
pub(super) fn is_shared_clause(line: &str) -> bool {
    ["match ip address ", "match ipv6 address ", "match interface "].iter().any(|kind| line.starts_with(kind))
}

/// An entry of a list without its sequence number, which FRR gives out and nobody needs: all entries permit.
pub(super) fn unnumbered(line: &str) -> String {
    let numbered = |name| Some((name, line.strip_prefix(name)?.strip_prefix(" seq ")?.split_once(' ')?.1));
    list(line).and_then(numbered).map_or_else(|| line.to_owned(), |(name, kept)| format!("{name} {kept}"))
}

/// Name, action and sequence of the entry of a route map.
pub(super) fn map_entry(head: &str) -> Option<(&str, &str, &str)> {
    let mut words = head.strip_prefix("route-map ")?.split(' ');
    Some((words.next()?, words.next()?, words.next()?))
}
