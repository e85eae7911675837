//! One lab for all tests of the suite, and what a test does with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use metal_client::{Client, HmacKind};
use metal_model::v1::{
    MachineAllocateRequest, MachineAllocationNetwork, MachineResponse, NetworkAllocateRequest,
    ProjectCreateRequest,
};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

/// How long anything that must happen may take on a slow machine; `METAL_PATIENCE` gives other seconds. Nothing asserts
/// that it takes less.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
    let given = std::env::var("METAL_PATIENCE").ok();
    Duration::from_secs(
        given.map_or(120, |text| text.parse().expect("METAL_PATIENCE is a number of seconds")),
    )
});
pub const PROJECT: &str = "00000000-0000-0000-0000-000000000001";
/// All the lab's machines.
pub const MACHINES: [&str; 4] = ["m1", "m2", "m3", "m4"];

/// The lab.
pub struct Lab {
    pub dir: PathBuf,
    pub client: Client,
}

static LAB: OnceLock<Mutex<Option<Lab>>> = OnceLock::new();

/// The lab, brought up by whoever comes first, with every machine waiting.
pub async fn lab() -> MutexGuard<'static, Option<Lab>> {
    let mut guard = LAB.get_or_init(Mutex::default).lock().await;
    if guard.is_none() {
        *guard = Some(Lab::up().await);
    }
    guard.as_ref().unwrap().clean().await;
    guard
}

/// The id of a machine of the lab.
pub fn id(machine: &str) -> String {
    format!("00000000-0000-0000-0000-00000000000{}", machine.strip_prefix('m').unwrap())
}

pub fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_mini-lab")).with_file_name(name)
}

impl Lab {
    async fn up() -> Self {
        assert!(rustix::process::geteuid().is_root(), "the fabric suite makes namespaces: run it as root");
        for needed in ["metal-api", "metal-core", "metalctl"] {
            assert!(
                program(needed).exists(),
                "{needed} is missing beside mini-lab: run `cargo build --bins` first"
            );
        }
        let dir = std::env::temp_dir().join(format!("fabric-{}", std::process::id()));
        // The usual fabric, or one with more patient timers.
        let topology = std::env::var("METAL_TOPOLOGY").ok();
        let more = topology.into_iter().flat_map(|file| ["--topology".to_owned(), file]).collect();
        spawn(dir.clone(), more);
        let deadline = Instant::now() + *PATIENCE * 2;
        loop {
            let status = run(&dir, &["status", "--json"]);
            let text = String::from_utf8_lossy(&status.stdout).into_owned();
            if text.contains("\"failed\"") {
                panic!("the lab does not come up: {text}{}", logs(&dir));
            }
            if text.contains("\"running\"") {
                break;
            }
            assert!(Instant::now() < deadline, "the lab does not come up: {text}{}", logs(&dir));
            sleep(Duration::from_millis(200)).await;
        }
        Self { client: client(&dir), dir }
    }

