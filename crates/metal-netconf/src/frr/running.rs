//! What each of FRR's daemons has, where they may disagree.
//!
//! Lists and maps are kept by several daemons, each for itself. They part when one of them starts again with an older
//! configuration, and a printed configuration of all together hides it: a line is in it if any daemon has it. So each
//! is asked by itself. A wanted line counts as there if all have it that keep such lines, an unwanted one if any has it.

use std::collections::HashSet;

use super::plan::{Command, Plan, plan};
use super::slot;
use super::tree::{Block, Tree};

/// Daemons that keep lists and maps for themselves. Others are given them by `mgmtd`, where it runs.
const KEEPERS: [&str; 2] = ["mgmtd", "bgpd"];

/// The configurations of the daemons.
#[derive(Debug, Clone, Default)]
pub struct Running {
    parts: Vec<(String, Tree)>,
    tunnels: Vec<(String, String)>,
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
        Self { parts, tunnels: Vec::new() }
    }

    /// Adds which tables have which VNI in effect. `mgmtd` may have returned without one that it had given to `zebra`,
    /// which prints nothing of it and keeps it.
    #[must_use]
    pub fn with_tunnels(mut self, tunnels: impl IntoIterator<Item = (String, u32)>) -> Self {
        let line = |(table, vni): (String, u32)| (format!("vrf {table}"), format!("vni {vni}"));
        self.tunnels = tunnels.into_iter().map(line).collect();
        self
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
    fn towards(&self, wanted: &Tree) -> Tree {
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
        for (head, line) in &self.tunnels {
            let has_it = |tree: &Tree| tree.blocks.get(head).is_some_and(|block| block.lines.contains(line));
            if !has_it(wanted) && !has_it(&seen) {
                seen.blocks.entry(head.clone()).or_default().lines.push(line.clone());
            }
        }
        seen
    }

    /// The commands that lead to what is wanted. Lists and maps are told only to those daemons that need to hear it: one
    /// that has an entry would take it a second time, and one that lacks it refuses to remove it.
    #[must_use]
    pub fn plan(&self, wanted: &Tree) -> Plan {
        let plan = plan(&self.towards(wanted), wanted);
        let address = |commands: Vec<Command>| {
            let mut addressed: Vec<Command> = commands.into_iter().flat_map(|it| self.address(it)).collect();
            addressed
                .chunk_by_mut(|one, other| one.only.is_some() && other.only.is_some())
                .for_each(|stretch| stretch.sort_by(|one, other| one.only.cmp(&other.only)));
            addressed
        };
        Plan { withdraw: address(plan.withdraw), announce: address(plan.announce) }
    }

    fn address(&self, command: Command) -> Vec<Command> {
        let undone = command.line.strip_prefix("no ");
        if let ([head], Some(line)) = (command.context.as_slice(), undone)
            && self.is_hidden(head, line)
        {
            // Only what `mgmtd` has can be taken away by it.
            let again = Command::new(command.context.clone(), line.to_owned());
            return vec![again, command];
        }
        let is_list = slot::is_shared_list(undone.unwrap_or(&command.line));
        let is_map = undone.is_some_and(|line| line.starts_with("route-map "));
        if !command.context.is_empty() || !(is_list || is_map) {
            return vec![command];
        }
        let keeps = |(daemon, _): &&(String, Tree)| KEEPERS.contains(&daemon.as_str());
        let keepers: Vec<_> = self.parts.iter().filter(keeps).collect();
        let concerned = |tree: &Tree| match undone {
            Some(line) => tree.has(line),
            None => !tree.has(&command.line),
        };
        let concerned: Vec<_> = keepers.iter().filter(|(_, tree)| concerned(tree)).collect();
        if concerned.is_empty() || concerned.len() == keepers.len() {
            return vec![command];
        }
        concerned
            .iter()
            .map(|(daemon, _)| Command { only: Some(daemon.clone()), ..command.clone() })
            .collect()
    }

    /// Whether something is in effect that no daemon prints.
    fn is_hidden(&self, head: &str, line: &str) -> bool {
        self.tunnels.iter().any(|(table, vni)| table == head && vni == line)
            && !self.parts.iter().any(|(_, tree)| {
                tree.blocks.get(head).is_some_and(|block| block.lines.iter().any(|other| other == line))
            })
    }

    fn keepers(&self) -> impl Iterator<Item = &Tree> {
        let keeps = |daemon: &str| KEEPERS.contains(&daemon);
        self.parts.iter().filter(move |(daemon, _)| keeps(daemon)).map(|(_, tree)| tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "ip prefix-list swp1-in-prefixes permit 10.1.0.0/16 le 32\n";
    const MAP: &str = "route-map swp1-in permit 10\n match ip address prefix-list swp1-in-prefixes\nexit\n";

    fn running(mgmtd: &str, bgpd: &str) -> Running {
        let part = |(daemon, text): (&str, &str)| (daemon.to_owned(), Tree::parse(text));
        Running::new(
            [("mgmtd", mgmtd), ("bgpd", bgpd), ("zebra", "ip prefix-list old permit 10.0.0.0/8\n")].map(part),
        )
    }

    fn said(running: &Running, wanted: &str) -> Vec<String> {
        running.plan(&Tree::parse(wanted)).commands().map(ToString::to_string).collect()
    }

    #[test]
    fn what_one_daemon_lacks_is_said_again() {
        let both = format!("{LIST}{MAP}");
        let list = |daemon: &str| format!("{} ({daemon})", LIST.trim());
        let clause = "route-map swp1-in permit 10 / match ip address prefix-list swp1-in-prefixes";
        assert_eq!(said(&running(&both, &both), &both), Vec::<String>::new());
        assert_eq!(said(&running("", &both), &both), [&list("mgmtd"), clause]);
        assert_eq!(said(&running(&both, ""), &both), [&list("bgpd"), clause]);
        assert_eq!(said(&running(&both, LIST), &both), [clause]);
        let empty = "route-map CLOSED deny 10\nexit\n";
        assert_eq!(said(&running("", empty), empty), ["route-map CLOSED deny 10"]);
        let other = MAP.replace("match ip address prefix-list swp1-in-prefixes", "match interface lo");
        let exchange = ["route-map swp1-in permit 10 / no match interface lo", clause];
        assert_eq!(said(&running(&other, MAP), MAP), exchange);
    }

    #[test]
    fn what_one_daemon_has_too_much_is_taken_from_it() {
        let list = LIST.trim();
        assert_eq!(said(&running("", LIST), ""), [format!("no {list} (bgpd)")]);
        assert_eq!(said(&running(LIST, LIST), ""), [format!("no {list}")]);
        let both = format!("{LIST}{MAP}");
        let removals = ["no route-map swp1-in permit 10 (mgmtd)".to_owned(), format!("no {list} (mgmtd)")];
        assert_eq!(said(&running(&both, ""), ""), removals);
    }

    #[test]
    fn a_vni_that_only_zebra_remembers_is_removed() {
        let running = running("", "").with_tunnels([("vrf3981".to_owned(), 3981)]);
        assert_eq!(said(&running, ""), ["vrf vrf3981 / vni 3981", "vrf vrf3981 / no vni 3981"]);
        let wanted = "vrf vrf3981\n vni 3981\nexit-vrf\n";
        assert_eq!(said(&running, wanted), ["vrf vrf3981 / vni 3981"]);
    }
}
