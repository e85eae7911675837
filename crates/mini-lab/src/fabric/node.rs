//! A node of the lab from the outside: started in the sandbox, given orders, looked into.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use metal_linux::namespace::Namespace;
use metal_linux::sandbox::{PidNamespace, Process, Unshare};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::node::{Answer, Frr, Order, Service, Spec};

/// Longer than any order takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running node. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Node {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    directory: PathBuf,
    process: Process,
    talk: Mutex<Talk>,
}

#[derive(Debug)]
struct Talk {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Node {
    /// Starts a node; `directory` is made for it.
    pub fn start(sandbox: &PidNamespace, spec: &Spec) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&spec.directory)
            .with_context(|| format!("create {}", spec.directory.display()))?;
        let log = std::fs::File::create(spec.directory.join("node.log")).context("create a node's log")?;
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command
            .arg("node")
            .arg(serde_json::to_string(spec)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process =
            sandbox.spawn(command, Unshare::ALL).with_context(|| format!("start the node {}", spec.name))?;
        let orders = process.stdin.take().context("a node reads orders")?;
        let answers = process.stdout.take().context("a node answers")?;
        let talk = Talk {
            orders: ChildStdin::from_std(orders).context("talk to a node")?,
            answers: BufReader::new(ChildStdout::from_std(answers).context("listen to a node")?).lines(),
        };
        let shared = Shared {
            name: spec.name.clone(),
            directory: spec.directory.clone(),
            process,
            talk: Mutex::new(talk),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its directory on the host.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Its process, as the host counts.
    pub fn pid(&self) -> u32 {
        self.shared.process.id()
    }

    /// Its network namespace.
    pub fn network(&self) -> anyhow::Result<Namespace> {
        Namespace::of_process(self.pid()).with_context(|| format!("open the network of {}", self.name()))
    }

    /// Has an order carried out.
    pub async fn order(&self, order: &Order) -> anyhow::Result<Answer> {
        let name = self.name();
        let exchange = async {
            let mut talk = self.shared.talk.lock().await;
            let mut line = serde_json::to_vec(order)?;
            line.push(b'\n');
            talk.orders.write_all(&line).await.with_context(|| format!("give {name} an order"))?;
            let answer = talk.answers.next_line().await.with_context(|| format!("hear {name}"))?;
            anyhow::Ok(answer)
        };
        let line = timeout(PATIENCE, exchange).await.with_context(|| format!("{name} does not answer"))??;
        let Some(line) = line else { bail!("the node {name} has ended: {}", self.last_words()) };
        let answer: Answer = serde_json::from_str(&line).with_context(|| format!("understand {name}"))?;
        match answer.error {
            Some(error) => bail!("{name}: {error}"),
            None => Ok(answer),
        }
    }

    pub async fn start_service(&self, name: &str, argv: &[&str]) -> anyhow::Result<()> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        self.order(&Order::Start(Service { name: name.to_owned(), argv })).await.map(drop)
    }

    pub async fn start_frr(
        &self,
        daemons: &[&str],
        netns: bool,
        config: Option<String>,
    ) -> anyhow::Result<()> {
        let daemons = daemons.iter().map(|daemon| (*daemon).to_owned()).collect();
        self.order(&Order::StartFrr(Frr { daemons, netns, config })).await.map(drop)
    }

    /// Runs a program in the node; answers what it has printed.
    pub async fn run(&self, argv: &[&str]) -> anyhow::Result<String> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        self.order(&Order::Run { argv }).await.map(|answer| answer.output)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory().join("node.log")).unwrap_or_default();
        log.lines().last().unwrap_or("its log is empty").to_owned()
    }
}
