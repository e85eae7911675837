//! What a try says, given what was expected of it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::expectation::Check;
use super::outcome::{Finding, Verdict};
use super::wire::{Hit, Wire};

/// Compares what happened with what was expected.
pub fn judge(part: &str, check: &Check, hit: &Hit, wire: &Wire, at: Timestamp) -> (Verdict, Option<Finding>) {
    let arrived = wire.nodes(&hit.arrived);
    let strangers: BTreeSet<&String> = arrived.difference(&check.expectation.only).collect();
    let finding = |happened: String| {
        Some(Finding {
            at,
            part: part.to_owned(),
            from: check.from.clone(),
            to: check.to,
            happened,
            expected: expected(check),
            why: check.why.to_owned(),
        })
    };
    if !strangers.is_empty() {
        let wrong = hit.arrived.iter().map(|place| &wire.places()[*place]);
        let labels: Vec<String> =
            wrong.filter(|place| strangers.contains(&place.node)).map(super::place::Place::label).collect();
        return (Verdict::Violation, finding(format!("arrived at {}", labels.join(", "))));
    }
    if !check.expectation.must {
        return (if arrived.is_empty() { Verdict::Apart } else { Verdict::Allowed }, None);
    }
    let wants_answer = part == "plain" && !check.one_way;
    let happened = match &hit.unsent {
        Some(why) if arrived.is_empty() => format!("could not be sent: {why}"),
        _ if arrived.is_empty() => "did not arrive".to_owned(),
        _ if wants_answer && hit.answered.is_empty() => {
            "arrived, but the answer did not come back".to_owned()
        }
        _ => return (Verdict::Reached, None),
    };
    (Verdict::Blocked, finding(happened))
}

fn expected(check: &Check) -> String {
    let only: Vec<&str> = check.expectation.only.iter().map(String::as_str).collect();
    match (check.expectation.must, only.is_empty()) {
        (_, true) => "to arrive nowhere".to_owned(),
        (true, false) => format!("to arrive at {} only", only.join(" or ")),
        (false, false) => format!("to arrive at {} or nowhere", only.join(" or ")),
    }
}
