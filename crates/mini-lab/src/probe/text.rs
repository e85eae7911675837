//! The outcome for people: a table of who reached whom, and a line for everything that is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::expectation::Standing;
use super::outcome::{Finding, Outcome, Verdict};

/// A line that tells a finding with its time, for a probe that goes on.
pub fn progress(finding: &Finding) -> String {
    format!("{:.3} {finding}", finding.at)
}

/// The whole outcome.
pub fn print(outcome: &Outcome) -> String {
    let mut text = String::new();
    for member in &outcome.members {
        let standing = match member.standing {
            Standing::Tenant(vrf) => format!("machine in vrf{vrf}"),
            Standing::Pxe => "machine of nobody".to_owned(),
            Standing::Moving(_) => "machine being moved".to_owned(),
            Standing::Firewall => "firewall".to_owned(),
            Standing::Switch => "switch".to_owned(),
            Standing::Management => "management server".to_owned(),
            Standing::Outside => "outside host".to_owned(),
        };
        let addresses: Vec<String> = member.addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "{:<10}{standing:<22}{}", member.node, addresses.join(" "));
    }
    let _ = writeln!(text, "\n{}", table(outcome));
    text.push_str(
        "+ reached as it must   . apart as it must   o reached as it may   - blocked!   X arrived!\n\n",
    );
    for (title, findings) in [("violation", &outcome.violations), ("false block", &outcome.false_blocks)] {
        for finding in findings {
            let _ = writeln!(text, "{title}: {finding}");
        }
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = write!(
        text,
        "{} checks in {:.1} s, {} violations, {} false blocks",
        outcome.checks.len(),
        outcome.seconds,
        outcome.violations.len(),
        outcome.false_blocks.len()
    );
    text
}

/// Rows are senders, columns holders of the addresses sent to; the worst of all tries counts.
fn table(outcome: &Outcome) -> String {
    let mut worst: BTreeMap<(&str, &str), Verdict> = BTreeMap::new();
    for tried in &outcome.checks {
        for holder in outcome.members.iter().filter(|member| member.addresses.contains(&tried.to)) {
            // Of several holders a reached address tells about the one it may reach.
            let verdict = match tried.verdict {
                Verdict::Reached | Verdict::Allowed | Verdict::Blocked
                    if !tried.only.contains(&holder.node) =>
                {
                    Verdict::Apart
                }
                verdict => verdict,
            };
            let cell = worst.entry((&tried.from, &holder.node)).or_insert(verdict);
            *cell = verdict.max(*cell);
        }
    }
    let width = outcome.members.iter().map(|member| member.node.len()).max().unwrap_or_default() + 2;
    let mut text = format!("{:width$}", "");
    for member in &outcome.members {
        let _ = write!(text, "{:width$}", member.node);
    }
    for from in &outcome.members {
        let _ = write!(text, "\n{:width$}", from.node);
        for to in &outcome.members {
            let symbol = worst.get(&(&*from.node, &*to.node)).map_or(" ", |verdict| symbol(*verdict));
            let _ = write!(text, "{symbol:width$}");
        }
    }
    text
}

fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Apart => ".",
        Verdict::Allowed => "o",
        Verdict::Reached => "+",
        Verdict::Blocked => "-",
        Verdict::Violation => "X",
    }
}
