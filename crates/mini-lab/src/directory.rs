//! The one directory a lab lives in, and the plan in it that says what the lab is.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use metal_runtime::file::{write_private, write_public};
use metal_runtime::tls::KeyPair;
use metal_sim::{Config, Script};
use serde::{Deserialize, Serialize};

use crate::fabric::topology::Topology;

/// The longest path a socket can have on Linux.
const LONGEST_SOCKET: usize = 107;

/// What a lab is. Its presence makes a directory a lab's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub partition: String,
    pub racks: u16,
    pub machines_per_rack: u16,
    pub seed: u64,
    pub script: String,
    pub port: u16,
    pub grpc_port: u16,
    pub image_port: u16,
    pub metal_api: PathBuf,
    /// What the fabric is made of; none in a simulated lab.
    #[serde(default)]
    pub topology: Option<Topology>,
}

impl Plan {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What to simulate.
    pub fn simulation(&self) -> anyhow::Result<Config> {
        let mut config = Config::new(&self.partition, self.racks, self.machines_per_rack);
        config.seed = self.seed;
        // Large labs come up in tens of seconds, too.
        let machines = usize::from(self.racks) * usize::from(self.machines_per_rack);
        config.concurrent_boots = config.concurrent_boots.max(machines / 8);
        config.script = self.script.parse::<Script>()?;
        Ok(config)
    }
}

/// A lab's directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The lab at this path, which need not exist.
    pub fn at(root: &Path) -> anyhow::Result<Self> {
        let root =
            std::path::absolute(root).with_context(|| format!("find out where {} is", root.display()))?;
        let directory = Self { root };
        let socket = directory.socket();
        ensure!(
            socket.as_os_str().len() <= LONGEST_SOCKET,
            "{} is too long a path for a socket: give a shorter --dir",
            socket.display()
        );
        Ok(directory)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn plan_file(&self) -> PathBuf {
        self.root.join("lab.json")
    }

    pub fn socket(&self) -> PathBuf {
        self.root.join("lab.sock")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("mini-lab.log")
    }

    pub fn server_log(&self) -> PathBuf {
        self.root.join("metal-api.log")
    }

    pub fn server_pid(&self) -> PathBuf {
        self.root.join("metal-api.pid")
    }

    /// Where the nodes of a fabric keep their files.
    pub fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn metalctl_config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    pub fn environment(&self) -> PathBuf {
        self.root.join("env")
    }

    /// The plan, if this is a lab's directory.
    pub fn plan(&self) -> anyhow::Result<Option<Plan>> {
        let path = self.plan_file();
        match fs::read(&path) {
            Ok(bytes) => {
                let plan = serde_json::from_slice(&bytes);
                plan.with_context(|| format!("{} is not a lab's plan", path.display())).map(Some)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Makes the directory a lab's. Refuses to take over one that has other things in it.
    pub fn create(&self, plan: &Plan) -> anyhow::Result<()> {
        if self.plan()?.is_none() {
            fs::create_dir_all(&self.root).with_context(|| format!("create {}", self.root.display()))?;
            let mut entries =
                fs::read_dir(&self.root).with_context(|| format!("list {}", self.root.display()))?;
            if entries.next().is_some() {
                bail!("{} is not empty and no lab: give another --dir", self.root.display());
            }
        }
        write_public(&self.plan_file(), &serde_json::to_vec_pretty(plan)?)?;
        Ok(())
    }

    /// Removes the lab. A directory without a plan is not ours to remove.
    pub fn remove(&self) -> anyhow::Result<()> {
        ensure!(self.plan()?.is_some(), "{} is not a lab", self.root.display());
        fs::remove_dir_all(&self.root).with_context(|| format!("remove {}", self.root.display()))
    }

    fn credentials(&self, identity: &str) -> PathBuf {
        let name: String =
            identity.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        self.root.join("agents").join(name)
    }

    /// The certificate and key an agent joined with earlier.
    pub fn load_credentials(&self, identity: &str) -> Option<KeyPair> {
        let base = self.credentials(identity);
        let certificate_pem = fs::read_to_string(base.with_extension("crt")).ok()?;
        let key_pem = fs::read_to_string(base.with_extension("key")).ok()?;
        Some(KeyPair { certificate_pem, key_pem: key_pem.into() })
    }

    /// Keeps what an agent joined with.
    pub fn store_credentials(&self, identity: &str, own: &KeyPair) -> anyhow::Result<()> {
        let agents = self.root.join("agents");
        fs::create_dir_all(&agents).with_context(|| format!("create {}", agents.display()))?;
        let base = self.credentials(identity);
        write_private(&base.with_extension("key"), own.key_pem.expose().as_bytes())?;
        write_public(&base.with_extension("crt"), own.certificate_pem.as_bytes())?;
        Ok(())
    }
}

/// A port nobody listens on: the preferred one if possible.
pub fn free_port(preferred: u16) -> anyhow::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = bind(preferred).or_else(|_| bind(0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            partition: "mini-lab".to_owned(),
            racks: 1,
            machines_per_rack: 2,
            seed: 3,
            script: String::new(),
            port: 1,
            grpc_port: 2,
            image_port: 3,
            metal_api: "metal-api".into(),
            topology: None,
        }
    }

    #[test]
    fn a_plan_survives_and_removal_leaves_nothing() {
        let outer = tempfile::tempdir().unwrap();
        let directory = Directory::at(&outer.path().join("lab")).unwrap();
        assert_eq!(directory.plan().unwrap(), None);
        directory.create(&plan()).unwrap();
        assert_eq!(directory.plan().unwrap(), Some(plan()));
        directory.remove().unwrap();
        assert!(!directory.root().exists());
    }

    #[test]
    fn a_directory_with_other_things_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("thesis.tex"), "x").unwrap();
        let directory = Directory::at(outer.path()).unwrap();
        assert!(directory.create(&plan()).is_err());
        assert!(directory.remove().is_err());
        assert!(outer.path().join("thesis.tex").exists());
    }

    #[test]
    fn credentials_are_kept_per_identity() {
        let outer = tempfile::tempdir().unwrap();
        let directory = Directory::at(&outer.path().join("lab")).unwrap();
        directory.create(&plan()).unwrap();
        let own = KeyPair { certificate_pem: "c".to_owned(), key_pem: "k".into() };
        directory.store_credentials("metal://switch/a/b", &own).unwrap();
        assert!(directory.load_credentials("metal://switch/a/c").is_none());
        assert_eq!(directory.load_credentials("metal://switch/a/b").unwrap().certificate_pem, "c");
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }
}
