//! The whole agent between a device in memory and a control plane on a socket: joining, following, reporting, outages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metal_core::agent::Agent;
use metal_core::neighbor::{Chassis, Identity, NeighborHandle, PhoneHome, PortIdKind, Ports};
use metal_netconf::intent::PortClass;
use metal_proto::v1::{NotifyRequest, PortState};
use metal_runtime::TaskTree;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tonic::Code;

use crate::control_plane::{ControlPlane, Told};
use crate::device::{Fake, config, port, vni};

const MACHINE: &str = "00000000-0000-0000-0000-000000000007";

struct Leaf {
    dir: TempDir,
    device: Fake,
    api: ControlPlane,
    agent: Option<(Agent, TaskTree)>,
    calls: Option<mpsc::Sender<PhoneHome>>,
}

impl Leaf {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let api = ControlPlane::new(dir.path());
        let device = Fake::new(&["swp1", "swp2", "swp30", "swp31"]);
        Self { dir, device, api, agent: None, calls: None }
    }

    async fn start(&mut self) {
        let more = format!(
            "[api]\naddress = \"localhost:{}\"\nca_file = {:?}\ntoken_file = {:?}\n[extra]\nports = [\"swp30\"]\n",
            self.api.address.port(),
            self.api.ca_file,
            self.api.token_file,
        );
        let config = config(&self.dir.path().join("state"), &more);
        let tree = TaskTree::root("test");
        let (sender, calls) = mpsc::channel(16);
        let handle = NeighborHandle {
            ports: watch::Sender::new(Ports::new()),
            identity: watch::Sender::new(Identity {
                chassis: Chassis::PortMac,
                port_id: PortIdKind::default(),
                system_name: String::new(),
                system_description: String::new(),
            }),
            neighbors: watch::Sender::new(BTreeMap::new()).subscribe(),
            phone_homes: calls,
        };
        let driver = Arc::new(self.device.clone());
        let agent = Agent::start(Arc::new(config), driver, Some(handle), &tree).await.unwrap();
        (self.agent, self.calls) = (Some((agent, tree)), Some(sender));
    }

    async fn stop(&mut self) {
        let (_, tree) = self.agent.take().unwrap();
        let report = tree.shutdown(Duration::from_secs(10)).await;
        assert!(report.is_clean(), "{report:?}");
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, mut is_so: impl FnMut(&Told) -> bool) {
        for _ in 0..1500 {
            if is_so(&self.api.told()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {:?}", self.api.told());
    }

    async fn until_reported(&self, what: &str, is_so: impl Fn(&NotifyRequest) -> bool) {
        self.until(what, |told| told.notified.last().is_some_and(&is_so)).await;
    }

    async fn until_class(&self, name: &str, class: PortClass) {
        self.until("the class", |_| self.device.class(name) == Some(class)).await;
    }

    async fn phone_home(&self, on: &str, message: &str) {
        let (port, machine, message) = (on.to_owned(), MACHINE.to_owned(), message.to_owned());
        self.calls.as_ref().unwrap().send(PhoneHome { port, machine, message }).await.unwrap();
    }

    async fn get(&self, path: &str) -> String {
        let address = self.agent.as_ref().unwrap().0.metrics.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

#[tokio::test]
async fn a_switch_joins_registers_follows_and_reports() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.want(5, &[("swp1", "vrf7", MACHINE), ("swp2", "nonsense", ""), ("swp31", "", "")]);
    leaf.start().await;
    leaf.until_reported("the generation", |report| report.generation == 5).await;
    check_first_report(&leaf.api.told());
    assert_eq!(leaf.device.class("swp1"), Some(PortClass::Tenant(vni(7))));
    assert_eq!(leaf.device.class("swp2"), Some(PortClass::Isolated));
    leaf.api.want(6, &[("swp1", "", ""), ("swp2", "vrf8", "")]);
    leaf.until_reported("the next one", |report| report.generation == 6 && report.error.is_none()).await;
    assert_eq!(leaf.device.class("swp1"), Some(PortClass::Unprovisioned));
    leaf.stop().await;
}

fn check_first_report(told: &Told) {
    assert_eq!(told.joined[0].identity, "metal://switch/fra/leaf01");
    let registered = &told.registered[0];
    let names: Vec<&str> = registered.nics.iter().map(|nic| nic.name.as_str()).collect();
    assert_eq!(names, ["swp1", "swp2", "swp31"], "uplinks are told, extra ports are not");
    assert_eq!((registered.id.as_str(), registered.rack.as_str()), ("leaf01", "r01"));
    assert_eq!(registered.os.as_ref().unwrap().vendor, "Linux");
    let report = told.notified.last().unwrap();
    assert!(report.error.as_ref().unwrap().contains("no routing table"));
    assert_eq!(report.port_faults.keys().collect::<Vec<_>>(), ["swp2"]);
    assert_eq!(report.port_states["swp1"], i32::from(PortState::Up));
    assert_eq!(report.bgp_sessions[0].neighbor, "spine01");
    assert_eq!(report.bgp_port_states["swp31"].accepted_prefix_counter, 4);
}

#[tokio::test]
async fn new_ports_are_registered_and_a_forgotten_switch_registers_again() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.want(1, &[("swp1", "", "")]);
    leaf.start().await;
    leaf.until_reported("the first", |report| report.generation == 1).await;
    let fresh = leaf.device.lock().ports[&port("swp1")].clone();
    leaf.device.lock().ports.insert(port("swp9"), fresh);
    leaf.until("the new port", |told| told.registered.last().unwrap().nics.len() == 4).await;
    leaf.until_class("swp9", PortClass::Isolated).await;
    let before = leaf.api.told().registered.len();
    leaf.api.told().is_known = false;
    leaf.until("registered again", |told| told.registered.len() > before).await;
    leaf.stop().await;
}

#[tokio::test]
async fn an_outage_changes_nothing_and_is_caught_up_with() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.want(5, &[("swp1", "vrf7", MACHINE)]);
    leaf.start().await;
    leaf.until_reported("the first", |report| report.generation == 5).await;
    leaf.api.stop();
    // The agent starts anew without the control plane, on a device that has lost everything.
    leaf.stop().await;
    leaf.device.lock().slots.clear();
    leaf.start().await;
    leaf.until_class("swp1", PortClass::Tenant(vni(7))).await;
    assert!(leaf.get("/readyz").await.contains("not registered"));
    leaf.phone_home("swp1", "since 1").await;
    leaf.phone_home("swp1", "since 2").await;
    // It comes back, restored from a backup: its generations begin lower.
    leaf.api.told().notified.clear();
    leaf.api.want(3, &[("swp1", "", MACHINE)]);
    leaf.api.start();
    leaf.until("the call", |told| !told.homes.is_empty()).await;
    leaf.until_reported("the lower generation", |report| report.generation == 3).await;
    let told = leaf.api.told();
    assert!(
        told.notified.iter().all(|report| [0, 3].contains(&report.generation)),
        "5 means something else now"
    );
    assert!(told.subscribed.iter().all(|request| request.after == 0));
    assert_eq!(told.homes[0].machines, [MACHINE]);
    assert_eq!(told.homes.len(), 1, "the newest call of each machine");
    assert_eq!(told.joined.len(), 1, "the certificate was kept");
}

