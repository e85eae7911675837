//! A node of the lab from the outside: started in the sandbox, given orders, looked into.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use metal_linux::namespace::Namespace;
use metal_linux::sandbox::{PidNamespace, Process, Unshare};
use metal_runtime::TaskTree;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
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
    /// To the task that talks with the node: who gives an order may lose interest before it is carried out.
    orders: mpsc::Sender<(Order, oneshot::Sender<anyhow::Result<Answer>>)>,
}

/// The conversation with a node, one order at a time.
struct Talk {
    name: String,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<(Order, oneshot::Sender<anyhow::Result<Answer>>)>,
        tree: &TaskTree,
    ) {
        loop {
            let next = tokio::select! {
                () = tree.cancelled() => return,
                next = inbox.recv() => next,
            };
            let Some((order, reply)) = next else { return };
            let answer = tokio::select! {
                () = tree.cancelled() => return,
                answer = self.exchange(&order) => answer,
            };
            let _ = reply.send(answer);
        }
    }

    async fn exchange(&mut self, order: &Order) -> anyhow::Result<Answer> {
        let name = &self.name;
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await.with_context(|| format!("give {name} an order"))?;
        let answer = self.answers.next_line().await.with_context(|| format!("hear {name}"))?;
        let line = answer.with_context(|| format!("the node {name} has ended"))?;
        serde_json::from_str(&line).with_context(|| format!("understand {name}"))
    }
}

impl Node {
    /// Starts a node; `directory` is made for it. The conversation with it ends with the tree.
    pub fn start(sandbox: &PidNamespace, spec: &Spec, tree: &TaskTree) -> anyhow::Result<Self> {
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
            name: spec.name.clone(),
            orders: ChildStdin::from_std(orders).context("talk to a node")?,
            answers: BufReader::new(ChildStdout::from_std(answers).context("listen to a node")?).lines(),
        };
        let (orders, inbox) = mpsc::channel(4);
        let branch = tree.clone();
        tree.spawn("talk to a node", async move { talk.run(inbox, &branch).await });
        let shared = Shared { name: spec.name.clone(), directory: spec.directory.clone(), process, orders };
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
        let (reply, answer) = oneshot::channel();
        let gone = || format!("the node {name} has ended: {}", self.last_words());
        self.shared.orders.send((order.clone(), reply)).await.with_context(gone)?;
        let answer = timeout(PATIENCE, answer).await.with_context(|| format!("{name} does not answer"))?;
        let answer = answer.with_context(gone)??;
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

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory().join("node.log")).unwrap_or_default();
        log.lines().last().unwrap_or("its log is empty").to_owned()
    }
}
