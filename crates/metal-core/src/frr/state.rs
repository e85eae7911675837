//! What FRR tells about itself: sessions, tables, tunnels.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Frr, FrrError};
use crate::driver::Session;

/// A VNI as zebra has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// The routing table it belongs to; nothing for one that carries frames.
    pub vrf: Option<String>,
    /// Whether all its devices are there and on.
    pub is_up: bool,
}

impl Frr {
    /// All BGP sessions of all tables.
    ///
    /// # Errors
    /// Fails when FRR cannot be asked or its answer cannot be read.
    pub fn sessions(&self) -> Result<Vec<Session>, FrrError> {
        const QUESTION: &str = "show bgp vrf all neighbors json";
        let text = self.ask(&[QUESTION])?;
        sessions_in(&text).map_err(|source| FrrError::Answer { question: QUESTION.to_owned(), source })
    }

    /// Routing tables zebra knows and has found on the device, without the default one.
    ///
    /// # Errors
    /// Fails when FRR cannot be asked.
    pub fn vrfs(&self) -> Result<BTreeSet<String>, FrrError> {
        self.ask(&["show vrf"]).map(|text| vrfs_in(&text))
    }

    /// VNIs zebra knows.
    ///
    /// # Errors
    /// Fails when FRR cannot be asked or its answer cannot be read.
    pub fn vnis(&self) -> Result<BTreeMap<u32, Tunnel>, FrrError> {
        const QUESTIONS: [&str; 2] = ["show evpn vni json", "show vrf vni json"];
        let text = self.ask(&QUESTIONS)?;
        tunnels_in(&text).map_err(|source| FrrError::Answer { question: QUESTIONS.join("; "), source })
    }
}

