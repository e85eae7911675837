//! A small cloud to allocate from: one partition with networks, images, a layout and machines, and a store that checks
//! expectations like the real one.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::doc::Doc;
use metal_model::document::{Changes, Revision, State as _, Write};
use metal_model::event_log::{EventLog, Liveliness};
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::machine::{Bmc, Machine};
use metal_model::network::{AddressFamily, Ip, IpType, Network};
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::size::Size;
use metal_model::switch::{Switch, SwitchPort};
use metal_model::v1;

use crate::{Caller, Env, Error, Snapshot, Tx, image, ip};

pub const PARTITION: &str = "fra-1";
pub const SIZE: &str = "c1-medium";
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7XcVYTjRQfuFKsHKWFpEbzQ1i7zAhQQ1OA0zBMvqaJ me";
const GIB: u64 = 1 << 30;

/// Some commit was made in between.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale;

/// The cloud.
#[derive(Clone)]
pub struct World {
    pub snapshot: Snapshot,
    pub revision: Revision,
    pub now: Timestamp,
    pub seed: u128,
}

impl World {
    /// Projects `p1` and `p2` with a private network each (`net-p1`), a shared one of `p1` (`shared-p1`), internet,
    /// underlay, images of two systems, one layout; no machines.
    pub fn new() -> Self {
        let mut world = Self {
            snapshot: Snapshot::default(),
            revision: 1,
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
            seed: 7,
        };
        world.change(|tx, env| {
            tx.create(Partition { id: PARTITION.into(), ..Partition::default() })?;
            tx.create(size())?;
            for project in ["p1", "p2"] {
                tx.create(Project { id: project.into(), ..Project::default() })?;
            }
            for (id, features) in [
                ("ubuntu-24.04.20250101", "machine"),
                ("ubuntu-24.04.20250601", "machine"),
                ("debian-12.0.20250101", "machine"),
                ("firewall-3.0.1", "firewall"),
            ] {
                let req = v1::ImageCreateRequest {
                    id: id.to_owned(),
                    url: format!("http://images/{id}"),
                    features: vec![features.to_owned()],
                    ..v1::ImageCreateRequest::default()
                };
                image::create(tx, env, &req)?;
            }
            tx.create(layout())?;
            networks().into_iter().try_for_each(|network| tx.create(network).map(|_| ()))
        });
        world
    }

    /// Two racks with some machines each.
    pub fn with_racks(racks: usize, machines: usize) -> Self {
        let mut world = Self::new();
        for rack in 1..=racks {
            for machine in 1..=machines {
                world.boot(&format!("m{rack}{machine:02}"), &format!("rack-{rack}"));
            }
        }
        world
    }

