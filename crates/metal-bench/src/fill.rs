//! A believable fleet, written straight into a store before a server starts on it.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use metal_model::doc::{Doc, Document};
use metal_model::document::{Changes, State as _, Write};
use metal_model::event_log::{Event, EventLog, Liveliness, ProvisioningEvent};
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::id::MachineId;
use metal_model::image::Image;
use metal_model::machine::{Allocation, Bmc, Machine};
use metal_model::network::{AddressFamily, Network, VrfClaim};
use metal_model::partition::Partition;
use metal_model::project::{Project, Tenant};
use metal_model::size::Size;
use metal_model::v1;
use metal_plan::Snapshot;
use metal_runtime::TaskTree;
use metal_store::{EngineConfig, Store};

/// Ids used by all measurements.
pub const PARTITION: &str = "bench";
/// The size of every machine.
pub const SIZE: &str = "c1-large";
/// The image of every allocation.
pub const IMAGE: &str = "debian-13.0.20260101";
/// A project without machines.
pub const PROJECT: &str = "bench-project";
/// The network allocations ask for.
pub const CHILD: &str = "bench-child";

/// Machines per rack.
const RACK: usize = 64;

/// Id of the n-th machine.
pub fn machine_id(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}

/// Project that owns the n-th machine of an allocated fleet: fifty machines each.
pub fn project_of(n: usize) -> String {
    format!("project-{}", n / 50)
}

/// Everything but machines.
pub fn base(now: Timestamp) -> Vec<Doc> {
    let doc = |d: Doc| d;
    let network = |id: &str, prefix: &str| Network {
        id: id.into(),
        created: now,
        changed: now,
        partition: PARTITION.into(),
        prefixes: vec![prefix.parse().expect("a literal prefix")],
        ..Network::default()
    };
    let parent = Network {
        private_super: true,
        default_child_prefix_length: [(AddressFamily::V4, 16)].into(),
        ..network("bench-super", "10.0.0.0/8")
    };
    let child = Network {
        project: PROJECT.into(),
        vrf: 7,
        parent: Some("bench-super".into()),
        ..network(CHILD, "10.64.0.0/14")
    };
    let layout = v1::FilesystemLayoutResponse {
        id: "default".to_owned(),
        constraints: v1::FilesystemLayoutConstraints {
            sizes: vec![SIZE.to_owned()],
            images: [("debian".to_owned(), "*".to_owned())].into(),
        },
        ..Default::default()
    };
    let mut docs = vec![
        doc(Partition::wrap(Arc::new(Partition {
            id: PARTITION.into(),
            created: now,
            changed: now,
            ..Default::default()
        }))),
        Tenant::wrap(Arc::new(Tenant { id: "bench".into(), name: "bench".into(), ..Default::default() })),
        Project::wrap(Arc::new(Project {
            id: PROJECT.into(),
            name: PROJECT.into(),
            tenant: "bench".into(),
            ..Default::default()
        })),
        Size::wrap(Arc::new(Size { id: SIZE.into(), created: now, changed: now, ..Default::default() })),
        Image::wrap(Arc::new(Image {
            id: IMAGE.into(),
            created: now,
            changed: now,
            features: vec!["machine".into(), "firewall".into()],
            os: "debian".into(),
            version: "13.0.20260101".into(),
            expiration: now,
            classification: "supported".into(),
            ..Default::default()
        })),
        FilesystemLayout::wrap(Arc::new(FilesystemLayout {
            id: "default".into(),
            created: now,
            changed: now,
            layout: Arc::new(layout),
        })),
        Network::wrap(Arc::new(parent)),
        VrfClaim::wrap(Arc::new(VrfClaim { vrf: 7, networks: vec![CHILD.into()] })),
        Network::wrap(Arc::new(child)),
    ];
    for n in 0..4 {
        docs.push(Network::wrap(Arc::new(network(
            &format!("internet-{n}"),
            &format!("100.{}.0.0/14", 64 + 4 * n),
        ))));
    }
    docs
}

/// `count` machines; the first `allocated` of them belong to projects of fifty machines, the others wait.
pub fn machines(now: Timestamp, count: usize, allocated: usize) -> Vec<Doc> {
    let mut docs = Vec::with_capacity(count * 3 + allocated / 50);
    for n in (0..allocated).step_by(50) {
        docs.push(Project::wrap(Arc::new(Project {
            id: project_of(n).into(),
            name: project_of(n),
            tenant: "bench".into(),
            ..Default::default()
        })));
    }
    for n in 0..count {
        let id = MachineId::from(machine_id(n));
        docs.push(Machine::wrap(Arc::new(machine(now, n, n < allocated))));
        docs.push(Bmc::wrap(Arc::new(Bmc {
            machine: id.clone(),
            address: format!("10.{}.{}.{}:623", 200 + (n >> 16), (n >> 8) & 255, n & 255),
            mac: mac(n, 9),
            user: "metal".into(),
            password: "not-a-password".into(),
            interface: "lanplus".into(),
            power_state: "ON".into(),
            last_updated: Some(now),
            ..Default::default()
        })));
        docs.push(EventLog::wrap(Arc::new(event_log(now, id, n < allocated))));
    }
    docs
}

