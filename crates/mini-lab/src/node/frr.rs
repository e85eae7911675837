//! FRR in a node: its daemons are kept running, and a daemon that comes back gets the stored configuration, as FRR's
//! own watchdog does it on a real switch.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metal_runtime::TaskTree;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::keeper::{Table, keep, run_to_end};
use super::{Frr, Service};

const CONFIG: &str = "/etc/frr/frr.conf";
/// How long the daemons may take to answer for the first time.
const START: Duration = Duration::from_secs(60);
/// Between two looks whether a daemon answers.
const LOOK: Duration = Duration::from_millis(50);

/// The running daemons.
pub struct FrrKeeper {
    branch: TaskTree,
}

impl FrrKeeper {
    /// Starts the daemons and waits until all of them answer and have their configuration.
    pub async fn start(tree: &TaskTree, table: &Table, frr: &Frr) -> anyhow::Result<Self> {
        write_config(frr.config.as_deref())?;
        let branch = tree.child("frr");
        let mut ready = Vec::new();
        for daemon in &frr.daemons {
            let service = Service { name: daemon.clone(), argv: argv(daemon, frr.netns) };
            let (answers, is_ready) = watch::channel(false);
            ready.push(is_ready);
            let (own, table, name) = (branch.clone(), Arc::clone(table), daemon.clone());
            branch.spawn(daemon, async move {
                let started = |tree: &TaskTree| {
                    let (name, answers) = (name.clone(), answers.clone());
                    tree.spawn("configure", async move { configure(&name, &answers).await });
                };
                keep(&service, &own, &table, started).await;
            });
            // The next daemon connects to the ones before.
            wait_for(daemon).await;
        }
        for mut is_ready in ready {
            let waited = timeout(START, is_ready.wait_for(|is_ready| *is_ready)).await;
            waited.context("FRR does not start")?.context("FRR was stopped")?;
        }
        Ok(Self { branch })
    }

    pub async fn stop(self) {
        self.branch.cancel();
        self.branch.idle().await;
    }
}

fn argv(daemon: &str, netns: bool) -> Vec<String> {
    let mut argv = vec![format!("/usr/lib/frr/{daemon}")];
    argv.extend(
        ["-F", "datacenter", "-A", "127.0.0.1", "--log", "stdout", "--log-level", "informational"]
            .map(str::to_owned),
    );
    if daemon == "zebra" {
        argv.extend(["-s", "90000000"].map(str::to_owned));
    }
    if netns {
        argv.push("-w".to_owned());
    }
    argv
}

fn write_config(config: Option<&str>) -> anyhow::Result<()> {
    fs::write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n").context("write vtysh.conf")?;
    let text = config.unwrap_or("frr defaults datacenter\n");
    fs::write(CONFIG, text).with_context(|| format!("write {CONFIG}"))?;
    fs::set_permissions(CONFIG, fs::Permissions::from_mode(0o640))
        .with_context(|| format!("protect {CONFIG}"))?;
    let owner = fs::metadata("/run/frr").context("look at /run/frr")?;
    let (user, group) = {
        use std::os::unix::fs::MetadataExt as _;
        (owner.uid(), owner.gid())
    };
    chown(CONFIG, Some(user), Some(group)).with_context(|| format!("give {CONFIG} to frr"))
}

async fn wait_for(daemon: &str) {
    let path = format!("/run/frr/{daemon}.vty");
    // A socket that a killed daemon left behind refuses connections.
    let answers = async {
        while UnixStream::connect(&path).is_err() {
            sleep(LOOK).await;
        }
    };
    let _ = timeout(START, answers).await;
}

async fn configure(daemon: &str, answers: &watch::Sender<bool>) {
    wait_for(daemon).await;
    let argv = ["vtysh", "-b", "-d", daemon].map(str::to_owned);
    if let Err(error) = run_to_end(&argv).await {
        tracing::warn!(
            daemon,
            error = metal_runtime::chain(error.as_ref()),
            "stored configuration not loaded"
        );
    }
    answers.send_replace(true);
}
