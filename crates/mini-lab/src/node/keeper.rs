//! Keeps programs running in a node: the part of a service manager the lab needs.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use metal_runtime::TaskTree;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::frr::FrrKeeper;
use super::{Answer, LAB, Order, Running, Service};

/// Between the end of a program and its next start.
pub const PAUSE: Duration = Duration::from_millis(300);
/// How long a program may take to end when it is asked to.
const END: Duration = Duration::from_secs(5);
/// How long a program that is run to its end may take.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// What runs, by name.
pub type Table = Arc<Mutex<BTreeMap<String, Running>>>;

/// All programs of a node.
pub struct Keeper {
    tree: TaskTree,
    kept: BTreeMap<String, TaskTree>,
    table: Table,
    frr: Option<FrrKeeper>,
}

impl Keeper {
    pub fn new(tree: TaskTree) -> Self {
        Self { tree, kept: BTreeMap::new(), table: Table::default(), frr: None }
    }

    pub async fn obey(&mut self, order: Order) -> Answer {
        match self.carry_out(order).await {
            Ok(output) => {
                let running = self.table.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Answer { error: None, output, running }
            }
            Err(error) => Answer { error: Some(metal_runtime::chain(error.as_ref())), ..Answer::default() },
        }
    }

    async fn carry_out(&mut self, order: Order) -> anyhow::Result<String> {
        match order {
            Order::Start(service) => {
                self.stop(&service.name).await;
                self.start(service);
            }
            Order::Stop { name } => self.stop(&name).await,
            Order::StartFrr(frr) => {
                self.stop_frr().await;
                self.frr = Some(FrrKeeper::start(&self.tree, &self.table, &frr).await?);
            }
            Order::StopFrr => self.stop_frr().await,
            Order::Run { argv } => return run_to_end(&argv).await,
            Order::List => {}
        }
        Ok(String::new())
    }

    fn start(&mut self, service: Service) {
        let branch = self.tree.child(&service.name);
        let (own, table) = (branch.clone(), Arc::clone(&self.table));
        self.kept.insert(service.name.clone(), branch.clone());
        branch.spawn("keep", async move { keep(&service, &own, &table).await });
    }

    async fn stop(&mut self, name: &str) {
        if let Some(branch) = self.kept.remove(name) {
            branch.cancel();
            branch.idle().await;
        }
    }

    async fn stop_frr(&mut self) {
        if let Some(frr) = self.frr.take() {
            frr.stop().await;
        }
    }
}

/// Keeps one program running until the branch is cancelled.
async fn keep(service: &Service, branch: &TaskTree, table: &Table) {
    let mut restarts = 0;
    loop {
        let show = |pid| {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            table.insert(service.name.clone(), Running { pid, restarts });
        };
        match spawn(service) {
            Ok(mut child) => {
                show(child.id());
                let has_ended = tokio::select! {
                    () = branch.cancelled() => false,
                    _ = child.wait() => true,
                };
                if !has_ended {
                    end(&mut child).await;
                }
            }
            Err(error) => {
                tracing::error!(error = metal_runtime::chain(error.as_ref()), "program not started");
            }
        }
        show(None);
        restarts += 1;
        tokio::select! {
            () = branch.cancelled() => break,
            () = sleep(PAUSE) => {}
        }
    }
    table.lock().unwrap_or_else(PoisonError::into_inner).remove(&service.name);
}

pub fn spawn(service: &Service) -> anyhow::Result<Child> {
    let path = format!("{LAB}/{}.log", service.name);
    let open = || {
        let log = OpenOptions::new().create(true).append(true).open(&path);
        log.with_context(|| format!("open {path}"))
    };
    let (program, arguments) = service.argv.split_first().context("a program has a name")?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {program}"))
}

pub async fn end(child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if timeout(END, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Runs a program; answers what it has printed.
pub async fn run_to_end(argv: &[String]) -> anyhow::Result<String> {
    let (program, arguments) = argv.split_first().context("a program has a name")?;
    let running = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LONGEST_RUN, running)
        .await
        .with_context(|| format!("{program} does not end"))?
        .with_context(|| format!("start {program}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    anyhow::ensure!(
        output.status.success(),
        "{} ended with {}: {} {}",
        argv.join(" "),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}
