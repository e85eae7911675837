//! What FRR runs, as far as it is ours: lines, and blocks with lines.
//!
//! A running configuration is read in the form in which FRR prints it, where depth is shown by blanks. Lines that are
//! nobody's business here (host name, logging, debugging, a vty's settings, other protocols) are left out on reading, so
//! they are neither compared nor touched. A tree can also [apply](Tree::apply) commands, as FRR would: by this it is
//! proved that a plan leads where it should.

use std::collections::{BTreeMap, HashSet};

use super::plan::Command;
use super::slot::{
    Definition, definition, is_shared_list, map_entry, negated, neighbor, removed, slot, unnumbered,
};

/// Lines outside of blocks that are ours.
const GLOBALS: [&str; 10] = [
    "frr defaults ",
    "bgp route-map delay-timer ",
    "ip prefix-list ",
    "ipv6 prefix-list ",
    "ip route ",
    "ipv6 route ",
    "bgp as-path access-list ",
    "bgp large-community-list standard ",
    "ip protocol bgp ",
    "no zebra nexthop kernel enable",
];

/// A configuration that runs, or shall run.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub(super) globals: Vec<String>,
    pub(super) blocks: BTreeMap<String, Block>,
}

/// What stands under a head such as `router bgp 65000`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// Lines directly under it.
    pub lines: Vec<String>,
    /// Lines under `address-family …` in it.
    pub families: BTreeMap<String, Vec<String>>,
}

impl Block {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.families.values().all(Vec::is_empty)
    }

    /// The lines that define this neighbour.
    pub(super) fn definitions(&self, name: &str) -> Vec<&str> {
        let of_name = |line: &&str| definition(line).is_some_and(|(defined, _)| defined == name);
        let mut lines: Vec<&str> = self.lines.iter().map(String::as_str).filter(of_name).collect();
        lines.sort_unstable();
        lines
    }

    /// Neighbours in it with how they came to be, in order, each once.
    pub(super) fn neighbors(&self) -> Vec<(&str, Definition)> {
        let mut seen = HashSet::new();
        let defined = self.lines.iter().filter_map(|line| definition(line));
        defined.filter(|(name, _)| seen.insert(*name)).collect()
    }

    fn forget(&mut self, name: &str) {
        let members: Vec<String> = (self.lines.iter())
            .filter(|line| line.ends_with(&format!(" peer-group {name}")))
            .filter_map(|line| neighbor(line).map(str::to_owned))
            .collect();
        let is_gone = |line: &String| {
            neighbor(line).is_some_and(|other| other == name || members.iter().any(|member| member == other))
        };
        self.lines.retain(|line| !is_gone(line));
        self.families.values_mut().for_each(|lines| lines.retain(|line| !is_gone(line)));
    }
}

