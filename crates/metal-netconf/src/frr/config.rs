//! A configuration as sections and lines, and how they are written down.
//!
//! This is only layout: which lines there are is decided in [`super::switch()`] and [`super::machine()`]. Every line is made
//! of keywords, checked names and numbers, never of text from outside.

use std::fmt;

use super::tree::Tree;

/// A whole configuration, in the order in which it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    items: Vec<Item>,
    /// Whether routing tables are namespaces: then, and only then, ports of one name in two tables are two ports, and FRR
    /// prints the table with the port.
    has_namespaces: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Lines(Vec<String>),
    Section(Section),
}

/// A part with a head of its own, such as `router bgp 65000` or `interface swp1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// The line that opens it.
    pub head: String,
    /// Its lines.
    pub lines: Vec<String>,
    /// Address families in it, such as `ipv4 unicast`, with their lines.
    pub families: Vec<(&'static str, Vec<String>)>,
}

impl Section {
    /// A section without families.
    pub(super) fn new(head: String, lines: Vec<String>) -> Self {
        Self { head, lines, families: Vec::new() }
    }

    fn foot(&self) -> &'static str {
        if self.head.starts_with("vrf ") { "exit-vrf" } else { "exit" }
    }
}

impl Config {
    /// One that is empty, for a device whose routing tables are namespaces or not.
    pub(super) fn empty(has_namespaces: bool) -> Self {
        Self { items: Vec::new(), has_namespaces }
    }

    /// Adds lines that stand by themselves; none, no gap.
    pub(super) fn lines(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.items.push(Item::Lines(lines));
        }
    }

    /// Adds a section.
    pub(super) fn section(&mut self, section: Section) {
        self.items.push(Item::Section(section));
    }

    /// Adds sections.
    pub(super) fn sections(&mut self, sections: impl IntoIterator<Item = Section>) {
        self.items.extend(sections.into_iter().map(Item::Section));
    }

    /// The text for `frr.conf`.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_string()
    }

    /// What a running configuration of FRR 8 or later is compared with.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let tree = Tree::parse(&self.to_text());
        if self.has_namespaces { tree } else { tree.without_tables_of_ports() }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            match item {
                Item::Lines(lines) => {
                    for line in lines {
                        writeln!(f, "{line}")?;
                    }
                }
                Item::Section(section) => section.fmt(f)?,
            }
            writeln!(f, "!")?;
        }
        writeln!(f, "end")
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head)?;
        for line in &self.lines {
            writeln!(f, " {line}")?;
        }
        for (family, lines) in self.families.iter().filter(|(_, lines)| !lines.is_empty()) {
            writeln!(f, " !\n address-family {family}")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
            writeln!(f, " exit-address-family")?;
        }
        writeln!(f, "{}", self.foot())
    }
}
