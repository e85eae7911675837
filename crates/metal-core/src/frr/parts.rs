//! Which daemons run, and what each of them has.

use metal_netconf::frr::{Running, Tree};

use super::state::routed_in;
use super::{Frr, FrrError};

/// What has to run.
const DAEMONS: [&str; 3] = ["zebra", "bgpd", "staticd"];
/// What holds much of the configuration in newer releases, and in older ones does not exist.
const KEEPER: &str = "mgmtd";
/// The release since which it does.
const KEEPER_SINCE: u32 = 10;
/// What tells which tables have which VNI.
const TUNNELS: &str = "show vrf vni json";
/// The line before each daemon's answer.
const BEGIN: &str = "Building configuration...";

impl Frr {
    /// What each daemon has.
    pub(super) fn parts(&self) -> Result<Running, FrrError> {
        let daemons = complete(&self.ask(&["show daemons", "show version"])?)?;
        let configurations = daemons.iter().map(|daemon| format!("show running-config {daemon}"));
        let questions: Vec<String> = std::iter::once(TUNNELS.to_owned()).chain(configurations).collect();
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        let text = self.ask(&questions)?;
        let (tunnels, text) = text.split_at(text.find(BEGIN).unwrap_or(text.len()));
        let tunnels =
            routed_in(tunnels).map_err(|source| FrrError::Answer { question: TUNNELS.to_owned(), source })?;
        let parts = separate(text);
        if parts.len() != daemons.len() {
            let answer = format!("{} answers to {} questions", parts.len(), daemons.len());
            return Err(FrrError::Failed { question: questions.join("; "), answer });
        }
        // A daemon that ended since says nothing of its release.
        let is_silent = |part: &str| !part.lines().any(|line| line.starts_with("frr version "));
        let silent: Vec<String> = daemons
            .iter()
            .zip(&parts)
            .filter(|(_, part)| is_silent(part))
            .map(|(it, _)| it.clone())
            .collect();
        if !silent.is_empty() {
            return Err(FrrError::Incomplete { missing: silent.join(" and ") });
        }
        let trees = parts.iter().map(|part| Tree::parse(part));
        Ok(Running::new(daemons.into_iter().zip(trees)).with_tunnels(tunnels))
    }
}

/// Cuts answers at the lines with which they begin.
fn separate(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        if line == BEGIN {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

/// The daemons to ask, from the answers to `show daemons` and `show version`.
pub(super) fn complete(text: &str) -> Result<Vec<String>, FrrError> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let running: Vec<&str> = first.split_whitespace().collect();
    let release =
        text.lines().find_map(|line| line.strip_prefix("FRRouting ")?.split('.').next()?.parse().ok());
    let has_keeper = release.is_some_and(|release: u32| release >= KEEPER_SINCE) || running.contains(&KEEPER);
    let needed: Vec<&str> = has_keeper.then_some(KEEPER).into_iter().chain(DAEMONS).collect();
    let missing: Vec<&str> = needed.iter().copied().filter(|daemon| !running.contains(daemon)).collect();
    if missing.is_empty() {
        Ok(needed.into_iter().map(str::to_owned).collect())
    } else {
        Err(FrrError::Incomplete { missing: missing.join(" and ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_releases_need_one_more_daemon() {
        let daemons = |text: &str| complete(text).map_err(|error| error.to_string());
        let old = " zebra bgpd watchfrr staticd\nFRRouting 8.4.4 (leaf01) on Linux\n";
        assert_eq!(daemons(old).unwrap(), ["zebra", "bgpd", "staticd"]);
        let new = " mgmtd zebra bgpd staticd\nFRRouting 10.3 (leaf01) on Linux(6.12).\n";
        assert_eq!(daemons(new).unwrap(), ["mgmtd", "zebra", "bgpd", "staticd"]);
        let lame = new.replace("mgmtd ", "").replace("bgpd ", "");
        assert_eq!(daemons(&lame).unwrap_err(), "FRR's mgmtd and bgpd does not run");
    }

    #[test]
    fn answers_are_told_apart() {
        let text =
            "Building configuration...\n\nCurrent configuration:\na\nend\nBuilding configuration...\nb\n";
        let parts = separate(text);
        assert_eq!(parts.len(), 2);
        assert!(parts[0].ends_with("a\nend\n") && parts[1] == "b\n");
    }
}
