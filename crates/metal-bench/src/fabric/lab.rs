//! A lab of our own: brought up, asked, gone into, and removed at the end.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use metal_client::{Client, HmacKind};
use metal_linux::namespace::Namespace;
use metal_linux::netlink::Netlink;
use metal_linux::sandbox::enter;
use metal_model::v1::{
    MachineAllocateRequest, MachineAllocationNetwork, MachineResponse, NetworkAllocateRequest,
};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::server::program;

const PROJECT: &str = "00000000-0000-0000-0000-000000000001";
const PARTITION: &str = "mini-lab";
/// After this long without success the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// A search path that is right inside a node.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A running lab.
pub struct Lab {
    /// Speaks to its control plane.
    pub client: Client,
    /// The process of each node.
    pub nodes: BTreeMap<String, u32>,
    dir: PathBuf,
    process: Child,
    _temporary: TempDir,
}

impl Lab {
    /// Starts a lab and waits until it runs. It ends with the calling thread, which must be the main one.
    pub async fn up() -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new().prefix("metal-bench-").tempdir()?;
        let dir = temporary.path().join("lab");
        let log = std::fs::File::create(temporary.path().join("log"))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program("mini-lab")?)
            .arg("--dir")
            .arg(&dir)
            .args(["up", "--foreground", "--port", "0", "--grpc-port", "0"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start mini-lab")?;
        let client = Client::builder("http://127.0.0.1:1").build()?;
        let mut lab = Self { client, nodes: BTreeMap::new(), dir, process, _temporary: temporary };
        lab.until_running().await?;
        lab.client = client_of(&lab.dir)?;
        Ok(lab)
    }

    async fn until_running(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let output = Command::new(program("mini-lab")?)
                .arg("--dir")
                .arg(&self.dir)
                .args(["status", "--json"])
                .output()?;
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if status["stage"] == "running" {
                self.nodes = serde_json::from_value(status["nodes"].clone())?;
                return Ok(());
            }
            if status["stage"] == "failed" || start.elapsed() > PATIENCE || self.process.try_wait()?.is_some()
            {
                let mut log = String::new();
                let path = self.dir.with_file_name("log");
                std::fs::File::open(path)?.read_to_string(&mut log)?;
                bail!("the lab does not come up: {}{log}", status["failure"]);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process of a node.
    pub fn pid(&self, node: &str) -> anyhow::Result<u32> {
        self.nodes.get(node).copied().with_context(|| format!("the lab has no node {node}"))
    }

    /// Starts a program in a node.
    pub fn start(&self, node: &str, words: &[&str]) -> anyhow::Result<Child> {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("PATH", PATH).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(enter(self.pid(node)?, command)?)
    }

    /// What a program in a node prints, and whether it ended well.
    pub fn run(&self, node: &str, words: &[&str]) -> anyhow::Result<(bool, String)> {
        let output = self.start(node, words)?.wait_with_output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Waits until an address answers a node; looks about fifty times a second.
    pub async fn until_pings(&self, node: &str, address: &str) -> anyhow::Result<()> {
        self.until(&format!("{node} reaches {address}"), async || {
            Ok(self.run(node, &["ping", "-c", "1", "-W", "0.1", "-q", address])?.0)
        })
        .await
    }

    /// Waits until something holds.
    pub async fn until(
        &self,
        what: &str,
        holds: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !holds().await? {
            if start.elapsed() > PATIENCE {
                bail!("waited two minutes in vain: {what}");
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Netlink in a node's own namespace.
    pub fn netlink(&self, node: &str) -> anyhow::Result<Netlink> {
        let path = format!("/proc/{}/ns/net", self.pid(node)?);
        Ok(Netlink::open(Some(&Namespace::open(Path::new(&path))?))?)
    }

    /// A new private network.
    pub async fn network(&self, name: &str) -> anyhow::Result<String> {
        let request = NetworkAllocateRequest {
            name: Some(name.to_owned()),
            projectid: Some(PROJECT.to_owned()),
            partitionid: Some(PARTITION.to_owned()),
            ..NetworkAllocateRequest::default()
        };
        Ok(self.client.network().allocate(&request).await?.id)
    }

    /// Allocates this very machine.
    pub async fn allocate(&self, machine: &str, network: &str) -> anyhow::Result<MachineResponse> {
        let request = MachineAllocateRequest {
            uuid: Some(id(machine)),
            name: Some(machine.to_owned()),
            hostname: Some(machine.to_owned()),
            projectid: PROJECT.to_owned(),
            partitionid: PARTITION.to_owned(),
            sizeid: "c1-xlarge-x86".to_owned(),
            imageid: "debian-12".to_owned(),
            networks: vec![MachineAllocationNetwork { networkid: network.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        self.client.machine().allocate(&request).await.with_context(|| format!("allocate {machine}"))
    }

    /// Waits for the newest event of a machine to be this one; without an allocation if it is to wait.
    pub async fn until_event(&self, machine: &str, event: &str) -> anyhow::Result<()> {
        self.until(&format!("{machine} is {event}"), async || {
            let Ok(found) = self.client.machine().get(&id(machine)).await else { return Ok(false) };
            let is_free = event != "Waiting" || found.allocation.is_none();
            Ok(is_free && found.events.log.first().is_some_and(|newest| newest.event == event))
        })
        .await
    }

    /// Waits until both sessions of each of these machines are up.
    pub async fn until_connected(&self, machines: &[&str]) -> anyhow::Result<()> {
        for machine in machines {
            self.until(&format!("both sessions of {machine} are up"), async || {
                let (_, text) = self.run(machine, &["vtysh", "-c", "show bgp summary json"])?;
                Ok(text.matches("\"Established\"").count() >= 2)
            })
            .await?;
        }
        Ok(())
    }

    /// Processes of a node with one of these names. Nodes share the lab's process ids; only their networks are apart.
    pub fn processes(&self, node: &str, names: &[&str]) -> anyhow::Result<Vec<(String, u32)>> {
        let inside = std::fs::read_link(format!("/proc/{}/ns/net", self.pid(node)?))?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // Others come and go while we look.
            let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { continue };
            let Ok(program) = std::fs::read_to_string(format!("/proc/{pid}/comm")) else { continue };
            if namespace == inside && names.contains(&program.trim()) {
                found.push((program.trim().to_owned(), pid));
            }
        }
        Ok(found)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Ok(mini_lab) = program("mini-lab") {
            // If it cannot be told to end, it is ended.
            let _ = Command::new(mini_lab).arg("--dir").arg(&self.dir).arg("down").output();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The id of a machine of the usual fabric.
pub fn id(machine: &str) -> String {
    format!("00000000-0000-0000-0000-00000000000{}", machine.trim_start_matches('m'))
}

/// The first IPv4 address of a machine in its private network.
pub fn address(machine: &MachineResponse) -> anyhow::Result<String> {
    let networks = machine.allocation.iter().flat_map(|allocation| &allocation.networks);
    let mut all = networks.filter(|network| network.private).flat_map(|network| &network.ips);
    all.find(|ip| !ip.contains(':')).cloned().context("a machine in a network has an IPv4 address")
}

fn client_of(dir: &Path) -> anyhow::Result<Client> {
    let context: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("config.yaml"))?)?;
    let context = &context["contexts"]["mini-lab"];
    let of = |key: &str| context[key].as_str().with_context(|| format!("{key} in the lab's config.yaml"));
    Ok(Client::builder(of("url")?).hmac(HmacKind::Admin, of("hmac")?).build()?)
}
