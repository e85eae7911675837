//! What each of FRR's daemons has, where they may disagree.
//!
//! Lists and maps are kept by several daemons, each for itself. They part when one of them starts again with an older
//! configuration, and a printed configuration of all together hides it: a line is in it if any daemon has it. So each
//! is asked by itself. A wanted line counts as there if all have it that keep such lines, an unwanted one if any has it.

use std::collections::HashSet;

use super::plan::Command;
use super::slot;
use super::tree::{Block, Tree};

/// Daemons that keep lists and maps for themselves. Others are given them by `mgmtd`, where it runs.
const KEEPERS: [&str; 2] = ["mgmtd", "bgpd"];

/// The configurations of the daemons.
#[derive(Debug, Clone, Default)]
pub struct Running {
    parts: Vec<(String, Tree)>,
}

impl Running {
    /// Takes what each daemon prints, by the daemons' names.
    pub fn new(parts: impl IntoIterator<Item = (String, Tree)>) -> Self {
        let mut parts: Vec<(String, Tree)> = parts.into_iter().collect();
        if parts.iter().any(|(daemon, _)| daemon == "mgmtd") {
            // What others show of these is what mgmtd gave them, and they obey nobody else.
            let others = parts.iter_mut().filter(|(daemon, _)| !KEEPERS.contains(&daemon.as_str()));
            others.for_each(|(_, tree)| tree.forget_policy());
        }
        Self { parts }
    }

    /// Everything any daemon has.
    #[must_use]
    pub fn all(&self) -> Tree {
        let mut parts = self.parts.iter().map(|(_, tree)| tree);
        let mut all = parts.next().cloned().unwrap_or_default();
        parts.for_each(|tree| all.join(tree));
        all
    }

    /// What counts as running where this is wanted.
    #[must_use]
    pub fn towards(&self, wanted: &Tree) -> Tree {
        let mut seen = self.all();
        let keepers: Vec<&Tree> = self.keepers().collect();
        let globals = |tree: &Tree| -> HashSet<String> { tree.globals.iter().cloned().collect() };
        let asked = globals(wanted);
        let kept: Vec<HashSet<String>> = keepers.iter().map(|tree| globals(tree)).collect();
        let defaults: Vec<HashSet<String>> = self.parts.iter().map(|(_, tree)| globals(tree)).collect();
        seen.globals.retain(|line| {
            let by_all = |sets: &[HashSet<String>]| sets.iter().all(|set| set.contains(line));
            !asked.contains(line)
                || if line.starts_with("frr defaults ") {
                    by_all(&defaults)
                } else {
                    !slot::is_shared_list(line) || by_all(&kept)
                }
        });
        seen.blocks.retain(|head, block| {
            let Some(wanted) = wanted.blocks.get(head).filter(|_| head.starts_with("route-map ")) else {
                return true;
            };
            let entries: Vec<Option<&Block>> = keepers.iter().map(|tree| tree.blocks.get(head)).collect();
            let by_all =
                |line: &String| entries.iter().all(|entry| entry.is_some_and(|it| it.lines.contains(line)));
            block
                .lines
                .retain(|line| !wanted.lines.contains(line) || !slot::is_shared_clause(line) || by_all(line));
            entries.iter().all(Option::is_some) || !block.lines.is_empty()
        });
        seen
    }

    /// The daemons from which a command would take something away.
    pub fn holders(&self, command: &Command) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|(_, tree)| tree.is_undone_by(command)).map(|(daemon, _)| daemon.as_str())
    }

    fn keepers(&self) -> impl Iterator<Item = &Tree> {
        let keeps = |daemon: &str| KEEPERS.contains(&daemon);
        self.parts.iter().filter(move |(daemon, _)| keeps(daemon)).map(|(_, tree)| tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frr::plan;

    const LIST: &str = "ip prefix-list swp1-in-prefixes permit 10.1.0.0/16 le 32\n";
    const MAP: &str = "route-map swp1-in permit 10\n match ip address prefix-list swp1-in-prefixes\nexit\n";

    fn running(mgmtd: &str, bgpd: &str) -> Running {
        let part = |(daemon, text): (&str, &str)| (daemon.to_owned(), Tree::parse(text));
        Running::new(
            [("mgmtd", mgmtd), ("bgpd", bgpd), ("zebra", "ip prefix-list old permit 10.0.0.0/8\n")].map(part),
        )
    }

    fn said(running: &Running, wanted: &str) -> Vec<String> {
        let wanted = Tree::parse(wanted);
        plan(&running.towards(&wanted), &wanted).commands().map(ToString::to_string).collect()
    }

    #[test]
    fn what_one_daemon_lacks_is_said_again() {
        let both = format!("{LIST}{MAP}");
        let all =
            [LIST.trim(), "route-map swp1-in permit 10 / match ip address prefix-list swp1-in-prefixes"];
        assert_eq!(said(&running(&both, &both), &both), Vec::<String>::new());
        assert_eq!(said(&running("", &both), &both), all);
        assert_eq!(said(&running(&both, ""), &both), all);
        assert_eq!(said(&running(&both, LIST), &both), all[1..]);
        let empty = "route-map CLOSED deny 10\nexit\n";
        assert_eq!(said(&running("", empty), empty), ["route-map CLOSED deny 10"]);
        let other = MAP.replace("match ip address prefix-list swp1-in-prefixes", "match interface lo");
        assert_eq!(
            said(&running(&other, MAP), MAP),
            ["route-map swp1-in permit 10 / no match interface lo", all[1]]
        );
    }

    #[test]
    fn what_one_daemon_has_too_much_is_taken_from_it() {
        let running = running("", LIST);
        assert_eq!(said(&running, ""), [format!("no {}", LIST.trim())]);
        let command = Command { context: Vec::new(), line: format!("no {}", LIST.trim()) };
        assert_eq!(running.holders(&command).collect::<Vec<_>>(), ["bgpd"]);
    }
}
