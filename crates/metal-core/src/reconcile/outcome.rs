//! How the last run went, as it is told to the control plane.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A report need not be longer to be understood.
const LONGEST: usize = 4000;

/// The last run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many runs there have been; 0 says that nothing is known yet.
    pub runs: u64,
    /// How long it took, confirmation included.
    pub duration: Duration,
    /// What went wrong; nothing if nothing did.
    pub error: Option<String>,
    /// Ports that are cut off because they cannot be configured as wanted, and why.
    pub port_faults: BTreeMap<String, String>,
    /// The newest generation of which every port is as wanted or among those; 0 if none ever was.
    pub in_effect: u64,
    /// The stream that generation came on.
    pub stream: u64,
    /// Generation of the configuration wanted.
    pub wanted: u64,
}

/// One text for what failed as a whole and what failed per port; nothing if nothing did.
pub(super) fn error_text(failure: Option<&str>, per_port: &BTreeMap<String, String>) -> Option<String> {
    let mut text = failure.unwrap_or_default().to_owned();
    for (port, why) in per_port {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}port {port} is cut off: {why}");
    }
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ...");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_ports_are_told_together() {
        let ports = BTreeMap::from([("swp1".to_owned(), "no VNI".to_owned())]);
        assert_eq!(error_text(None, &BTreeMap::new()), None);
        assert_eq!(error_text(None, &ports).unwrap(), "port swp1 is cut off: no VNI");
        assert_eq!(error_text(Some("apply: x"), &ports).unwrap(), "apply: x; port swp1 is cut off: no VNI");
        assert!(error_text(Some(&"ä".repeat(10_000)), &ports).unwrap().len() < 4010);
    }
}