fn text_of(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Reads the answer to `show bgp vrf all neighbors json`, in the forms of old and new releases.
///
/// # Errors
/// Fails when the answer is no JSON.
pub fn sessions_in(text: &str) -> Result<Vec<Session>, serde_json::Error> {
    let tables: BTreeMap<String, Value> = serde_json::from_str(text)?;
    let mut sessions = Vec::new();
    for (vrf, table) in &tables {
        let neighbors = table.as_object().into_iter().flatten();
        for (port, neighbor) in neighbors.filter(|(_, neighbor)| neighbor.get("bgpState").is_some()) {
            sessions.push(session(vrf, port, neighbor));
        }
    }
    Ok(sessions)
}

fn session(vrf: &str, port: &str, neighbor: &Value) -> Session {
    let sum = |counter: &str| -> i64 {
        let families = neighbor.get("addressFamilyInfo").and_then(Value::as_object).into_iter().flatten();
        families
            .filter(|(family, _)| {
                matches!(family.as_str(), "ipv4Unicast" | "ipv6Unicast" | "IPv4 Unicast" | "IPv6 Unicast")
            })
            .filter_map(|(_, family)| family.get(counter)?.as_i64())
            .sum()
    };
    let state = text_of(neighbor, "bgpState");
    let since = neighbor.get("bgpTimerUpEstablishedEpoch").and_then(Value::as_i64).unwrap_or(0);
    Session {
        vrf: vrf.to_owned(),
        port: port.to_owned(),
        neighbor: text_of(neighbor, "hostname"),
        peer_group: text_of(neighbor, "peerGroup"),
        established_since: if state == "Established" { since } else { 0 },
        state,
        sent: sum("sentPrefixCounter"),
        accepted: sum("acceptedPrefixCounter"),
    }
}

/// Names in lines such as `vrf vrf3981 id 3 netns /run/netns/vrf3981`; those that exist only in words have no `id`.
fn vrfs_in(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let mut words = line.strip_prefix("vrf ")?.split(' ');
        let name = words.next()?;
        (words.next() == Some("id")).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// Two answers one after the other: VNIs of all kinds, and which of them belong to tables.
fn tunnels_in(text: &str) -> Result<BTreeMap<u32, Tunnel>, serde_json::Error> {
    let mut answers = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let all = answers.next().transpose()?.unwrap_or_default();
    let routed = answers.next().transpose()?.unwrap_or_default();
    let mut tunnels = BTreeMap::new();
    for (number, vni) in all.as_object().into_iter().flatten() {
        let Ok(number) = number.parse() else { continue };
        let device = text_of(vni, "vxlanIf");
        tunnels.insert(number, Tunnel { vrf: None, is_up: !device.is_empty() && device != "None" });
    }
    for table in routed.get("vrfs").and_then(Value::as_array).into_iter().flatten() {
        let Some(number) = table.get("vni").and_then(Value::as_u64).and_then(|number| number.try_into().ok())
        else {
            continue;
        };
        let is_up = text_of(table, "state") == "Up";
        tunnels.insert(number, Tunnel { vrf: Some(text_of(table, "vrf")), is_up });
    }
    Ok(tunnels)
}

/// Tables with their VNIs, from the answer to `show vrf vni json`; no answer, no tables.
pub(super) fn routed_in(text: &str) -> Result<Vec<(String, u32)>, serde_json::Error> {
    let answer = serde_json::Deserializer::from_str(text).into_iter::<Value>().next().transpose()?;
    let tables = answer.unwrap_or_default();
    let tables = tables.get("vrfs").and_then(Value::as_array).into_iter().flatten();
    let number = |table: &Value| u32::try_from(table.get("vni")?.as_u64()?).ok();
    Ok(tables.filter_map(|table| Some((text_of(table, "vrf"), number(table)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_old_and_new_releases_are_read() {
        let new = r#"{"default":{"vrfId":0,"vrfName":"default","swp31":{"hostname":"spine01","peerGroup":"FABRIC",
            "bgpState":"Established","bgpTimerUpEstablishedEpoch":1795638570,"addressFamilyInfo":{
            "ipv4Unicast":{"acceptedPrefixCounter":3,"sentPrefixCounter":4},
            "ipv6Unicast":{"acceptedPrefixCounter":1,"sentPrefixCounter":2},
            "l2VpnEvpn":{"acceptedPrefixCounter":100,"sentPrefixCounter":100}}}},
            "vrf1":{"vrfId":3,"vrfName":"vrf1","swp1":{"bgpState":"Idle"}}}"#;
        let sessions = sessions_in(new).unwrap();
        assert_eq!(sessions.len(), 2);
        assert_eq!(
            (sessions[0].sent, sessions[0].accepted, sessions[0].established_since),
            (6, 4, 1_795_638_570)
        );
        assert_eq!((sessions[0].port.as_str(), sessions[0].neighbor.as_str()), ("swp31", "spine01"));
        assert_eq!((sessions[1].vrf.as_str(), sessions[1].established_since), ("vrf1", 0));
        let old = new.replace("ipv4Unicast", "IPv4 Unicast").replace("ipv6Unicast", "IPv6 Unicast");
        assert_eq!(sessions_in(&old).unwrap(), sessions);
        assert!(sessions_in("% nothing").is_err());
    }

    #[test]
    fn tables_that_are_only_words_do_not_count() {
        let text = "netns-based vrfs\nvrf vrf3981 id 3 netns /run/netns/vrf3981 (configured)\nvrf vrf5 inactive (configured)\n\
            vrf mgmt id 4 table 1001\n";
        assert_eq!(vrfs_in(text).into_iter().collect::<Vec<_>>(), ["mgmt", "vrf3981"]);
    }

    #[test]
    fn tunnels_of_both_kinds_are_read() {
        let text = r#"{"104000":{"vni":104000,"vxlanIf":"vni104000","type":"L2","tenantVrf":"default"},
            "3981":{"vni":3981,"vxlanIf":"vni3981","type":"L3"}}
            {"vrfs":[{"vrf":"vrf3981","vni":3981,"state":"Up"},{"vrf":"vrf7","vni":7,"state":"Down"}]}"#;
        let tunnels = tunnels_in(text).unwrap();
        assert_eq!(tunnels[&104_000], Tunnel { vrf: None, is_up: true });
        assert_eq!(tunnels[&3981], Tunnel { vrf: Some("vrf3981".to_owned()), is_up: true });
        assert!(!tunnels[&7].is_up);
    }
}
