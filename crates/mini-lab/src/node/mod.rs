//! A node of the lab from the inside: a switch, a machine, a host, as one process in namespaces of its own.
//!
//! The lab starts `mini-lab node SPEC` in a sandbox. It makes the switches' system its root directory, and then does
//! what a service manager does on real devices: starts what it is told, starts it again when it dies, and stops it.
//! Orders come as lines of JSON on standard input, answers go to standard output. When the lab dies, input ends, and so
//! does the node with all it has started.

mod frr;
mod keeper;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use metal_linux::sandbox::{Bind, Root, enter_root};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use keeper::Keeper;

/// Memory for what a node writes outside its log directory.
const SCRATCH: u64 = 64 << 20;
/// Where the lab's directory for this node is seen inside it.
pub const LAB: &str = "/lab";
/// Where our programs are seen inside it.
pub const PROGRAMS: &str = "/opt/metal";

/// What a node is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    /// The system of the switches.
    pub rootfs: PathBuf,
    /// The lab's directory for this node: logs and configuration.
    pub directory: PathBuf,
    /// Where our programs are.
    pub programs: PathBuf,
}

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Start a program, and again whenever it ends.
    Start(Service),
    /// Stop it.
    Stop { name: String },
    /// Start FRR's daemons, and again whenever one ends.
    StartFrr(Frr),
    /// Stop them.
    StopFrr,
    /// Run a program to its end.
    Run { argv: Vec<String> },
    /// Tell what runs.
    List,
}

/// A program that shall run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    /// The program and its arguments, with paths as the node sees them.
    pub argv: Vec<String>,
}

/// How FRR shall run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frr {
    /// Which daemons, in the order of starting.
    pub daemons: Vec<String>,
    /// Whether routing tables are network namespaces.
    pub netns: bool,
    /// What `/etc/frr/frr.conf` holds at the first start; an empty one if absent.
    pub config: Option<String>,
}

/// What a node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why the order was not carried out.
    pub error: Option<String>,
    /// What a program run to its end has printed.
    #[serde(default)]
    pub output: String,
    /// What runs: process id inside the node, and how often it was started again.
    #[serde(default)]
    pub running: BTreeMap<String, Running>,
}

/// A program that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: Option<u32>,
    pub restarts: u32,
}

/// Becomes the node. Called before any thread is started, because of the namespaces.
pub fn run(spec: &str) -> anyhow::Result<()> {
    let spec: Spec = serde_json::from_str(spec).context("understand the node's specification")?;
    let bind = |source: &PathBuf, target: &str, read_only| Bind {
        source: source.clone(),
        target: target.into(),
        read_only,
    };
    let root = Root {
        lower: spec.rootfs.clone(),
        scratch: SCRATCH,
        binds: vec![bind(&spec.directory, LAB, false), bind(&spec.programs, PROGRAMS, true)],
        hostname: spec.name.clone(),
    };
    enter_root(&root).map_err(chained).with_context(|| format!("make the node {}", spec.name))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve())
}

fn chained(error: metal_linux::sandbox::SandboxError) -> anyhow::Error {
    anyhow::Error::new(error)
}

async fn serve() -> anyhow::Result<()> {
    let tree = metal_runtime::TaskTree::root("node");
    let mut keeper = Keeper::new(tree.clone());
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut answers = tokio::io::stdout();
    while let Some(line) = orders.next_line().await.context("read an order")? {
        let answer = match serde_json::from_str::<Order>(&line) {
            Ok(order) => keeper.obey(order).await,
            Err(error) => Answer { error: Some(format!("not an order: {error}")), ..Answer::default() },
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        answers.write_all(&text).await.context("answer")?;
        answers.flush().await.context("answer")?;
    }
    tree.cancel();
    tree.idle().await;
    Ok(())
}
