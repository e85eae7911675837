//! The rules a firewall starts with: checked and brought into one spelling before anything is stored.

use ipnet::IpNet;
use metal_model::network::AddressFamily;
use metal_model::v1::{FirewallEgressRule, FirewallIngressRule, FirewallRules};

use crate::Error;

/// Longest comment, in bytes.
const MAX_COMMENT: usize = 100;

/// The same rules with their protocol spelled out in lower case, or what is wrong with them (400).
pub(super) fn check(rules: &FirewallRules) -> Result<FirewallRules, Error> {
    let mut checked = rules.clone();
    for (at, rule) in checked.egress.iter_mut().enumerate() {
        check_egress(rule)
            .map_err(|why| Error::invalid("firewall_rules", format!("egress rule {at}: {why}")))?;
    }
    for (at, rule) in checked.ingress.iter_mut().enumerate() {
        check_ingress(rule)
            .map_err(|why| Error::invalid("firewall_rules", format!("ingress rule {at}: {why}")))?;
    }
    Ok(checked)
}

fn check_egress(rule: &mut FirewallEgressRule) -> Result<(), String> {
    rule.protocol = protocol(&rule.protocol)?;
    comment(&rule.comment)?;
    ports(&rule.ports)?;
    prefixes(rule.to.iter())
}

fn check_ingress(rule: &mut FirewallIngressRule) -> Result<(), String> {
    rule.protocol = protocol(&rule.protocol)?;
    comment(&rule.comment)?;
    ports(&rule.ports)?;
    prefixes(rule.to.iter().chain(&rule.from))
}

fn protocol(given: &str) -> Result<String, String> {
    if given.is_empty() {
        return Ok("tcp".to_owned());
    }
    let lower = given.to_ascii_lowercase();
    if matches!(lower.as_str(), "tcp" | "udp") {
        return Ok(lower);
    }
    Err(format!("protocol {given:?} is not possible; use tcp or udp"))
}

fn comment(given: &str) -> Result<(), String> {
    if given.len() > MAX_COMMENT {
        return Err(format!("comment is {} bytes long, at most {MAX_COMMENT} are possible", given.len()));
    }
    match given.chars().find(|c| !c.is_ascii_alphabetic() && !matches!(c, '_' | '-' | ' ')) {
        Some(c) => Err(format!("comment contains {c:?}; use letters, blanks, dashes and underscores")),
        None => Ok(()),
    }
}

fn ports(given: &[i64]) -> Result<(), String> {
    match given.iter().find(|port| !(0..=65_535).contains(*port)) {
        Some(port) => Err(format!("port {port} is not between 0 and 65535")),
        None => Ok(()),
    }
}

fn prefixes<'a>(given: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut family = None;
    for text in given {
        let prefix: IpNet = text.parse().map_err(|_| format!("{text:?} is not a prefix like 10.0.0.0/8"))?;
        let this = AddressFamily::of(&prefix);
        if *family.get_or_insert(this) != this {
            return Err(format!("{text:?} is of another address family than the prefixes before it"));
        }
    }
    Ok(())
}