    pub fn env(&mut self) -> Env {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1 << 64 | 3);
        self.now += SignedDuration::from_secs(1);
        let caller = Caller { name: "ops".into(), email: "ops@example.org".into(), tenant: "t".into() };
        Env::new(self.now, self.seed, caller).committed_as(self.revision + 1)
    }

    /// Decides and commits.
    pub fn attempt<T>(
        &mut self,
        decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tx = Tx::new(&self.snapshot);
        let answer = decide(&mut tx, &mut self.env())?;
        self.commit(tx.finish()).expect("nothing was committed in between");
        Ok(answer)
    }

    /// Decides and commits what cannot be refused.
    pub fn change<T>(&mut self, decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error>) -> T {
        self.attempt(decide).unwrap_or_else(|error| panic!("refused: {error:?}"))
    }

    /// Commits as a store does: all expectations hold, or nothing happens.
    pub fn commit(&mut self, changes: Changes<Doc>) -> Result<(), Stale> {
        let holds = |(key, write): (&String, &Write<Doc>)| match (write, self.snapshot.get(key)) {
            (Write::Create(_), found) => found.is_none(),
            (Write::Update { seen, .. } | Write::Delete { seen }, Some((revision, _))) => *seen == revision,
            (Write::Update { .. } | Write::Delete { .. }, None) => false,
        };
        if !changes.writes.iter().all(holds) {
            return Err(Stale);
        }
        self.revision += 1;
        for (key, write) in changes.writes {
            match write {
                Write::Create(doc) | Write::Update { doc, .. } => self.snapshot.put(&key, self.revision, doc),
                Write::Delete { .. } => self.snapshot.remove(&key),
            }
        }
        Ok(())
    }

    /// A machine registers in a rack (the first time with a switch port) and waits.
    pub fn boot(&mut self, id: &str, rack: &str) {
        self.change(|tx, env| {
            if !tx.state().machines.contains(id) {
                tx.create(Machine { id: id.into(), created: env.now, ..Machine::default() })?;
                tx.create(Bmc {
                    machine: id.into(),
                    fru: v1::MachineFru {
                        chassis_part_serial: format!("serial-{id}"),
                        ..v1::MachineFru::default()
                    },
                    ..Bmc::default()
                })?;
                connect(tx, id, rack);
            }
            tx.modify::<Machine>(id, |machine| {
                machine.partition = PARTITION.into();
                machine.size = SIZE.into();
                machine.rack = rack.into();
                machine.hardware = Arc::new(hardware());
                machine.waiting = machine.allocation.is_none();
            })?;
            tx.put(log(id, Liveliness::Alive));
            Ok(())
        });
    }

    /// The machine falls silent.
    pub fn silence(&mut self, id: &str) {
        self.change(|tx, _| {
            let is_allocated = tx.state().find::<Machine>(id)?.allocation.is_some();
            tx.put(log(id, if is_allocated { Liveliness::Unknown } else { Liveliness::Dead }));
            Ok(())
        });
    }

    pub fn set<D: crate::Stored>(&mut self, id: &str, change: impl FnOnce(&mut D)) {
        self.change(|tx, _| tx.modify::<D>(id, change));
    }

    pub fn machine(&self, id: &str) -> &Machine {
        self.snapshot.machines.get(id).unwrap()
    }

    /// Acquires an address for a project.
    pub fn ip(&mut self, network: &str, project: &str, kind: IpType) -> Arc<Ip> {
        self.change(|tx, env| {
            let network = tx.state().find::<Network>(network)?.clone();
            let details = ip::Details { project: project.into(), kind, ..ip::Details::default() };
            ip::acquire(tx, env, &network, ip::Choice::Lowest(AddressFamily::V4), details)
        })
    }
}

fn connect(tx: &mut Tx, machine: &str, rack: &str) {
    let id = format!("leaf-{rack}");
    let mut switch = tx.state().switches.get(id.as_str()).map_or_else(
        || Switch {
            id: id.as_str().into(),
            partition: PARTITION.into(),
            rack: rack.into(),
            ..Switch::default()
        },
        |switch| Switch::clone(switch),
    );
    let name = format!("swp-{machine}");
    switch.ports.push(SwitchPort { name: name.clone(), ..SwitchPort::default() });
    switch.connections.insert(machine.into(), vec![name]);
    tx.put(switch);
}

pub fn log(machine: &str, liveliness: Liveliness) -> EventLog {
    EventLog { machine: machine.into(), liveliness, ..EventLog::default() }
}

pub fn hardware() -> v1::MachineHardware {
    v1::MachineHardware {
        memory: 64 * GIB,
        disks: vec![v1::MachineBlockDevice { name: "/dev/sda".into(), size: 500 * GIB }],
        cpus: vec![v1::MetalCpu { vendor: "Intel".into(), model: "Xeon".into(), cores: 8, threads: 16 }],
        ..v1::MachineHardware::default()
    }
}

fn size() -> Size {
    let constraint = |kind: &str, min, max, identifier: &str| v1::SizeConstraint {
        kind: kind.to_owned(),
        min,
        max,
        identifier: identifier.to_owned(),
    };
    Size {
        id: SIZE.into(),
        constraints: vec![
            constraint("cores", 8, 8, ""),
            constraint("memory", 60 * GIB, 70 * GIB, ""),
            constraint("storage", 0, 1_000 * GIB, "/dev/sd*"),
        ],
        ..Size::default()
    }
}

