//! The background process: owns the control plane and the simulation until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use metal_client::Client;
use metal_proto::v1::BootInfo;
use metal_runtime::signal::Signals;
use metal_runtime::{TaskTree, log, tls};
use metal_sim::DataCentre;
use tokio::net::UnixListener;
use tokio::sync::watch;
use uuid::Uuid;

use crate::control::{self, Report, Stage};
use crate::directory::{Directory, Plan};
use crate::fabric::{Fabric, launch};
use crate::{agents, image_server, resources, server};

/// How long tasks may take to end.
const END: Duration = Duration::from_secs(40);

/// Runs the lab of this directory. In the background it has its own session, so that no terminal takes it along.
pub async fn run(directory: &Directory, in_background: bool) -> anyhow::Result<()> {
    if in_background {
        // Fails only for the leader of a group, which has what it needs already.
        let _ = rustix::process::setsid();
    }
    log::init("info,metal_sim=info", log::Format::Human)?;
    tls::install_provider();
    let plan = directory.plan()?.context("there is no lab here: run `mini-lab up`")?;
    let listener = listen(directory).await?;
    let signals = Signals::install().context("catch signals")?;
    let tree = TaskTree::root("mini-lab");
    let (report, seen) = watch::channel(Report::default());

    let (branch, own, place) = (tree.clone(), tree.clone(), directory.clone());
    tree.spawn("lab", async move {
        let outcome = tokio::select! {
            () = branch.cancelled() => return,
            outcome = start(&place, &plan, &own, &report) => outcome,
        };
        match outcome {
            // The fabric ends here, after everybody who uses it.
            Ok((centre, _fabric)) => follow(&centre, &report, &branch).await,
            Err(error) => {
                let failure = metal_runtime::chain(error.as_ref());
                tracing::error!(error = failure, "lab not started");
                report.send_modify(|report| {
                    report.stage = Stage::Failed;
                    report.failure = Some(failure);
                });
                branch.cancelled().await;
            }
        }
    });

    let current = || {
        let mut report = seen.borrow().clone();
        report.pid = std::process::id();
        if tree.is_cancelled() {
            report.stage = Stage::Stopping;
        }
        report
    };
    // Answers to the very end: a lab that cannot be asked any more has stopped.
    let ended = tokio::select! {
        ended = signals.run(&tree, END) => ended,
        never = control::serve(&listener, current, || tree.cancel()) => match never {},
    };
    let _ = std::fs::remove_file(directory.socket());
    if !ended.is_clean() {
        bail!("the lab ended badly: {ended:?}");
    }
    Ok(())
}

async fn listen(directory: &Directory) -> anyhow::Result<UnixListener> {
    if control::ask(directory, "status").await?.is_some() {
        bail!("the lab runs already");
    }
    // What nobody answers on was left behind by a process that was killed.
    let _ = std::fs::remove_file(directory.socket());
    UnixListener::bind(directory.socket())
        .with_context(|| format!("listen on {}", directory.socket().display()))
}

async fn start(
    directory: &Directory,
    plan: &Plan,
    tree: &TaskTree,
    report: &watch::Sender<Report>,
) -> anyhow::Result<(DataCentre, Option<Arc<Fabric>>)> {
    image_server::start(plan.image_port, tree).await?;
    let fabric = match &plan.topology {
        Some(topology) => Some(launch::build(directory, plan, topology, tree, report).await?),
        None => None,
    };
    report.send_modify(|report| report.stage = Stage::Server);
    let simulation = tree.child("simulation");
    server::start(directory, plan, tree, simulation.clone())?;
    let (client, key) = server::connect(directory, plan).await?;
    report.send_modify(|report| report.stage = Stage::Resources);
    let network = resources::ensure(&client, plan).await?;
    resources::write_context(directory, plan, &key, &network)?;
    report.send_modify(|report| {
        report.stage = Stage::Agents;
        report.network = Some(network);
    });
    if let Some(fabric) = &fabric {
        launch::switches(fabric, plan, &client, report).await?;
    }
    let mut config = plan.simulation()?;
    config.installed = installed(&client).await?;
    let centre = match &fabric {
        Some(fabric) => launch::machines(fabric, directory, plan, &client, &mut config, &simulation).await?,
        None => {
            let access = agents::access(directory, plan, &config, &client).await?;
            DataCentre::start(&config, &access, &simulation)?
        }
    };
    report.send_modify(|report| report.stage = Stage::Running);
    Ok((centre, fabric))
}

/// What an earlier run of this lab has put on the machines' disks.
async fn installed(client: &Client) -> anyhow::Result<BTreeMap<Uuid, BootInfo>> {
    let machines = client.machine().list().await.context("list the machines")?;
    let systems = machines.into_iter().filter_map(|machine| {
        let boot = machine.allocation.as_ref()?.boot_info.clone()?;
        let system = BootInfo {
            image_id: boot.image_id,
            primary_disk: boot.primary_disk,
            os_partition: boot.os_partition,
            initrd: boot.initrd,
            cmdline: boot.cmdline,
            kernel: boot.kernel,
            bootloader_id: boot.bootloaderid,
        };
        Some((machine.id.parse().ok()?, system))
    });
    Ok(systems.collect())
}

async fn follow(centre: &DataCentre, report: &watch::Sender<Report>, tree: &TaskTree) {
    let mut status = centre.watch();
    loop {
        {
            let status = status.borrow_and_update();
            let mut machines = BTreeMap::new();
            for phase in status.machines.values() {
                *machines.entry(phase.word().to_owned()).or_insert(0) += 1;
            }
            let phases = status.machines.iter().map(|(id, phase)| (id.to_string(), phase.word().to_owned()));
            report.send_modify(|report| {
                if report.nodes.is_empty() {
                    report.switches = status.switches;
                } else {
                    report.phases = phases.collect();
                }
                report.machines = machines;
            });
        }
        // A thousand machines change a lot; nobody looks more often than this.
        tokio::select! {
            () = tree.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        tokio::select! {
            () = tree.cancelled() => return,
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}
