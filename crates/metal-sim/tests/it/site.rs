//! Machines whose hardware somebody else provides: what is called when, and what stays simulated.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use metal_proto::v1::{Allocation, BmcCommand, BootInfo, Image, Neighbor, Nic};
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use metal_sim::{
    Access, Config, DataCentre, Doing, Failure, Floor, MachinePlan, Pace, Phase, Site, System, join,
};
use uuid::Uuid;

use crate::control_plane::{ControlPlane, State};
use crate::{LONG, Lab};

const MACHINE: Uuid = Uuid::from_u128(0x10);
const LEAVES: [&str; 2] = ["leaf01", "leaf02"];

/// Writes down what it is told, and sees the second switch only after some looks.
#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<String>>,
    looks: AtomicUsize,
    fails: AtomicBool,
}

impl Recorder {
    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }

    /// What was called since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn answer(&self) -> Result<(), Failure> {
        if self.fails.swap(false, Ordering::Relaxed) { Err("no such device".into()) } else { Ok(()) }
    }
}

fn image(allocation: &Allocation) -> &str {
    allocation.image.as_ref().map_or("nothing", |image| &image.id)
}

impl System for Recorder {
    fn neighbors(&self) -> Doing<'_, Vec<Nic>> {
        let seen = self.looks.fetch_add(1, Ordering::Relaxed).min(2);
        let nics = LEAVES.iter().enumerate().map(|(nic, leaf)| Nic {
            name: format!("lan{nic}"),
            mac: format!("02:00:00:00:00:0{nic}"),
            neighbors: (nic < seen)
                .then(|| Neighbor { hostname: (*leaf).to_owned(), ..Neighbor::default() })
                .into_iter()
                .collect(),
            ..Nic::default()
        });
        let nics = nics.collect();
        Box::pin(async { nics })
    }

    fn netboot(&self) -> Doing<'_, Result<(), Failure>> {
        Box::pin(async {
            self.note("netboot");
            self.answer()
        })
    }

    fn installed<'a>(&'a self, allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async {
            self.note(&format!("installed {}", image(allocation)));
            Ok(())
        })
    }

    fn start<'a>(&'a self, allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async {
            self.note(&format!("start {}", image(allocation)));
            self.answer()
        })
    }

    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(async { self.note("stop") })
    }
}

/// How often the machine said that it waits.
fn waits(state: &State) -> usize {
    let events = state.events.get(&MACHINE.to_string());
    events.into_iter().flatten().filter(|event| *event == "Waiting").count()
}

fn plan() -> MachinePlan {
    let nics = [("lan0", "02:00:00:00:00:00"), ("lan1", "02:00:00:00:00:01")];
    let nics = nics.map(|(name, mac)| (name.to_owned(), mac.to_owned()));
    MachinePlan::with_nics(MACHINE, 0, "rack-1", 0, &nics, 1)
}

async fn site(change: impl FnOnce(&mut Config)) -> (Lab, Arc<Recorder>) {
    let tree = TaskTree::root("test");
    let control = ControlPlane::start(&tree).await;
    let mut config = Config::new("fra", 0, 0);
    config.pace = Pace::breathless();
    change(&mut config);
    let access = Access {
        endpoint: control.endpoint(),
        partition: join(&control.endpoint(), "token", &Identity::Partition("fra".to_owned())).await.unwrap(),
        switches: BTreeMap::new(),
    };
    let recorder = Arc::new(Recorder::default());
    let system: Arc<dyn System> = Arc::<Recorder>::clone(&recorder);
    let floor = Floor { partition: "fra".to_owned(), switches: Vec::new(), machines: vec![plan()] };
    let site = Site { floor, systems: [(MACHINE, system)].into() };
    let centre = DataCentre::start_on(&config, site, &access, &tree).unwrap();
    (Lab { tree, control, centre }, recorder)
}

#[tokio::test]
async fn a_real_machine_is_booted_installed_and_started() {
    let (lab, recorder) = site(|_| ()).await;
    let id = MACHINE.to_string();
    lab.until(Phase::Waiting, 1).await;
    assert_eq!(recorder.take(), ["stop", "netboot"]);
    let inventory = lab.control.inventory(&id).unwrap().hardware.unwrap();
    let seen: Vec<&str> =
        inventory.nics.iter().flat_map(|nic| &nic.neighbors).map(|far| far.hostname.as_str()).collect();
    assert_eq!(seen, LEAVES, "it waited until it saw both");
    assert!(!inventory.disks.is_empty(), "the rest is made up");

    lab.control.allocate(&id);
    lab.control.until(|state| state.reports.contains_key(&id)).await;
    lab.control.until(|state| state.asked_whether_connected > 1).await;
    assert_eq!(recorder.take(), ["installed debian-12.0.20260101"], "it waits for the switches");
    LEAVES.iter().for_each(|leaf| lab.control.confirm(leaf));
    lab.until(Phase::Running, 1).await;
    assert_eq!(recorder.take(), ["start debian-12.0.20260101"]);
    assert_eq!(lab.control.events(&id).last().unwrap(), "Booting New Kernel", "nobody phones home for it");

    lab.control.until(|state| state.unacknowledged() == 0).await;
    lab.control.command(&id, BmcCommand::Off);
    lab.until(Phase::Off, 1).await;
    assert_eq!(recorder.take(), ["stop"]);
    recorder.fails.store(true, Ordering::Relaxed);
    lab.control.command(&id, BmcCommand::On);
    lab.until(Phase::Running, 1).await;
    let tried = ["stop", "start debian-12.0.20260101"];
    assert_eq!(recorder.take(), [tried, tried].concat(), "a system that fails is started again");

    lab.control.free(&id);
    lab.control.until(|state| waits(state) == 2).await;
    assert_eq!(recorder.take(), ["stop", "netboot"]);
    let report = lab.tree.shutdown(LONG).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(recorder.take(), ["stop"]);
}

#[tokio::test]
async fn what_an_earlier_data_centre_installed_starts_again() {
    let boots = |config: &mut Config| {
        let image = Image { id: "ubuntu-24.4".to_owned(), ..Image::default() };
        let allocation = Allocation { image: Some(image), ..Allocation::default() };
        config.installed = [(MACHINE, BootInfo::default())].into();
        config.allocations = [(MACHINE, allocation)].into();
    };
    let (lab, recorder) = site(boots).await;
    lab.until(Phase::Running, 1).await;
    assert_eq!(recorder.take(), ["stop", "start ubuntu-24.4"]);
    lab.end().await;
}

#[tokio::test]
async fn a_network_boot_that_fails_is_tried_again() {
    let (lab, recorder) = site(|_| ()).await;
    lab.until(Phase::Waiting, 1).await;
    recorder.take();
    recorder.fails.store(true, Ordering::Relaxed);
    lab.control.command(&MACHINE.to_string(), BmcCommand::Cycle);
    lab.control.until(|state| waits(state) == 2).await;
    assert_eq!(recorder.take(), ["stop", "netboot", "stop", "netboot"]);
    lab.end().await;
}
