//! The control plane as a child process: started, watched, started again if it dies, ended in order.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use metal_client::{Client, HmacKind};
use metal_runtime::TaskTree;
use metal_runtime::file::write_public;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::directory::{Directory, Plan};

/// How long the control plane may take to answer for the first time, and to end.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(25);
/// How long the simulation may take to end before its control plane does.
const GOOD_BYE: Duration = Duration::from_secs(8);

/// Starts the control plane and keeps it running until the tree is cancelled and `clients` have said good-bye.
pub fn start(directory: &Directory, plan: &Plan, tree: &TaskTree, clients: TaskTree) -> anyhow::Result<()> {
    end_leftover(directory)?;
    let mut child = spawn(directory, plan)?;
    let (directory, plan, branch) = (directory.clone(), plan.clone(), tree.clone());
    tree.spawn_essential("metal-api", async move {
        loop {
            tokio::select! {
                () = branch.cancelled() => {
                    let _ = timeout(GOOD_BYE, clients.idle()).await;
                    return end(&mut child).await;
                }
                status = child.wait() => {
                    let status = status.map(|status| status.to_string()).unwrap_or_default();
                    tracing::warn!(status, "metal-api ended, starting it again");
                }
            }
            tokio::select! {
                () = branch.cancelled() => return,
                () = sleep(Duration::from_secs(1)) => {}
            }
            match spawn(&directory, &plan) {
                Ok(fresh) => child = fresh,
                Err(error) => {
                    tracing::error!(error = metal_runtime::chain(error.as_ref()), "metal-api not started");
                    return;
                }
            }
        }
    });
    Ok(())
}

fn spawn(directory: &Directory, plan: &Plan) -> anyhow::Result<Child> {
    let path = directory.server_log();
    let open = || {
        let log = OpenOptions::new().create(true).append(true).open(&path);
        log.with_context(|| format!("open {}", path.display()))
    };
    // The kernel ends it when the lab dies without a word.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&plan.metal_api)
        .arg("serve")
        .arg("--data-dir")
        .arg(directory.data())
        .args(["--bind-addr", "127.0.0.1", "--port", &plan.port.to_string()])
        .args(["--grpc-port", &plan.grpc_port.to_string()])
        .args(["--metrics-server-bind-addr", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .spawn()
        .with_context(|| format!("start {}", plan.metal_api.display()))?;
    if let Some(pid) = child.id() {
        write_public(&directory.server_pid(), pid.to_string().as_bytes())?;
    }
    Ok(child)
}

async fn end(child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(END, child.wait()).await.is_err() {
        tracing::warn!("metal-api does not end, killing it");
        let _ = child.kill().await;
    }
}

/// Ends a control plane whose lab was killed. Only a process that names this lab's data directory is ours.
pub fn end_leftover(directory: &Directory) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read_to_string(directory.server_pid()) else { return Ok(()) };
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    let data = directory.data();
    let is_ours = || {
        let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes())
    };
    if !is_ours() {
        return Ok(());
    }
    kill_process(pid, Signal::TERM).context("end the metal-api of an earlier lab")?;
    let begun = std::time::Instant::now();
    while test_kill_process(pid).is_ok() && is_ours() {
        if begun.elapsed() > END {
            bail!("the metal-api of an earlier lab (process {}) does not end", pid.as_raw_nonzero());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A client of the control plane, once it answers.
pub async fn connect(directory: &Directory, plan: &Plan) -> anyhow::Result<(Client, String)> {
    let deadline = Instant::now() + START;
    loop {
        match attempt(directory, plan).await {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > deadline => {
                let log = directory.server_log();
                return Err(error.context(format!("metal-api does not answer, see {}", log.display())));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn attempt(directory: &Directory, plan: &Plan) -> anyhow::Result<(Client, String)> {
    let path = directory.data().join("hmac-admin-key");
    let key = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let key = key.trim().to_owned();
    let client = Client::builder(&plan.url()).hmac(HmacKind::Admin, key.clone()).build()?;
    // Listing needs the key, so that somebody else's server on this port is not taken for ours.
    client.partition().list().await.context("ask for the partitions")?;
    Ok((client, key))
}
