//! Starts and ends the programs under measurement: `metal-api` from the directory of this program, and etcd.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use metal_store::{EngineConfig, EtcdConfig};
use tempfile::TempDir;

use crate::load::{self, Signer};

/// Admin key of all servers under measurement.
pub const KEY: &str = "bench-admin-key";

/// Where a server keeps its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// redb in its data directory.
    Embedded,
    /// A single etcd member.
    Etcd,
}

/// A program that ends with this value.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: run `make build` first", path.display());
    }
    Ok(path)
}

/// A port nobody listens on.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// One etcd member with a directory of its own.
#[derive(Debug)]
pub struct Etcd {
    /// Client endpoint.
    pub endpoint: String,
    /// The process.
    pub process: Process,
    _dir: TempDir,
}

/// Starts etcd members that form one cluster.
pub fn etcd(members: usize) -> anyhow::Result<Vec<Etcd>> {
    let ports = (0..members).map(|_| Ok((free_port()?, free_port()?))).collect::<anyhow::Result<Vec<_>>>()?;
    let cluster: Vec<String> =
        ports.iter().enumerate().map(|(n, (_, peer))| format!("m{n}=http://127.0.0.1:{peer}")).collect();
    let mut all = Vec::new();
    for (n, (client, peer)) in ports.iter().enumerate() {
        let dir = work_dir()?;
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let child = Command::new("etcd")
            .args(["--name", &format!("m{n}"), "--data-dir"])
            .arg(dir.path().join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster.join(","), "--logger", "zap", "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start etcd: install it with `apt-get install etcd-server`")?;
        all.push(Etcd { endpoint: client, process: Process(child), _dir: dir });
    }
    Ok(all)
}

/// A directory below `target/bench`, on a real disk.
pub fn work_dir() -> anyhow::Result<TempDir> {
    let base = Path::new("target/bench");
    std::fs::create_dir_all(base)?;
    Ok(tempfile::Builder::new().prefix("work-").tempdir_in(base)?)
}

/// Engine settings for the endpoints of a cluster.
pub fn etcd_engine(members: &[Etcd]) -> EngineConfig {
    EngineConfig::Etcd(EtcdConfig {
        endpoints: members.iter().map(|m| m.endpoint.clone()).collect(),
        ..EtcdConfig::default()
    })
}

/// A running `metal-api`.
#[derive(Debug)]
pub struct Server {
    /// `host:port` of the REST API.
    pub address: String,
    /// Port of the agents' API.
    pub grpc_port: u16,
    /// Signs as administrator.
    pub signer: Signer,
    /// From start to ready.
    pub started_in: Duration,
    /// The process.
    pub process: Process,
    /// Its data directory.
    pub data: PathBuf,
}

impl Server {
    /// Starts a server on a data directory; `endpoints` selects etcd.
    pub async fn start(data: &Path, endpoints: Option<&[Etcd]>) -> anyhow::Result<Self> {
        let (port, grpc_port, metrics) = (free_port()?, free_port()?, free_port()?);
        let mut command = Command::new(program("metal-api")?);
        command
            .arg("serve")
            .args(["--port", &port.to_string(), "--grpc-port", &grpc_port.to_string()])
            .args([
                "--metrics-server-bind-addr",
                &format!("127.0.0.1:{metrics}"),
                "--rate-limit",
                "0",
                "--log-level",
                "warn",
            ])
            .arg("--data-dir")
            .arg(data);
        if let Some(members) = endpoints {
            let list: Vec<&str> = members.iter().map(|m| m.endpoint.as_str()).collect();
            command.args(["--etcd-endpoints", &list.join(",")]);
        }
        for role in ["VIEW", "EDIT", "ADMIN"] {
            command.env(format!("METAL_API_HMAC_{role}_KEY"), KEY);
        }
        command.env("METAL_API_HMAC_ADMIN_LIFETIME", "10m");
        let log = std::fs::File::create(data.join("server.log"))?;
        let start = Instant::now();
        let process =
            Process(command.stdout(log.try_clone()?).stderr(log).spawn().context("start metal-api")?);
        let mut server = Self {
            address: format!("127.0.0.1:{port}"),
            grpc_port,
            signer: Signer::new(KEY),
            started_in: Duration::ZERO,
            process,
            data: data.to_owned(),
        };
        server.ready(start).await?;
        Ok(server)
    }

    async fn ready(&mut self, start: Instant) -> anyhow::Result<()> {
        loop {
            if let Ok(mut sender) = load::connect(&self.address).await {
                let request = (http::Method::GET, "/readyz".to_owned(), bytes::Bytes::new());
                if let Ok((200, _)) = load::send(&mut sender, &[], request, true).await {
                    self.started_in = start.elapsed();
                    return Ok(());
                }
            }
            if start.elapsed() > Duration::from_secs(120) {
                bail!(
                    "metal-api is not ready after two minutes, see {}",
                    self.data.join("server.log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
