//! Bringing a fabric up, in the order of a real data centre: cables, management, control plane, switches, machines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use metal_client::Client;
use metal_model::v1::{PkiCaResponse, PkiTokenRequest, PkiTokenResponse, operation};
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use metal_sim::{Config, DataCentre, Floor, MachinePlan, Pace, Site, System};
use tokio::sync::watch;
use uuid::Uuid;

use super::cabling;
use super::machine::{self, MachineHardware};
use super::switch::{self, Api};
use super::topology::{Role, Topology};
use super::{Fabric, Material, rootfs};
use crate::agents;
use crate::control::{Report, Stage};
use crate::directory::{Directory, Plan};

/// Builds nodes and cables; nothing runs in them but the management server and the world outside.
pub async fn build(
    directory: &Directory,
    plan: &Plan,
    topology: &Topology,
    tree: &TaskTree,
    report: &watch::Sender<Report>,
) -> anyhow::Result<Arc<Fabric>> {
    let tell = |step: &str| {
        tracing::info!(step, "the system of the switches");
        report.send_modify(|report| step.clone_into(&mut report.step));
    };
    let rootfs = rootfs::ensure(tell).await?;
    report.send_modify(|report| (report.stage, report.step) = (Stage::Fabric, String::new()));
    let programs = std::env::current_exe().context("find this program")?;
    let programs = programs.parent().unwrap_or(Path::new("/")).to_owned();
    let material = Material { topology: topology.clone(), rootfs, directory: directory.nodes(), programs };
    // Making nodes is a few hundred short system calls. Not in place: a worker thread that blocks in place ends later, and
    // the kernel takes that for the death of the parent of what the thread has started.
    let own = tree.clone();
    let built = tokio::task::spawn_blocking(move || Fabric::build(material, &own)).await;
    let fabric = Arc::new(built.context("build the fabric")??);
    fabric.start_hosts(plan.grpc_port, tree).await?;
    report.send_modify(|report| {
        report.nodes = fabric.nodes.iter().map(|(name, node)| (name.clone(), node.pid())).collect();
    });
    Ok(fabric)
}

/// Starts the switches and waits until the control plane knows all leaves.
pub async fn switches(
    fabric: &Fabric,
    plan: &Plan,
    client: &Client,
    report: &watch::Sender<Report>,
) -> anyhow::Result<()> {
    let ca: PkiCaResponse =
        client.request(&operation::GET_PKI_CA).send().await.context("ask for the agents' authority")?;
    let api =
        Api { address: fabric.agents_address(), server_name: "localhost".to_owned(), ca_pem: ca.certificate };
    let starts = fabric.topology.switches.iter().map(|switch| {
        let api = &api;
        async move {
            let node = fabric.node(switch.name.as_str())?;
            let token = match switch.role {
                Role::Leaf if !switch::has_joined(node.directory()) => {
                    Some(token(client, plan, switch.name.as_str()).await?)
                }
                _ => None,
            };
            let start = switch::start(node, fabric, &plan.partition, switch, api, token.as_deref());
            start.await.with_context(|| format!("start {}", switch.name))
        }
    });
    futures::future::try_join_all(starts).await?;
    registered(fabric, client, report).await
}

async fn token(client: &Client, plan: &Plan, id: &str) -> anyhow::Result<String> {
    let identity = Identity::Switch { partition: plan.partition.clone(), id: id.to_owned() };
    let request = PkiTokenRequest { identity: identity.to_string(), ttl_seconds: Some(600) };
    let answer: PkiTokenResponse = client
        .request(&operation::CREATE_PKI_TOKEN)
        .body(&request)
        .send()
        .await
        .with_context(|| format!("get a join token for {id}"))?;
    Ok(answer.token)
}

/// How long leaves may take to register and to apply their first configuration.
const REGISTRATION: std::time::Duration = std::time::Duration::from_secs(120);

async fn registered(fabric: &Fabric, client: &Client, report: &watch::Sender<Report>) -> anyhow::Result<()> {
    let wanted: Vec<&str> = fabric.topology.leaves().map(|leaf| leaf.name.as_str()).collect();
    let deadline = tokio::time::Instant::now() + REGISTRATION;
    loop {
        let known = client.switch().list().await.context("list the switches")?;
        let ready: Vec<&str> = known
            .iter()
            .filter(|switch| switch.last_sync.is_some())
            .map(|switch| switch.id.as_str())
            .filter(|id| wanted.contains(id))
            .collect();
        report.send_modify(|report| report.switches = ready.len());
        if ready.len() == wanted.len() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let missing: Vec<&str> = wanted.into_iter().filter(|name| !ready.contains(name)).collect();
            let why = missing.iter().map(|name| last_words(fabric, name)).collect::<Vec<_>>().join("; ");
            anyhow::bail!("not ready after {} s: {}: {why}", REGISTRATION.as_secs(), missing.join(", "));
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

fn last_words(fabric: &Fabric, name: &str) -> String {
    let log = fabric.node(name).map(|node| node.directory().join("metal-core.log"));
    let text = log.ok().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().last().unwrap_or("its agent has said nothing").to_owned()
}

/// The machines: plugged in where the topology says, with what an earlier run has installed on them.
pub async fn machines(
    fabric: &Fabric,
    directory: &Directory,
    plan: &Plan,
    client: &Client,
    config: &mut Config,
    tree: &TaskTree,
) -> anyhow::Result<DataCentre> {
    config.pace = Pace::quick();
    let mut floor = Floor { partition: plan.partition.clone(), switches: Vec::new(), machines: Vec::new() };
    let mut systems: BTreeMap<Uuid, Arc<dyn System>> = BTreeMap::new();
    for (machine, index) in fabric.topology.machines.iter().zip(0u64..) {
        let node = fabric.node(machine.name.as_str())?;
        if let Some(allocation) = machine::recall(node.directory()) {
            config.allocations.insert(machine.uuid, allocation);
        }
        let nics: Vec<(String, String)> = machine::PORTS
            .iter()
            .zip(0u8..)
            .map(|(port, nic)| {
                ((*port).to_owned(), cabling::mac_text(cabling::machine_mac(machine.uuid, nic)))
            })
            .collect();
        let leaf = fabric.topology.switch(machine.ports[0].switch.as_str());
        let rack = leaf.and_then(|leaf| leaf.rack.as_deref()).unwrap_or_default();
        // Place 0 is a compute server: the lab's machines are all alike.
        floor.machines.push(MachinePlan::with_nics(machine.uuid, index, rack, 0, &nics, plan.seed));
        let hardware = MachineHardware::new(node.clone(), machine.clone(), &fabric.topology, tree.clone());
        systems.insert(machine.uuid, Arc::new(hardware));
    }
    let access = agents::partition_access(directory, plan, client).await?;
    Ok(DataCentre::start_on(config, Site { floor, systems }, &access, tree)?)
}
