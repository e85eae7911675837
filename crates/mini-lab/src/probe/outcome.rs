//! What a run has found.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::expectation::{Check, Member};

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Who was what when the run began.
    pub members: Vec<Member>,
    /// Every try.
    pub checks: Vec<Tried>,
    /// What arrived although it must not.
    pub violations: Vec<Finding>,
    /// What did not arrive although it must.
    pub false_blocks: Vec<Finding>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// How long the run took.
    pub seconds: f64,
}

/// One try and what it said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// Which part of the probe.
    pub part: String,
    pub from: String,
    pub to: IpAddr,
    /// Where it might arrive.
    pub only: BTreeSet<String>,
    pub verdict: Verdict,
}

/// What a try said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Did not arrive, and need not.
    Apart,
    /// Arrived where it may.
    Allowed,
    /// Arrived where it must.
    Reached,
    /// Did not arrive although it must.
    Blocked,
    /// Arrived where it must not.
    Violation,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub at: Timestamp,
    /// Which part of the probe found it.
    pub part: String,
    pub from: String,
    pub to: IpAddr,
    pub happened: String,
    pub expected: String,
    /// Why that was expected.
    pub why: String,
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.false_blocks.is_empty()
    }

    pub(super) fn take(&mut self, part: &str, check: &Check, verdict: Verdict, finding: Option<Finding>) {
        match verdict {
            Verdict::Violation => self.violations.extend(finding),
            Verdict::Blocked => self.false_blocks.extend(finding),
            Verdict::Apart | Verdict::Allowed | Verdict::Reached => {}
        }
        self.checks.push(Tried {
            part: part.to_owned(),
            from: check.from.clone(),
            to: check.to,
            only: check.expectation.only.clone(),
            verdict,
        });
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, from, to, happened, expected, why, .. } = self;
        write!(f, "{from} to {to} ({part}): {happened}; expected {expected}: {why}")
    }
}