fn mac(n: usize, port: usize) -> String {
    format!("3c:ec:{:02x}:{:02x}:{:02x}:{port:02x}", (n >> 16) & 255, (n >> 8) & 255, n & 255)
}

fn machine(now: Timestamp, n: usize, is_allocated: bool) -> Machine {
    let allocation = is_allocated.then(|| {
        Arc::new(Allocation {
            uuid: machine_id(n),
            creator: "bench@metal-stack.io".into(),
            created: now,
            name: format!("server-{n}"),
            project: project_of(n).as_str().into(),
            hostname: format!("server-{n}"),
            image: IMAGE.into(),
            ssh_pub_keys: vec![
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNoYmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJl bench"
                    .into(),
            ],
            ..Default::default()
        })
    });
    Machine {
        id: machine_id(n).as_str().into(),
        created: now,
        changed: now,
        partition: PARTITION.into(),
        size: SIZE.into(),
        rack: format!("rack-{:04}", n / RACK).as_str().into(),
        waiting: !is_allocated,
        hardware: Arc::new(hardware(n)),
        bios: Arc::new(v1::MachineBios {
            version: "2.1a".into(),
            vendor: "American Megatrends Inc.".into(),
            date: "01/02/2024".into(),
        }),
        tags: vec![format!("machine.metal-stack.io/rack=rack-{:04}", n / RACK)],
        allocation,
        ..Machine::default()
    }
}

/// Two sockets, ten disks, four ports of which two see a leaf.
fn hardware(n: usize) -> v1::MachineHardware {
    let nic = |port: usize| v1::MachineNic {
        mac: mac(n, port),
        name: format!("lan{port}"),
        identifier: mac(n, port),
        neighbors: (port < 2)
            .then(|| v1::MachineNic {
                mac: format!("44:38:39:{:02x}:{:02x}:{port:02x}", (n >> 8) & 255, n & 255),
                name: format!("Ethernet{}", (n % RACK) * 4),
                identifier: format!("Eth{}(Port{})", n % RACK, n % RACK),
                neighbors: Vec::new(),
            })
            .into_iter()
            .collect(),
    };
    let cpu = v1::MetalCpu {
        vendor: "AuthenticAMD".into(),
        model: "AMD EPYC 9354P 32-Core Processor".into(),
        cores: 32,
        threads: 64,
    };
    v1::MachineHardware {
        memory: 512 << 30,
        cpu_cores: 64,
        disks: (0..10)
            .map(|d| v1::MachineBlockDevice { name: format!("/dev/nvme{d}n1"), size: 3_840_755_982_336 })
            .collect(),
        cpus: vec![cpu.clone(), cpu],
        gpus: Vec::new(),
        nics: (0..4).map(nic).collect(),
    }
}

fn event_log(now: Timestamp, machine: MachineId, is_allocated: bool) -> EventLog {
    use ProvisioningEvent as E;
    let told: &[E] = if is_allocated {
        &[
            E::PhonedHome,
            E::BootingNewKernel,
            E::Installing,
            E::Waiting,
            E::Registering,
            E::Preparing,
            E::PxeBooting,
        ]
    } else {
        &[E::Waiting, E::Registering, E::Preparing, E::PxeBooting]
    };
    let events = told
        .iter()
        .map(|event| Arc::new(Event { time: now, event: *event, message: String::new() }))
        .collect();
    EventLog {
        machine,
        liveliness: Liveliness::Alive,
        events,
        last_event_time: Some(now),
        ..EventLog::default()
    }
}

/// The documents as a snapshot, without a store.
pub fn snapshot(docs: &[Doc]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for doc in docs {
        snapshot.put(&doc.key(), 1, doc.clone());
    }
    snapshot
}

/// Writes the documents into a store, in transactions its engine accepts.
pub async fn write(engine: EngineConfig, docs: Vec<Doc>) -> anyhow::Result<()> {
    let chunk = if matches!(engine, EngineConfig::Etcd(_)) { 100 } else { 4000 };
    let tasks = TaskTree::root("fill");
    let spawn = |name: &'static str, future| {
        tasks.spawn(name, future);
    };
    let store = Store::<Snapshot>::open(engine, &spawn).await.context("open the store to fill")?;
    for part in docs.chunks(chunk) {
        let part = part.to_vec();
        store
            .transact("fill", move |_, _| {
                let writes = part.iter().map(|doc| (doc.key(), Write::Create(doc.clone()))).collect();
                Ok::<_, std::convert::Infallible>((Changes { writes }, ()))
            })
            .await
            .map_err(|error| anyhow!("fill the store: {error:?}"))?;
    }
    store.close().await;
    Ok(())
}