    /// Runs a program in a node; panics if it fails.
    pub fn shell(&self, node: &str, command: &[&str]) -> String {
        let output = self.try_shell(node, command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{node}: {command:?}: {out}{err}");
        out
    }

    /// Runs a program in a node.
    pub fn try_shell(&self, node: &str, command: &[&str]) -> Output {
        let arguments: Vec<&str> = ["shell", node, "--"].into_iter().chain(command.iter().copied()).collect();
        run(&self.dir, &arguments)
    }

    /// vtysh in a node.
    pub fn vtysh(&self, node: &str, command: &str) -> String {
        self.shell(node, &["vtysh", "-c", command])
    }

    /// Kills a program in one node, as it would be by the kernel.
    pub fn kill(&self, node: &str, program: &str) {
        let script = format!("pkill -9 --ns $$ --nslist net -x {program}");
        self.shell(node, &["sh", "-c", &script]);
    }

    /// Whether one address answers another, three tries at most; `size` octets in one piece.
    pub fn pings(&self, node: &str, address: &str, size: usize) -> bool {
        let size = size.to_string();
        let command = ["ping", "-c", "1", "-W", "1", "-M", "do", "-s", &size, address];
        (0..3).any(|_| self.try_shell(node, &command).status.success())
    }

    /// Waits until an address answers.
    pub async fn until_pings(&self, node: &str, address: &str) {
        self.until(&format!("{node} reaches {address}"), async || self.pings(node, address, 56)).await;
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + *PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.state());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What helps to see why something did not happen.
    fn state(&self) -> String {
        let of = |node| {
            let said = |command| String::from_utf8_lossy(&self.try_shell(node, command).stdout).into_owned();
            let bgp = said(&["vtysh", "-c", "show bgp vrf all summary"]);
            let log = std::fs::read_to_string(self.dir.join("nodes").join(node).join("metal-core.log"));
            format!("== {node}\n{bgp}\n{}", tail(&log.unwrap_or_default(), 15))
        };
        format!("{}\n{}\n{}", of("leaf01"), of("leaf02"), logs(&self.dir))
    }

    pub async fn machine(&self, machine: &str) -> MachineResponse {
        self.client.machine().get(&id(machine)).await.unwrap()
    }

    /// A network of its own for a project.
    pub async fn network(&self, project: &str, name: &str) -> String {
        let request = NetworkAllocateRequest {
            name: Some(name.to_owned()),
            projectid: Some(project.to_owned()),
            partitionid: Some("mini-lab".to_owned()),
            ..NetworkAllocateRequest::default()
        };
        self.client.network().allocate(&request).await.unwrap().id
    }

    /// A second project with another tenant's name on it.
    pub async fn project(&self, name: &str) -> String {
        let request = ProjectCreateRequest {
            name: name.to_owned(),
            tenant_id: "demo".to_owned(),
            ..Default::default()
        };
        self.client.project().create(&request).await.unwrap().meta.id
    }

    /// Allocates this very machine.
    pub async fn allocate(&self, machine: &str, project: &str, network: &str) -> MachineResponse {
        let request = MachineAllocateRequest {
            uuid: Some(id(machine)),
            name: Some(machine.to_owned()),
            hostname: Some(machine.to_owned()),
            projectid: project.to_owned(),
            partitionid: "mini-lab".to_owned(),
            sizeid: "c1-xlarge-x86".to_owned(),
            imageid: "debian-12".to_owned(),
            networks: vec![MachineAllocationNetwork { networkid: network.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        // Until its leaves have confirmed that it is isolated from its last network it is refused, which is right.
        let deadline = Instant::now() + *PATIENCE;
        loop {
            match self.client.machine().allocate(&request).await {
                Ok(machine) => return machine,
                Err(error) => {
                    assert!(Instant::now() < deadline, "allocate {machine}: {error}\n{}", self.state());
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until the system of a machine has announced itself.
    pub async fn until_home(&self, machine: &str) -> MachineResponse {
        self.until(&format!("{machine} phones home"), async || {
            newest(&self.machine(machine).await) == "Phoned Home"
        })
        .await;
        self.machine(machine).await
    }

    /// Frees whatever is allocated and waits until every machine waits again.
    pub async fn clean(&self) {
        for machine in MACHINES {
            self.until(&format!("{machine} can be freed"), async || {
                let Ok(found) = self.client.machine().get(&id(machine)).await else { return false };
                found.allocation.is_none() || self.client.machine().free(&id(machine)).await.is_ok()
            })
            .await;
        }
        for machine in MACHINES {
            self.until(&format!("{machine} waits"), async || {
                let Ok(found) = self.client.machine().get(&id(machine)).await else { return false };
                newest(&found) == "Waiting" && found.allocation.is_none()
            })
            .await;
        }
        self.until("both leaves are in the intended state", async || self.is_settled().await).await;
    }

    /// Whether each leaf has applied the newest configuration, without errors.
    pub async fn is_settled(&self) -> bool {
        // What the leaf is as wanted by may be older than what the control plane wants.
        let Ok(switches) = self.client.switch().list().await else { return false };
        if switches.iter().flat_map(|switch| &switch.nics).any(|nic| nic.pending) {
            return false;
        }
        let plan = |leaf| {
            let config = "/lab/metal-core.toml";
            self.try_shell(leaf, &["/opt/metal/metal-core", "--config", config, "plan"])
        };
        ["leaf01", "leaf02"].iter().all(|leaf| {
            let output = plan(leaf);
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("is as wanted")
        })
    }

    /// What metalctl prints.
    pub fn metalctl(&self, arguments: &[&str]) -> String {
        let config = self.dir.join("config.yaml");
        let output = Command::new(program("metalctl"))
            .env("METALCTL_CONFIG", config)
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

/// The addresses of a machine in its private network, IPv4 first.
pub fn addresses(machine: &MachineResponse) -> Vec<String> {
    let networks = &machine.allocation.as_ref().unwrap().networks;
    let mut all: Vec<String> =
        networks.iter().filter(|network| network.private).flat_map(|it| it.ips.clone()).collect();
    all.sort_by_key(|ip| ip.contains(':'));
    all
}

/// The VRF of a machine's private network.
pub fn vrf(machine: &MachineResponse) -> String {
    let networks = &machine.allocation.as_ref().unwrap().networks;
    format!("vrf{}", networks.iter().find(|network| network.private).unwrap().vrf)
}

pub fn newest(machine: &MachineResponse) -> &str {
    machine.events.log.first().map_or("", |event| event.event.as_str())
}

/// Starts a lab in the foreground, which dies with this process: the thread that started it never ends.
pub fn spawn(dir: PathBuf, more: Vec<String>) {
    std::thread::spawn(move || {
        let log = std::fs::File::create(dir.with_extension("log")).unwrap();
        let mut lab = Command::new("setpriv");
        lab.args(["--pdeathsig", "KILL", "--"]).arg(env!("CARGO_BIN_EXE_mini-lab")).arg("--dir").arg(&dir);
        lab.args(["up", "--foreground", "--port", "0", "--grpc-port", "0"]).args(more);
        let child = lab.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let _ = child.unwrap().wait();
        loop {
            std::thread::park();
        }
    });
}

pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mini-lab")).arg("--dir").arg(dir).args(arguments).output().unwrap()
}

/// A client made from what the lab wrote for metalctl.
pub fn client(dir: &Path) -> Client {
    let context = std::fs::read(dir.join("config.yaml")).unwrap();
    let context: serde_json::Value = serde_json::from_slice(&context).unwrap();
    let context = &context["contexts"]["mini-lab"];
    let of = |key: &str| context[key].as_str().unwrap().to_owned();
    Client::builder(&of("url")).hmac(HmacKind::Admin, of("hmac")).build().unwrap()
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn logs(dir: &Path) -> String {
    let read = |path: PathBuf| tail(&std::fs::read_to_string(path).unwrap_or_default(), 20);
    format!("{}\n{}", read(dir.with_extension("log")), read(dir.join("metal-api.log")))
}
