//! The few commands that lead from the configuration that runs to the one that shall run, in an order that is safe.
//!
//! There are two halves, because ports move between routing tables in the middle: before, neighbours go from ports that
//! leave and tables that are not wanted lose their VNI and their BGP; after, everything else. In the second half lists
//! and maps come first and the neighbours that use them later, and what nobody uses any more goes last. No list is empty
//! and no map open at any moment in between.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::slot::{self, Definition, map_entry, negated};
use super::tree::{Block, Tree};

/// One line, and where it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The lines that lead there, from the outside in; empty for a line that stands by itself.
    pub context: Vec<String>,
    /// The line.
    pub line: String,
    /// The one daemon to tell, where not all are to be told.
    pub only: Option<String>,
}

impl Command {
    /// A line for all daemons that understand it.
    #[must_use]
    pub fn new(context: Vec<String>, line: String) -> Self {
        Self { context, line, only: None }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outer in &self.context {
            write!(f, "{outer} / ")?;
        }
        f.write_str(&self.line)?;
        self.only.iter().try_for_each(|daemon| write!(f, " ({daemon})"))
    }
}

/// The commands between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is said before ports move.
    pub withdraw: Vec<Command>,
    /// What is said after.
    pub announce: Vec<Command>,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.withdraw.is_empty() && self.announce.is_empty()
    }

    /// How many commands there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.withdraw.len() + self.announce.len()
    }

    /// All commands in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.withdraw.iter().chain(&self.announce)
    }
}

/// Finds the commands that lead from what runs to what is wanted.
#[must_use]
pub fn plan(running: &Tree, wanted: &Tree) -> Plan {
    let withdraw = withdraw(running, wanted);
    let mut between = Cow::Borrowed(running);
    for command in &withdraw {
        between.to_mut().apply(command);
    }
    let announce = announce(&between, wanted);
    Plan { withdraw, announce }
}

fn root(line: String) -> Command {
    Command::new(Vec::new(), line)
}

fn within(head: &str, line: String) -> Command {
    Command::new(vec![head.to_owned()], line)
}

fn in_family(head: &str, family: &str, line: String) -> Command {
    Command::new(vec![head.to_owned(), format!("address-family {family}")], line)
}

fn blocks<'tree>(
    tree: &'tree Tree,
    kind: &'static str,
) -> impl Iterator<Item = (&'tree String, &'tree Block)> {
    tree.blocks.range(kind.to_owned()..).take_while(move |(head, _)| head.starts_with(kind))
}

fn withdraw(running: &Tree, wanted: &Tree) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut gone = Vec::new();
    for (head, block) in blocks(running, "router bgp ") {
        match wanted.blocks.get(head) {
            Some(kept) => commands.extend(dismissals(head, block, kept)),
            None => gone.push(head),
        }
    }
    let loses_bgp =
        |table: &str| gone.iter().any(|head| head.split_once(" vrf ").is_some_and(|(_, of)| of == table));
    for (head, block) in blocks(running, "vrf ") {
        // A table that keeps its VNI but not its BGP, because the system's number changed, must let go of it too.
        let kept = wanted.blocks.get(head);
        let table = head.strip_prefix("vrf ").unwrap_or(head);
        let must_go = |line: &&String| {
            !kept.is_some_and(|kept| kept.lines.contains(line))
                || (line.starts_with("vni ") && loses_bgp(table))
        };
        commands.extend(block.lines.iter().filter(must_go).map(|line| within(head, negated(line))));
    }
    for (head, block) in blocks(running, "interface ") {
        if !wanted.blocks.contains_key(head) {
            commands.extend(block.lines.iter().map(|line| within(head, negated(line))));
        }
    }
    // The default instance goes last: the others depend on it.
    gone.sort_by_key(|head| !head.contains(" vrf "));
    commands.extend(gone.into_iter().map(|head| root(negated(head))));
    commands
}

