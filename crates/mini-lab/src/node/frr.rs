//! FRR in a node: its daemons are kept running, and a daemon that comes back gets the stored configuration, as FRR's
//! own watchdog does it on a real switch.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use metal_runtime::TaskTree;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::keeper::{PAUSE, Table, end, run_to_end, spawn};
use super::{Frr, Running, Service};

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
        let (ready, mut is_ready) = watch::channel(false);
        let daemons = Daemons {
            services: frr.daemons.iter().map(|daemon| service(daemon, frr.netns)).collect(),
            table: Arc::clone(table),
            branch: branch.clone(),
            ready,
        };
        branch.spawn("daemons", daemons.run());
        let waited = timeout(START, is_ready.wait_for(|is_ready| *is_ready)).await;
        waited.context("FRR does not start")?.context("FRR was stopped")?;
        Ok(Self { branch })
    }

    pub async fn stop(self) {
        self.branch.cancel();
        self.branch.idle().await;
    }
}

/// All daemons of a node, kept running.
struct Daemons {
    services: Vec<Service>,
    table: Table,
    branch: TaskTree,
    ready: watch::Sender<bool>,
}

impl Daemons {
    async fn run(self) {
        let branch = self.branch.clone();
        let mut children = Vec::new();
        tokio::select! {
            () = branch.cancelled() => {}
            () = self.live(&mut children) => {}
        }
        for child in &mut children {
            end(child).await;
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for service in &self.services {
            table.remove(&service.name);
        }
    }

    /// A daemon that ends is started again; when zebra ends, all are, because the others keep numbers of routing tables
    /// that a new zebra gives anew.
    async fn live(&self, children: &mut Vec<Child>) {
        let mut restarts = vec![0; self.services.len()];
        loop {
            for child in children.iter_mut() {
                end(child).await;
            }
            children.clear();
            for (service, restarts) in self.services.iter().zip(&restarts) {
                children.push(self.start(service, *restarts).await);
            }
            load(&[]).await;
            self.ready.send_replace(true);
            loop {
                let ended =
                    futures::future::select_all(children.iter_mut().map(|child| Box::pin(child.wait())));
                let (_, index, _) = ended.await;
                restarts[index] += 1;
                sleep(PAUSE).await;
                if self.services[index].name == "zebra" {
                    break;
                }
                children[index] = self.start(&self.services[index], restarts[index]).await;
                load(&["-d", &self.services[index].name]).await;
            }
        }
    }

    async fn start(&self, service: &Service, restarts: u32) -> Child {
        loop {
            match spawn(service) {
                Ok(child) => {
                    self.show(service, Running { pid: child.id(), restarts });
                    wait_for(&service.name).await;
                    return child;
                }
                Err(error) => {
                    tracing::error!(error = metal_runtime::chain(error.as_ref()), "daemon not started");
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn show(&self, service: &Service, running: Running) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.insert(service.name.clone(), running);
    }
}

/// Gives the stored configuration to all daemons, or to those named.
async fn load(which: &[&str]) {
    let argv: Vec<String> = ["vtysh", "-b"].iter().chain(which).map(|word| (*word).to_owned()).collect();
    if let Err(error) = run_to_end(&argv).await {
        tracing::warn!(error = metal_runtime::chain(error.as_ref()), "stored configuration not loaded");
    }
}

fn service(daemon: &str, netns: bool) -> Service {
    Service { name: daemon.to_owned(), argv: argv(daemon, netns) }
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
