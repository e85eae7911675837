//! Ways out of a machine that its own routing would not take.
//!
//! A machine that knows no route to an address sends nothing there, which proves nothing about the switches. A hostile
//! one would hand everything to its leaf. So each port gets a routing table with one default route to the switch on the
//! other end, used only by packets with its mark: the machine's own traffic and what it announces stay as they are.

use std::fmt::Write as _;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::inside;

/// The first mark, table and priority; ports count from here.
const FIRST: u32 = 0x6d70;
/// The next hop's name. The address is nobody's; its link-layer address is the switch's.
const NEXT_HOP: &str = "fe80::6d70";
const FAMILIES: [&str; 2] = ["-4", "-6"];

/// The ways out of one machine. They are removed when this is dropped, however the probe ends.
#[derive(Debug)]
pub struct Ways {
    pid: u32,
    undo: [String; 2],
    /// A mark for each port, with the port's name.
    pub marks: Vec<(String, u32)>,
}

#[derive(Debug, Deserialize)]
struct Neighbor {
    dst: String,
    dev: Option<String>,
    lladdr: Option<String>,
    /// There with no value if the neighbour is one.
    #[serde(default, deserialize_with = "present")]
    router: bool,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl Ways {
    /// Makes them. A port whose other end is unknown, because nothing was ever heard from it, gets none.
    pub async fn make(pid: u32, leaves: &[(String, String)]) -> anyhow::Result<Self> {
        let listed = inside::ask(pid, &["ip", "-j", "neigh", "show"], "").await?;
        let neighbors: Vec<Neighbor> = match listed.trim() {
            "" => Vec::new(),
            listed => serde_json::from_str(listed)?,
        };
        let mut ways = Self { pid, undo: Default::default(), marks: Vec::new() };
        let mut scripts: [String; 2] = Default::default();
        for ((port, leaf), mark) in leaves.iter().zip(FIRST..) {
            let is_switch = |it: &&Neighbor| {
                it.dev.as_deref() == Some(port)
                    && (it.dst == *leaf || (it.router && it.dst.starts_with("fe80:")))
            };
            let Some(mac) = neighbors.iter().find(is_switch).and_then(|it| it.lladdr.as_deref()) else {
                continue;
            };
            let neighbor = format!("neigh replace {NEXT_HOP} lladdr {mac} dev {port} nud permanent\n");
            let rule = format!("fwmark {mark} lookup {mark} priority {mark}");
            for ((script, undo), via) in scripts.iter_mut().zip(&mut ways.undo).zip(["via inet6", "via"]) {
                let _ =
                    writeln!(script, "route replace default {via} {NEXT_HOP} dev {port} onlink table {mark}");
                let _ = writeln!(script, "rule add {rule}");
                let _ = writeln!(undo, "rule del {rule}\nroute flush table {mark}");
            }
            scripts[1].push_str(&neighbor);
            let _ = writeln!(ways.undo[1], "neigh del {NEXT_HOP} dev {port}");
            ways.marks.push((port.clone(), mark));
        }
        // What an interrupted probe left behind would be in the way.
        ways.remove();
        for (family, script) in FAMILIES.into_iter().zip(&scripts) {
            inside::run_blocking(pid, &["ip", family, "-batch", "-"], script)?;
        }
        Ok(ways)
    }

    fn remove(&self) {
        // Fails where there is nothing to remove.
        for (family, undo) in FAMILIES.into_iter().zip(&self.undo) {
            let _ = inside::run_blocking(self.pid, &["ip", family, "-force", "-batch", "-"], undo);
        }
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_known_by_a_key_without_a_value() {
        let listed = r#"[
            {"dst":"fe80::1","dev":"lan0","lladdr":"02:00:00:00:00:01","router":null,"state":["REACHABLE"]},
            {"dst":"fe80::2","dev":"lan0","lladdr":"02:00:00:00:00:02","state":["STALE"]}]"#;
        let neighbors: Vec<Neighbor> = serde_json::from_str(listed).unwrap();
        assert_eq!(neighbors.iter().map(|it| it.router).collect::<Vec<_>>(), [true, false]);
    }
}