#[tokio::test]
async fn errors_of_the_control_plane_pass() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.told().refuses = Some(Code::Internal);
    leaf.api.want(5, &[("swp1", "vrf7", "")]);
    leaf.start().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(leaf.device.lock().slots.is_empty(), "nothing is known, nothing is touched");
    leaf.api.told().refuses = None;
    leaf.until_reported("the generation", |report| report.generation == 5).await;
    leaf.stop().await;
}

#[tokio::test]
async fn a_silent_control_plane_does_not_keep_the_agent_from_ending() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.told().is_silent = true;
    leaf.start().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    leaf.stop().await;
}

#[tokio::test]
async fn machines_are_believed_only_on_their_ports() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.want(5, &[("swp1", "vrf7", MACHINE), ("swp2", "", "")]);
    leaf.start().await;
    leaf.until_reported("the generation", |report| report.generation == 5).await;
    leaf.phone_home("swp2", "since 1").await;
    leaf.until("counted", |_| true).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(leaf.api.told().homes.is_empty());
    assert!(leaf.get("/metrics").await.contains("metal_core_phone_homes_misplaced_total 1\n"));
    leaf.phone_home("swp1", "since 1").await;
    leaf.until("the call", |told| told.homes.len() == 1).await;
    leaf.stop().await;
}

#[tokio::test]
async fn metrics_tell_what_is() {
    let mut leaf = Leaf::new();
    leaf.api.start();
    leaf.api.want(5, &[("swp1", "vrf7", MACHINE), ("swp2", "", "")]);
    leaf.start().await;
    leaf.until_reported("the generation", |report| report.generation == 5).await;
    let text = leaf.get("/metrics").await;
    for line in [
        "metal_core_generation_applied 5\n",
        "metal_core_generation_wanted 5\n",
        "metal_core_ports{class=\"tenant\"} 1\n",
        "metal_core_bgp_sessions{state=\"Established\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(leaf.get("/readyz").await.contains("200 OK"));
    assert!(leaf.get("/healthz").await.contains("200 OK"));
    assert!(leaf.get("/").await.contains("404"));
    leaf.stop().await;
}