impl Tree {
    /// Reads what `show running-config` prints, or a configuration written by this crate.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        let mut head: Option<&str> = None;
        let mut family: Option<&str> = None;
        for raw in text.lines() {
            let line = raw.trim();
            if line.is_empty() || line.starts_with(['!', '#']) {
                continue;
            }
            match raw.len() - raw.trim_start().len() {
                0 => {
                    (head, family) = (opens_block(line).then_some(line), None);
                    tree.root(line);
                }
                _ if line == "exit-address-family" => family = None,
                1 => {
                    family = line.strip_prefix("address-family ");
                    if let (Some(head), None) = (head, family) {
                        tree.within(head, None, line);
                    }
                }
                2 if !line.starts_with("exit") => {
                    if let (Some(head), Some(family)) = (head, family) {
                        tree.within(head, Some(family), line);
                    }
                }
                _ => {}
            }
        }
        tree
    }

    /// The same with `interface swp1` for `interface swp1 vrf vrf7`.
    pub(super) fn without_tables_of_ports(mut self) -> Self {
        let rename = |(head, block): (String, Block)| {
            let port = head.strip_prefix("interface ").and_then(|rest| rest.split_once(" vrf "));
            let short = port.map(|(port, _)| format!("interface {port}"));
            (short.unwrap_or(head), block)
        };
        self.blocks = self.blocks.into_iter().map(rename).collect();
        self
    }

    /// Lines outside of blocks.
    #[must_use]
    pub fn globals(&self) -> &[String] {
        &self.globals
    }

    /// Blocks by their heads.
    #[must_use]
    pub fn blocks(&self) -> &BTreeMap<String, Block> {
        &self.blocks
    }

    fn root(&mut self, line: &str) {
        if line.starts_with("router bgp ") || line.starts_with("route-map ") {
            self.blocks.entry(line.to_owned()).or_default();
        } else if line == "allow-reserved-ranges" || GLOBALS.iter().any(|ours| line.starts_with(ours)) {
            self.globals.push(unnumbered(line));
        }
    }

    fn within(&mut self, head: &str, family: Option<&str>, line: &str) {
        if !is_ours(head, line) {
            return;
        }
        let block = self.blocks.entry(head.to_owned()).or_default();
        let lines = match family {
            None => &mut block.lines,
            Some(family) => block.families.entry(family.to_owned()).or_default(),
        };
        lines.push(line.to_owned());
    }

    /// Adds what another one has and this one lacks.
    pub(super) fn join(&mut self, other: &Self) {
        add(&mut self.globals, &other.globals);
        for (head, block) in &other.blocks {
            let own = self.blocks.entry(head.clone()).or_default();
            add(&mut own.lines, &block.lines);
            for (family, lines) in &block.families {
                add(own.families.entry(family.clone()).or_default(), lines);
            }
        }
    }

    /// Drops lists and maps that several daemons keep.
    pub(super) fn forget_policy(&mut self) {
        self.globals.retain(|line| !is_shared_list(line));
        self.blocks.retain(|head, _| !head.starts_with("route-map "));
    }

    /// Whether a line stands by itself here, or opens a block.
    pub(super) fn has(&self, line: &str) -> bool {
        self.blocks.contains_key(line) || self.globals.iter().any(|other| other == line)
    }

    /// Whether both mean the same, whatever the order of their lines.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }

    /// Every line with its place.
    fn facts(&self) -> HashSet<(&str, &str, &str)> {
        let mut facts: HashSet<(&str, &str, &str)> =
            self.globals.iter().map(|line| ("", "", line.as_str())).collect();
        for (head, block) in &self.blocks {
            facts.insert((head, "", ""));
            facts.extend(block.lines.iter().map(|line| (head.as_str(), "", line.as_str())));
            for (family, lines) in &block.families {
                facts.extend(lines.iter().map(|line| (head.as_str(), family.as_str(), line.as_str())));
            }
        }
        facts
    }

    /// Does to the tree what FRR does on a command.
    pub fn apply(&mut self, command: &Command) {
        let line = command.line.as_str();
        match command.context.as_slice() {
            [] => self.apply_root(line),
            [head, rest @ ..] => {
                self.enter(head);
                let block = self.blocks.entry(head.clone()).or_default();
                if let Some(name) = removed(line) {
                    block.forget(name);
                } else {
                    let lines = match rest {
                        [family, ..] => {
                            let family = family.strip_prefix("address-family ").unwrap_or(family);
                            block.families.entry(family.to_owned()).or_default()
                        }
                        [] => &mut block.lines,
                    };
                    set(lines, line);
                }
                let vanishes = head.starts_with("vrf ") || head.starts_with("interface ");
                if vanishes && block.is_empty() {
                    self.blocks.remove(head);
                }
            }
        }
    }

    fn apply_root(&mut self, line: &str) {
        if let Some(head) = line.strip_prefix("no ").filter(|head| opens_block(head)) {
            self.blocks.remove(head);
        } else if opens_block(line) {
            self.enter(line);
        } else {
            set(&mut self.globals, line);
        }
    }

    /// Opens a block. An entry of a map that exists with the other action gets this one and keeps its lines.
    fn enter(&mut self, head: &str) {
        if self.blocks.contains_key(head) {
            return;
        }
        let other = map_entry(head).map(|(name, action, sequence)| {
            format!("route-map {name} {} {sequence}", if action == "permit" { "deny" } else { "permit" })
        });
        let block = other.and_then(|other| self.blocks.remove(&other)).unwrap_or_default();
        self.blocks.insert(head.to_owned(), block);
    }
}

fn add(lines: &mut Vec<String>, others: &[String]) {
    if lines.is_empty() {
        lines.extend_from_slice(others);
        return;
    }
    let known: HashSet<String> = lines.iter().cloned().collect();
    lines.extend(others.iter().filter(|line| !known.contains(*line)).cloned());
}

fn opens_block(line: &str) -> bool {
    ["router bgp ", "vrf ", "interface ", "route-map "].iter().any(|kind| line.starts_with(kind))
}

/// Whether a line in a block is compared and changed. Of an interface, only what this crate writes: its address and its
/// description may come from elsewhere.
fn is_ours(head: &str, line: &str) -> bool {
    let begins = |kinds: &[&str]| kinds.iter().any(|kind| line.starts_with(kind));
    if head.starts_with("vrf ") {
        return begins(&["vni ", "ip route ", "ipv6 route "]);
    }
    if head.starts_with("interface ") {
        return begins(&["ipv6 nd ", "no ipv6 nd "]);
    }
    true
}

/// Adds a line, in place of the one it replaces or undoes.
fn set(lines: &mut Vec<String>, line: &str) {
    let undone = negated(line);
    if let Some(place) = lines.iter().position(|other| *other == undone) {
        lines.remove(place);
        return;
    }
    if lines.iter().any(|other| other == line) {
        return;
    }
    let place = slot(line);
    lines.retain(|other| place.is_none() || slot(other) != place);
    lines.push(line.to_owned());
}
