//! What the routing daemons of a node say, from the JSON of FRR's own shell. A key that is missing is an error: an answer
//! that is not understood must never pass for `nothing was accepted`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::inside;

/// Both address families, as FRR's commands call them.
pub const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];

/// A session with the neighbour on a port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Session {
    /// Free text, such as `Established` or `Idle (PfxCt)`.
    pub state: String,
    /// How many prefixes were accepted.
    #[serde(rename = "pfxRcd")]
    pub accepted: u64,
}

impl Session {
    pub fn is_established(&self) -> bool {
        self.state == "Established"
    }

    /// Whether it was given up because of too many prefixes.
    pub fn is_overflown(&self) -> bool {
        self.state.contains("PfxCt")
    }
}

#[derive(Deserialize)]
struct Summary {
    peers: BTreeMap<String, Session>,
}

#[derive(Deserialize)]
struct Routes {
    routes: BTreeMap<IpNet, IgnoredAny>,
}

#[derive(Deserialize)]
struct Advertised {
    #[serde(rename = "advertisedRoutes")]
    routes: BTreeMap<IpNet, IgnoredAny>,
}

/// A port of a node with a BGP neighbour behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    pub node: String,
    /// The number of the VRF it is in; none for the node's own table.
    pub vrf: Option<u64>,
    pub name: String,
}

impl Port {
    fn table(&self) -> String {
        self.vrf.map(|vrf| format!("vrf vrf{vrf} ")).unwrap_or_default()
    }

    /// The IPv6 part of the session over it; both families share the session.
    pub async fn session(&self, pid: u32) -> anyhow::Result<Session> {
        let command = format!("show bgp {}ipv6 unicast summary json", self.table());
        let mut summary: Summary = one(pid, &command).await?;
        let session = summary.peers.remove(&self.name);
        session.with_context(|| format!("find {} in `{command}`", self.name))
    }

    /// What is announced over it, in both families.
    pub async fn advertised(&self, pid: u32) -> anyhow::Result<BTreeSet<IpNet>> {
        let Self { name, .. } = self;
        let command = |family| {
            format!("show bgp {}{family} unicast neighbors {name} advertised-routes json", self.table())
        };
        let told: Vec<Advertised> = ask(pid, &FAMILIES.map(command)).await?;
        Ok(told.into_iter().flat_map(|told| told.routes.into_keys()).collect())
    }

    /// Ends the session and begins it anew, whatever it was given up for.
    pub async fn clear(&self, pid: u32) -> anyhow::Result<()> {
        let command = format!("clear bgp {}{}", self.table(), self.name);
        inside::ask(pid, &["vtysh", "-c", &command], "").await.map(drop)
    }
}

/// What was accepted over each of a node's ports, in both families.
pub async fn accepted(pid: u32, ports: &[&Port]) -> anyhow::Result<Vec<BTreeSet<IpNet>>> {
    let command = |port: &Port, family| {
        format!("show bgp {}{family} unicast neighbors {} routes json", port.table(), port.name)
    };
    let commands: Vec<String> =
        ports.iter().flat_map(|port| FAMILIES.map(|family| command(port, family))).collect();
    let told: Vec<Routes> = ask(pid, &commands).await?;
    let sets = told.chunks_exact(FAMILIES.len());
    Ok(sets.map(|both| both.iter().flat_map(|told| told.routes.keys().copied()).collect()).collect())
}

async fn one<T: DeserializeOwned>(pid: u32, command: &str) -> anyhow::Result<T> {
    let told = ask(pid, &[command.to_owned()]).await?;
    told.into_iter().next().context("an answer was there")
}

/// Asks all at once: the shell takes its time to start.
async fn ask<T: DeserializeOwned>(pid: u32, commands: &[String]) -> anyhow::Result<Vec<T>> {
    let mut argv = vec!["vtysh"];
    argv.extend(commands.iter().flat_map(|command| ["-c", command.as_str()]));
    let told = inside::ask(pid, &argv, "").await?;
    read(&told, commands)
}

fn read<T: DeserializeOwned>(told: &str, commands: &[String]) -> anyhow::Result<Vec<T>> {
    let values = serde_json::Deserializer::from_str(told).into_iter::<serde_json::Value>();
    let mut all = Vec::new();
    for (value, command) in values.zip(commands) {
        let value = value.with_context(|| format!("read the answer to `{command}`"))?;
        let understood = T::deserialize(&value);
        all.push(understood.with_context(|| format!("understand the answer to `{command}`: {value}"))?);
    }
    ensure!(all.len() == commands.len(), "{} of {} commands were answered", all.len(), commands.len());
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(count: usize) -> Vec<String> {
        vec!["show".to_owned(); count]
    }

    #[test]
    fn answers_follow_one_another() {
        // As FRR 10.3 prints them.
        let told = r#"{"vrfName":"vrf10","routes":{"10.0.0.1/32":[{"valid":true}]},"totalRoutes":1}
            { "routes": {  } , "totalRoutes": 0, "totalPaths": 2 }"#;
        let routes: Vec<Routes> = read(told, &commands(2)).unwrap();
        assert_eq!(routes[0].routes.keys().copied().collect::<Vec<_>>(), ["10.0.0.1/32".parse().unwrap()]);
        assert!(routes[1].routes.is_empty());
        assert!(read::<Routes>(told, &commands(3)).is_err(), "one was not answered");
        let told = r#"{"peers":{"swp1":{"pfxRcd":0,"state":"Idle (PfxCt)","peerState":"PfxCt"}}}"#;
        let summary: Vec<Summary> = read(told, &commands(1)).unwrap();
        assert!(summary[0].peers["swp1"].is_overflown() && !summary[0].peers["swp1"].is_established());
    }

    #[test]
    fn what_is_not_understood_is_never_nothing() {
        for told in
            ["", "{}", r#"{"malformedAddressOrName":"swp9"}"#, r#"{"warning":"x"}"#, r#"{"routes":{"x":1}}"#]
        {
            assert!(read::<Routes>(told, &commands(1)).is_err(), "{told}");
            assert!(read::<Advertised>(told, &commands(1)).is_err(), "{told}");
        }
        assert!(read::<Summary>(r#"{"peers":{"swp1":{"state":"Established"}}}"#, &commands(1)).is_err());
    }
}
