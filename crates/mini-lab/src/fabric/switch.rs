//! What a switch of the lab runs: FRR, and our agent with the configuration that follows from the topology.

use std::path::Path;

use anyhow::Context as _;
use metal_runtime::file::{write_private, write_public};
use serde_json::{Value, json};

use super::Fabric;
use super::node::Node;
use super::topology::{Role, Switch, Topology};
use crate::node::{LAB, PROGRAMS};

/// FRR's daemons on a switch, in the order of starting.
const DAEMONS: [&str; 4] = ["mgmtd", "zebra", "bgpd", "staticd"];

/// How the agents reach the control plane.
#[derive(Clone, Debug)]
pub struct Api {
    /// `host:port` as the switches see it.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
    /// Its authority, PEM.
    pub ca_pem: String,
}

/// Starts the switch. Leaves join with `token`, unless they have joined before.
pub async fn start(
    node: &Node,
    fabric: &Fabric,
    partition: &str,
    switch: &Switch,
    api: &Api,
    token: Option<&str>,
) -> anyhow::Result<()> {
    let directory = node.directory();
    write_public(&directory.join("ca.pem"), api.ca_pem.as_bytes())?;
    if let Some(token) = token {
        write_private(&directory.join("token"), token.as_bytes())?;
    }
    let config = config(&fabric.topology, partition, switch, api);
    let text = toml::to_string_pretty(&config).context("write the agent's configuration")?;
    write_public(&directory.join("metal-core.toml"), text.as_bytes())?;
    node.start_frr(&DAEMONS, fabric.netns, None).await?;
    let (program, config) = (format!("{PROGRAMS}/metal-core"), format!("{LAB}/metal-core.toml"));
    node.start_service("metal-core", &[&program, "--config", &config]).await
}

/// Whether a switch's agent has joined already.
pub fn has_joined(directory: &Path) -> bool {
    directory.join("state").read_dir().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == "pem"))
        })
    })
}

fn config(topology: &Topology, partition: &str, switch: &Switch, api: &Api) -> Value {
    let role = match switch.role {
        Role::Leaf => "leaf",
        Role::Spine => "spine",
        Role::Exit => "exit",
    };
    let mut config = json!({
        "role": role,
        "hostname": switch.name,
        "partition": partition,
        "asn": switch.asn,
        "loopback": switch.loopback,
        "uplinks": topology.uplinks(&switch.name),
        "state_dir": format!("{LAB}/state"),
        "metrics": "127.0.0.1:2112",
        "bgp": {
            "keepalive": topology.bgp.keepalive,
            "hold": topology.bgp.hold,
            "route_map_delay": topology.bgp.route_map_delay,
            "maximum_prefix": topology.bgp.maximum_prefix,
        },
        "management": { "address": switch.management },
        "device": { "nos": "linux", "port_prefixes": ["swp"] },
        "lldp": { "interval": "2s" },
    });
    if switch.role == Role::Leaf {
        let length = topology.pxe.network.prefix_len();
        config["rack"] = json!(switch.rack);
        let address = switch.pxe.map(|address| format!("{address}/{length}"));
        config["pxe"] = json!({ "vlan": topology.pxe.vlan, "address": address });
        config["dhcp_relay"] = json!({ "servers": [topology.management.gateway] });
        config["api"] = json!({
            "address": api.address,
            "server_name": api.server_name,
            "ca_file": format!("{LAB}/ca.pem"),
            "token_file": format!("{LAB}/token"),
        });
    }
    if let Some(external) = topology.external.as_ref().filter(|external| external.switch == switch.name) {
        let gateway = |prefix: &str, is_v4: bool| {
            let host = external.host.iter().find(|host| host.addr().is_ipv4() == is_v4)?;
            Some(json!({ "to": prefix, "via": host.addr() }))
        };
        let routes: Vec<Value> =
            [gateway("0.0.0.0/0", true), gateway("::/0", false)].into_iter().flatten().collect();
        config["external"] = json!([{
            "vni": external.vni,
            "name": external.name,
            "port": external.port,
            "addresses": external.addresses,
            "routes": routes,
            "neighbors": [],
        }]);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_of_the_usual_fabric_has_a_configuration() {
        let topology = Topology::load(None).unwrap();
        let api = Api {
            address: "192.168.250.1:50051".to_owned(),
            server_name: "localhost".to_owned(),
            ca_pem: String::new(),
        };
        for switch in &topology.switches {
            let config = config(&topology, "mini-lab", switch, &api);
            assert_eq!(config["hostname"], switch.name.as_str());
            assert!(toml::to_string_pretty(&config).is_ok());
            assert_eq!(config.get("api").is_some(), switch.role == Role::Leaf);
            assert_eq!(config.get("external").is_some(), switch.role == Role::Exit);
        }
    }
}
