//! How long an allocation decision takes in a big partition: `cargo run --release -p metal-plan --example
//! allocation_speed`. 100,000 machines in racks of 64, half of them allocated, one project with thousands of machines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metal_model::doc::Document;
use metal_model::document::State as _;
use metal_model::event_log::EventLog;
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::image::Image;
use metal_model::machine::{Allocation, Machine, Role};
use metal_model::network::Network;
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::size::Size;
use metal_model::v1;
use metal_plan::placement::Wish;
use metal_plan::{Caller, Env, Rng, Snapshot, Tx, allocation};

const MACHINES: usize = 100_000;
const PER_RACK: usize = 64;
const ROUNDS: usize = 5_000;
const PARTITION: &str = "fra-1";
const SIZE: &str = "c1";
const SEED: u128 = 42;

fn put<D: Document>(snapshot: &mut Snapshot, doc: D) {
    let key = doc.key();
    snapshot.put(&key, 1, D::wrap(Arc::new(doc)));
}

fn main() {
    let started = Instant::now();
    let mut snapshot = fixtures();
    for at in 0..MACHINES {
        let id = format!("{at:08x}-0000-4000-8000-000000000000");
        put(&mut snapshot, machine(at, &id));
        put(&mut snapshot, EventLog { machine: id.as_str().into(), ..EventLog::default() });
    }
    println!("built {MACHINES} machines in {} racks in {:?}", MACHINES.div_ceil(PER_RACK), started.elapsed());
    let tags: Vec<String> = ["cluster=a", "pool=b"].map(str::to_owned).into();
    for (name, project, tags) in [
        ("small project", "small", &tags[..0]),
        ("small project, two tags", "small", &tags),
        ("big project", "big", &tags[..0]),
        ("big project, two tags", "big", &tags),
    ] {
        report(&format!("{name}: choice alone"), choices(&snapshot, project, tags));
        report(&format!("{name}: whole decision"), decisions(&snapshot, project, tags));
    }
    report("free, whole decision", frees(&snapshot));
}

/// Everything but machines.
fn fixtures() -> Snapshot {
    let mut snapshot = Snapshot::default();
    put(&mut snapshot, Partition { id: PARTITION.into(), ..Partition::default() });
    put(&mut snapshot, Size { id: SIZE.into(), ..Size::default() });
    let image = Image {
        id: "ubuntu-24.4.1".into(),
        os: "ubuntu".into(),
        version: "24.4.1".into(),
        features: vec!["machine".into()],
        ..Image::default()
    };
    put(&mut snapshot, image);
    let layout = v1::FilesystemLayoutResponse {
        id: "default".into(),
        constraints: v1::FilesystemLayoutConstraints {
            sizes: vec![SIZE.into()],
            images: [("ubuntu".to_owned(), "*".to_owned())].into(),
        },
        ..v1::FilesystemLayoutResponse::default()
    };
    let epoch = Timestamp::UNIX_EPOCH;
    let layout =
        FilesystemLayout { id: "default".into(), created: epoch, changed: epoch, layout: Arc::new(layout) };
    put(&mut snapshot, layout);
    let network = |id: &str, prefix: &str| Network {
        id: id.into(),
        prefixes: vec![prefix.parse().expect("prefixes of this file are valid")],
        partition: PARTITION.into(),
        ..Network::default()
    };
    put(&mut snapshot, Network { private_super: true, ..network("super", "10.0.0.0/8") });
    put(&mut snapshot, network("internet", "172.16.0.0/12"));
    for (at, project) in ["small", "big"].into_iter().enumerate() {
        put(&mut snapshot, Project { id: project.into(), ..Project::default() });
        let child = network(&format!("net-{project}"), &format!("10.{at}.0.0/16"));
        put(&mut snapshot, Network { parent: Some("super".into()), project: project.into(), ..child });
    }
    snapshot
}

/// Every other machine is allocated, every tenth of these to the big project.
fn machine(at: usize, id: &str) -> Machine {
    let free = Machine {
        id: id.into(),
        partition: PARTITION.into(),
        size: SIZE.into(),
        rack: format!("rack-{:05}", at / PER_RACK).into(),
        waiting: true,
        ..Machine::default()
    };
    if at.is_multiple_of(2) {
        return free;
    }
    let project = if at % 20 == 1 { "big".to_owned() } else { format!("p{}", at % 500) };
    let allocation = Allocation { project: project.into(), role: Role::Machine, ..Allocation::default() };
    let tags = ["cluster=a", "pool=b", "machine.metal-stack.io/rack=r"].map(str::to_owned).into();
    Machine { waiting: false, allocation: Some(Arc::new(allocation)), tags, ..free }
}

fn env(round: usize) -> Env {
    let caller = Caller { name: "bench".into(), email: "bench@example.org".into(), tenant: "t".into() };
    Env::new(Timestamp::UNIX_EPOCH, SEED + u128::try_from(round).unwrap_or_default(), caller)
}

fn choices(snapshot: &Snapshot, project: &str, tags: &[String]) -> Vec<Duration> {
    let (partition, size, project) = (PARTITION.into(), SIZE.into(), project.into());
    let wish = Wish {
        partition: &partition,
        size: &size,
        project: &project,
        role: Role::Machine,
        placement_tags: tags,
    };
    let mut rng = Rng::new(SEED);
    let once = |_| {
        let started = Instant::now();
        let choice = snapshot.index.placement.choose(&wish, &mut rng);
        let took = started.elapsed();
        assert!(choice.is_some(), "machines are available");
        took
    };
    (0..ROUNDS).map(once).collect()
}

fn decisions(snapshot: &Snapshot, project: &str, tags: &[String]) -> Vec<Duration> {
    let network = |id: String| v1::MachineAllocationNetwork {
        networkid: id,
        ..v1::MachineAllocationNetwork::default()
    };
    let req = v1::MachineAllocateRequest {
        projectid: project.to_owned(),
        partitionid: PARTITION.to_owned(),
        sizeid: SIZE.to_owned(),
        imageid: "ubuntu-24.4".to_owned(),
        networks: vec![network(format!("net-{project}")), network("internet".to_owned())],
        tags: tags.to_vec(),
        placement_tags: tags.to_vec(),
        ..v1::MachineAllocateRequest::default()
    };
    let once = |round| {
        let mut env = env(round);
        let started = Instant::now();
        let mut tx = Tx::new(snapshot);
        let machine = allocation::allocate_machine(&mut tx, &mut env, &req);
        let changes = tx.finish();
        let took = started.elapsed();
        assert!(machine.is_ok() && !changes.is_empty(), "machines are available: {machine:?}");
        took
    };
    (0..ROUNDS).map(once).collect()
}

fn frees(snapshot: &Snapshot) -> Vec<Duration> {
    let once = |round: usize| {
        let id = format!("{:08x}-0000-4000-8000-000000000000", round * 2 + 1);
        let mut env = env(round);
        let started = Instant::now();
        let mut tx = Tx::new(snapshot);
        let freed = allocation::free(&mut tx, &mut env, &id);
        let changes = tx.finish();
        let took = started.elapsed();
        assert!(freed.is_ok() && !changes.is_empty(), "the machine is allocated: {freed:?}");
        took
    };
    (0..ROUNDS).map(once).collect()
}

fn report(name: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("{name:<42} median {:>9.2?}   p99 {:>9.2?}", at(50), at(99));
}
