//! A whole lab, as a newcomer would run it: up, allocate, lose the control plane, stop, continue, down.
//!
//! Runs against the programs beside this one. The control plane is another package's program, which cargo builds for
//! the whole workspace but not for this package alone; without it the test fails and says so.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod fabric;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use metal_client::{Client, HmacKind};
use metal_model::v1::{
    FirewallCreateRequest, MachineAllocateRequest, MachineAllocationNetwork, MachineResponse,
    NetworkFindRequest,
};

const LONG: Duration = Duration::from_secs(90);
const PROJECT: &str = "00000000-0000-0000-0000-000000000001";

struct Lab {
    _outer: tempfile::TempDir,
    dir: PathBuf,
}

impl Lab {
    fn run(&self, arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_mini-lab");
        Command::new(program).arg("--dir").arg(&self.dir).args(arguments).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let log = |name: &str| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let logs = || format!("{}\n{}", log("mini-lab.log"), log("metal-api.log"));
        assert!(output.status.success(), "{arguments:?}: {out}{err}\n{}", logs());
        out
    }

    fn up(&self) -> String {
        self.succeed(&[
            "up",
            "--simulated",
            "--racks",
            "1",
            "--machines-per-rack",
            "11",
            "--port",
            "0",
            "--grpc-port",
            "0",
        ])
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.succeed(&["status", "--json"])).unwrap()
    }

    /// A client made from what the lab wrote for metalctl.
    fn client(&self) -> Client {
        let context = std::fs::read(self.dir.join("config.yaml")).unwrap();
        let context: serde_json::Value = serde_json::from_slice(&context).unwrap();
        let context = &context["contexts"]["mini-lab"];
        let of = |key: &str| context[key].as_str().unwrap().to_owned();
        Client::builder(&of("url")).hmac(HmacKind::Admin, of("hmac")).build().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.dir.exists() {
            self.run(&["down"]);
        }
    }
}

/// Waits until a machine is as wanted, however often the connection breaks.
async fn until(client: &Client, id: &str, wanted: impl Fn(&MachineResponse) -> bool) -> MachineResponse {
    let reached = async {
        loop {
            if let Ok(machine) = client.machine().get(id).await
                && wanted(&machine)
            {
                return machine;
            }
            // A poll, because the server this asks is killed meanwhile.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let reached = tokio::time::timeout(LONG, reached).await;
    match reached {
        Ok(machine) => machine,
        Err(_) => panic!("never as wanted: {:?}", client.machine().get(id).await),
    }
}

fn newest(machine: &MachineResponse) -> &str {
    machine.events.log.first().map_or("", |event| event.event.as_str())
}

fn request(name: &str, size: &str, image: &str, networks: &[&str]) -> MachineAllocateRequest {
    let network = |id: &&str| MachineAllocationNetwork { networkid: (*id).to_owned(), ..Default::default() };
    MachineAllocateRequest {
        name: Some(name.to_owned()),
        hostname: Some(name.to_owned()),
        projectid: PROJECT.to_owned(),
        partitionid: "mini-lab".to_owned(),
        sizeid: size.to_owned(),
        imageid: image.to_owned(),
        networks: networks.iter().map(network).collect(),
        ..Default::default()
    }
}

async fn project_network(client: &Client) -> String {
    let wanted = NetworkFindRequest { projectid: Some(PROJECT.to_owned()), ..Default::default() };
    client.network().find(&wanted).await.unwrap().remove(0).id
}

fn kill_control_plane(dir: &Path) {
    let pid = std::fs::read_to_string(dir.join("metal-api.pid")).unwrap();
    let killed = Command::new("sh").args(["-c", "kill -9 \"$1\"", "sh", pid.trim()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_comes_up_lives_and_goes_without_a_trace() {
    let server = Path::new(env!("CARGO_BIN_EXE_mini-lab")).with_file_name("metal-api");
    assert!(server.exists(), "{} is missing: run `cargo build -p metal-api` first", server.display());
    let outer = tempfile::tempdir().unwrap();
    let lab = Lab { dir: outer.path().join("lab"), _outer: outer };

    let told = lab.up();
    assert!(told.contains("2 leaf switches, 11 machines, 11 waiting"), "{told}");
    assert_eq!(lab.status()["machines"]["waiting"], 11);

    let client = lab.client();
    let network = project_network(&client).await;
    let sizes =
        client.machine().list().await.unwrap().into_iter().map(|m| m.size.as_ref().unwrap().id.clone());
    let sizes: Vec<_> = sizes.collect();
    assert!(sizes.iter().all(|size| size != "unknown"), "{sizes:?}");

    let machine = request("first", "c1-xlarge-x86", "debian-12", &[&network]);
    let machine = client.machine().allocate(&machine).await.unwrap().id;
    let firewall = request("wall", "n1-medium-x86", "firewall-ubuntu-3.0", &[&network, "internet-mini-lab"]);
    // The same members and a few more.
    let firewall: FirewallCreateRequest =
        serde_json::from_value(serde_json::to_value(firewall).unwrap()).unwrap();
    let firewall = client.firewall().allocate(&firewall).await.unwrap().id;
    for id in [&machine, &firewall] {
        until(&client, id, |machine| newest(machine) == "Phoned Home").await;
    }

    // The control plane dies and is started again; everybody finds it.
    kill_control_plane(&lab.dir);
    let second = request("second", "c1-xlarge-x86", "ubuntu-24.4", &[&network]);
    let second = loop {
        match client.machine().allocate(&second).await {
            Ok(machine) => break machine.id,
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    until(&client, &second, |machine| newest(machine) == "Phoned Home").await;

    client.machine().free(&machine).await.unwrap();
    let freed = until(&client, &machine, |machine| newest(machine) == "Waiting").await;
    assert!(freed.allocation.is_none());

    // A second `up` changes nothing, another shape is refused.
    assert!(lab.up().contains("runs already"));
    assert!(!lab.run(&["up", "--simulated", "--racks", "9"]).status.success());

    // Stopped and continued, it is the same lab, and nobody seems to have lost power.
    lab.succeed(&["down", "--keep"]);
    assert!(!lab.run(&["status"]).status.success());
    lab.up();
    let client = lab.client();
    for machine in client.machine().list().await.unwrap() {
        assert!(!machine.events.crash_loop, "{machine:?}");
    }
    let wall = until(&client, &firewall, |machine| newest(machine) == "Phoned Home").await;
    assert_eq!(wall.allocation.as_ref().unwrap().name, "wall");

    lab.succeed(&["down"]);
    assert!(!lab.dir.exists());
    assert!(client.health(None).await.is_err());
}