/// Removes neighbours that are not wanted, or not like this, and then their groups.
fn dismissals(head: &str, block: &Block, wanted: &Block) -> Vec<Command> {
    let mut members = Vec::new();
    let mut groups = Vec::new();
    if block.lines == wanted.lines {
        return members;
    }
    for (name, kind) in block.neighbors() {
        let definitions = block.definitions(name);
        if definitions == wanted.definitions(name) {
            continue;
        }
        match kind {
            Definition::Group => groups.push(within(head, format!("no neighbor {name} peer-group"))),
            Definition::Port => members.push(within(head, negated(definitions[0]))),
            Definition::Address => members.push(within(head, format!("no neighbor {name}"))),
        }
    }
    members.append(&mut groups);
    members
}

fn announce(running: &Tree, wanted: &Tree) -> Vec<Command> {
    let mut commands = Vec::new();
    let globals = Difference::of(&running.globals, &wanted.globals);
    let (defaults, added): (Vec<&str>, Vec<&str>) =
        globals.added.iter().partition(|line| line.starts_with("frr defaults "));
    let say = |line: &str| root(line.to_owned());
    commands.extend(defaults.into_iter().map(say));

    let kept_lists: HashSet<&str> = wanted.globals.iter().filter_map(|line| slot::list(line)).collect();
    let (entries, added): (Vec<&str>, Vec<&str>) =
        added.into_iter().partition(|line| slot::list(line).is_some());
    commands.extend(entries.into_iter().map(say));
    let is_narrowing = |line: &&&str| slot::list(line).is_some_and(|list| kept_lists.contains(list));
    let (narrowing, removed): (Vec<&str>, Vec<&str>) = globals.removed.iter().partition(is_narrowing);
    commands.extend(narrowing.into_iter().map(|line| root(negated(line))));

    let maps = maps(running, wanted);
    commands.extend(maps.changes);

    let (lists, removed): (Vec<&str>, Vec<&str>) =
        removed.into_iter().partition(|line| slot::list(line).is_some());
    let is_resettable = |line: &&str| !line.starts_with("frr defaults ");
    commands.extend(removed.into_iter().filter(is_resettable).map(|line| root(negated(line))));
    commands.extend(added.into_iter().map(say));

    for (head, block) in blocks(wanted, "interface ") {
        commands.extend(lines(head, running.blocks.get(head), block));
    }
    for (head, block) in blocks(wanted, "router bgp ") {
        commands.extend(instance(head, running.blocks.get(head), block));
    }
    for (head, block) in blocks(wanted, "vrf ") {
        commands.extend(lines(head, running.blocks.get(head), block));
    }

    commands.extend(maps.removals);
    commands.extend(lists.into_iter().map(|line| root(negated(line))));
    commands
}

/// Lines to add and lines to undo. A line that is replaced by an added one is not undone.
struct Difference<'tree> {
    added: Vec<&'tree str>,
    removed: Vec<&'tree str>,
}

impl<'tree> Difference<'tree> {
    fn of(running: &'tree [String], wanted: &'tree [String]) -> Self {
        if running == wanted {
            return Self { added: Vec::new(), removed: Vec::new() };
        }
        let here: HashSet<&str> = running.iter().map(String::as_str).collect();
        let there: HashSet<&str> = wanted.iter().map(String::as_str).collect();
        let added: Vec<&str> =
            wanted.iter().map(String::as_str).filter(|line| !here.contains(line)).collect();
        let replaced: HashSet<String> = added.iter().filter_map(|line| slot::slot(line)).collect();
        let undone: HashSet<String> = added.iter().map(|line| negated(line)).collect();
        let is_replaced = |line: &str| {
            undone.contains(line) || slot::slot(line).is_some_and(|slot| replaced.contains(&slot))
        };
        // What was said last may rest on what was said first.
        let removed = running.iter().rev().map(String::as_str);
        let removed = removed.filter(|line| !there.contains(line) && !is_replaced(line)).collect();
        Self { added, removed }
    }
}

