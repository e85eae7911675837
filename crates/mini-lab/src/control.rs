//! The socket between the background process and the commands: one word in, one line of JSON out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::directory::Directory;

/// Longer than any stop takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the lab is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub stage: Stage,
    /// Why it failed, where it did.
    pub failure: Option<String>,
    pub switches: usize,
    /// How many machines are in which phase.
    pub machines: BTreeMap<String, usize>,
    /// The network made for the first machines.
    pub network: Option<String>,
    /// The process of each node, as the host counts; empty in a simulated lab.
    #[serde(default)]
    pub nodes: BTreeMap<String, u32>,
    /// What each machine of a fabric is doing, by UUID.
    #[serde(default)]
    pub phases: BTreeMap<String, String>,
    /// The lab's own process.
    #[serde(default)]
    pub pid: u32,
    /// What takes long right now.
    #[serde(default)]
    pub step: String,
}

/// How far the lab has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The system of the switches is built, if it is not there.
    #[default]
    System,
    /// Nodes and cables are made.
    Fabric,
    /// The control plane starts.
    Server,
    /// Partition, sizes, images, networks are made.
    Resources,
    /// Agents get their certificates.
    Agents,
    /// The data centre runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It could not be started.
    Failed,
}

impl Report {
    pub fn count(&self, phase: metal_sim::Phase) -> usize {
        self.machines.get(phase.word()).copied().unwrap_or_default()
    }
}

/// Answers commands, for ever. `stop` is called when somebody asks for it.
pub async fn serve(listener: &UnixListener, report: impl Fn() -> Report, stop: impl Fn()) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Commands are rare and answered at once; one that hangs must not hold up the next for long.
        let answered = timeout(Duration::from_secs(5), answer(stream, &report, &stop)).await;
        if let Ok(Err(error)) = answered {
            tracing::debug!(error = metal_runtime::chain(error.as_ref()), "command not answered");
        }
    }
}

async fn answer(stream: UnixStream, report: &impl Fn() -> Report, stop: &impl Fn()) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut word = String::new();
    BufReader::new(read.take(64)).read_line(&mut word).await?;
    match word.trim() {
        "status" => {}
        "stop" => stop(),
        _ => bail!("unknown command"),
    }
    let mut line = serde_json::to_vec(&report())?;
    line.push(b'\n');
    write.write_all(&line).await?;
    Ok(())
}

/// What the lab is doing; nothing if no lab runs.
pub async fn ask(directory: &Directory, word: &str) -> anyhow::Result<Option<Report>> {
    let Ok(mut stream) = UnixStream::connect(directory.socket()).await else { return Ok(None) };
    let exchange = async {
        stream.write_all(format!("{word}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        anyhow::Ok(line)
    };
    let line = timeout(PATIENCE, exchange).await.context("the lab does not answer")??;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&line).context("understand what the lab answers").map(Some)
}

/// Waits until no lab runs any more.
pub async fn wait_for_end(directory: &Directory) -> anyhow::Result<()> {
    let gone = async {
        while UnixStream::connect(directory.socket()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, gone).await.context("the lab does not stop")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[tokio::test]
    async fn a_running_lab_answers_and_a_stopped_one_does_not() {
        let outer = tempfile::tempdir().unwrap();
        let directory = Directory::at(outer.path()).unwrap();
        assert_eq!(ask(&directory, "status").await.unwrap(), None);
        let listener = UnixListener::bind(directory.socket()).unwrap();
        let stops = std::sync::atomic::AtomicU32::new(0);
        let report = || Report { switches: 3, ..Report::default() };
        let asking = async {
            assert_eq!(ask(&directory, "status").await.unwrap().unwrap().switches, 3);
            ask(&directory, "stop").await.unwrap();
        };
        tokio::select! {
            never = serve(&listener, report, || { stops.fetch_add(1, Relaxed); }) => match never {},
            () = asking => {}
        }
        assert_eq!(stops.load(Relaxed), 1);
        drop(listener);
        wait_for_end(&directory).await.unwrap();
    }
}