fn layout() -> FilesystemLayout {
    let partition = |number, size| v1::DiskPartition { number, size, ..v1::DiskPartition::default() };
    let images = [("ubuntu", "*"), ("debian", ">= 12.0"), ("firewall", "*")];
    let layout = v1::FilesystemLayoutResponse {
        id: "default".into(),
        disks: vec![v1::Disk {
            device: "/dev/sda".into(),
            partitions: vec![partition(1, 500), partition(2, 5_000), partition(3, 0)],
            wipeonreinstall: true,
        }],
        constraints: v1::FilesystemLayoutConstraints {
            sizes: vec![SIZE.into()],
            images: images.into_iter().map(|(os, version)| (os.into(), version.into())).collect(),
        },
        ..v1::FilesystemLayoutResponse::default()
    };
    FilesystemLayout {
        id: "default".into(),
        created: Timestamp::UNIX_EPOCH,
        changed: Timestamp::UNIX_EPOCH,
        layout: Arc::new(layout),
    }
}

fn networks() -> Vec<Network> {
    let network = |id: &str, prefix: &str, vrf| Network {
        id: id.into(),
        prefixes: vec![prefix.parse().unwrap()],
        vrf,
        ..Network::default()
    };
    let local =
        |id: &str, prefix: &str, vrf| Network { partition: PARTITION.into(), ..network(id, prefix, vrf) };
    let child = |id: &str, prefix: &str, vrf, project: &str| Network {
        parent: Some("super".into()),
        project: project.into(),
        ..local(id, prefix, vrf)
    };
    let mut dual = child("net-p1", "10.0.0.0/24", 11, "p1");
    dual.prefixes.push("fd00:1::/64".parse().unwrap());
    vec![
        Network { private_super: true, ..local("super", "10.0.0.0/16", 0) },
        Network { underlay: true, ..local("underlay", "10.200.0.0/16", 0) },
        Network { nat: true, ..network("internet", "198.51.100.0/24", 104) },
        dual,
        child("net-p2", "10.0.1.0/24", 12, "p2"),
        child("other-p1", "10.0.2.0/24", 13, "p1"),
        Network { shared: true, ..child("shared-p1", "10.0.3.0/24", 14, "p1") },
        Network { shared: true, ..child("shared-p2", "10.0.4.0/24", 15, "p2") },
        Network { partition: "elsewhere".into(), ..child("far-p1", "10.0.5.0/24", 16, "p1") },
    ]
}

/// A request for one machine in the project's network and the internet.
pub fn request(project: &str) -> v1::MachineAllocateRequest {
    v1::MachineAllocateRequest {
        name: Some("box".into()),
        projectid: project.into(),
        partitionid: PARTITION.into(),
        sizeid: SIZE.into(),
        imageid: "ubuntu-24.04".into(),
        ssh_pub_keys: vec![KEY.into()],
        networks: nets(&[&format!("net-{project}"), "internet"]),
        ..v1::MachineAllocateRequest::default()
    }
}

/// A request for a firewall of a project.
pub fn firewall(project: &str) -> v1::FirewallCreateRequest {
    v1::FirewallCreateRequest {
        projectid: project.into(),
        partitionid: PARTITION.into(),
        sizeid: SIZE.into(),
        imageid: "firewall-3.0".into(),
        networks: nets(&[&format!("net-{project}"), "internet"]),
        ..v1::FirewallCreateRequest::default()
    }
}

/// Networks with automatic addresses.
pub fn nets(ids: &[&str]) -> Vec<v1::MachineAllocationNetwork> {
    let net = |id: &&str| v1::MachineAllocationNetwork { networkid: (*id).to_owned(), autoacquire: None };
    ids.iter().map(net).collect()
}