/// The difference of a block without families.
fn lines(head: &str, running: Option<&Block>, wanted: &Block) -> Vec<Command> {
    let difference = Difference::of(running.map_or(&[], |block| &block.lines), &wanted.lines);
    let removed = difference.removed.into_iter().map(negated);
    removed.chain(difference.added.into_iter().map(str::to_owned)).map(|line| within(head, line)).collect()
}

struct Maps {
    changes: Vec<Command>,
    removals: Vec<Command>,
}

/// Changes of route maps: maps that nobody wants any more are removed apart from the rest, at the end.
fn maps(running: &Tree, wanted: &Tree) -> Maps {
    let mut found = Maps { changes: Vec::new(), removals: Vec::new() };
    let names =
        |tree| -> BTreeSet<&str> { blocks(tree, "route-map ").filter_map(|(head, _)| name(head)).collect() };
    let (before, after) = (names(running), names(wanted));
    for (head, _) in blocks(running, "route-map ").filter(|(head, _)| !wanted.blocks.contains_key(*head)) {
        let is_kept = name(head).is_some_and(|name| after.contains(name));
        let place = if is_kept { &mut found.changes } else { &mut found.removals };
        place.push(root(negated(head)));
    }
    for (head, block) in blocks(wanted, "route-map ") {
        let exists = running.blocks.get(head);
        if exists.is_some() || !name(head).is_some_and(|name| before.contains(name)) {
            if exists.is_none() && block.lines.is_empty() {
                found.changes.push(root(head.clone()));
            }
            found.changes.extend(lines(head, exists, block));
            continue;
        }
        // The map may be in use. An entry permits everything until its condition is said, so it begins as a denying one.
        let closed = head.replacen(" permit ", " deny ", 1);
        found.changes.extend(lines(&closed, None, block));
        if closed != *head || block.lines.is_empty() {
            found.changes.push(root(head.clone()));
        }
    }
    found
}

fn name(head: &str) -> Option<&str> {
    map_entry(head).map(|(name, _, _)| name)
}

/// The difference of an instance of BGP. Groups get their maps before they get members.
fn instance(head: &str, running: Option<&Block>, wanted: &Block) -> Vec<Command> {
    let nothing = Block::default();
    let block = running.unwrap_or(&nothing);
    if running.is_some() && block == wanted {
        return Vec::new();
    }
    let members: HashSet<&str> = (wanted.neighbors().into_iter())
        .filter(|(_, kind)| *kind != Definition::Group)
        .map(|(name, _)| name)
        .collect();
    let is_of_member = |line: &&str| slot::neighbor(line).is_some_and(|name| members.contains(name));

    let own = Difference::of(&block.lines, &wanted.lines);
    let mut commands: Vec<Command> =
        own.removed.into_iter().map(|line| within(head, negated(line))).collect();
    if running.is_none() && wanted.lines.is_empty() {
        commands.push(root(head.to_owned()));
    }
    let (introductions, settings): (Vec<&str>, Vec<&str>) = own.added.into_iter().partition(is_of_member);
    commands.extend(settings.into_iter().map(|line| within(head, line.to_owned())));

    let families: BTreeSet<&String> = block.families.keys().chain(wanted.families.keys()).collect();
    let mut of_members = Vec::new();
    for family in families {
        let difference = Difference::of(lines_of(block, family), lines_of(wanted, family));
        let (late, early): (Vec<&str>, Vec<&str>) = difference.added.into_iter().partition(is_of_member);
        let removed = difference.removed.into_iter().map(negated);
        let say = |line: String| in_family(head, family, line);
        commands.extend(removed.chain(early.into_iter().map(str::to_owned)).map(say));
        of_members.extend(late.into_iter().map(|line| say(line.to_owned())));
    }
    commands.extend(introductions.into_iter().map(|line| within(head, line.to_owned())));
    commands.extend(of_members);
    commands
}

fn lines_of<'block>(block: &'block Block, family: &str) -> &'block [String] {
    block.families.get(family).map_or(&[], Vec::as_slice)
}
