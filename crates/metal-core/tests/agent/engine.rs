//! The engine against a device in memory, one behaviour each. Time is paused: pauses cost nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metal_core::config::Config;
use metal_core::metrics::Metrics;
use metal_core::reconcile::{Device, Engine, Outcome, Parts, Settings, Wanted};
use metal_netconf::intent::{MachineFilter, PortClass, Switch};
use metal_runtime::TaskTree;
use metal_runtime::metrics::Registry;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use crate::device::{Fake, config, port, vni};

pub const LEAF: &str = "[api]\naddress = \"localhost:1\"\nca_file = \"ca.pem\"\n";

/// An engine at work.
pub struct Bench {
    pub device: Fake,
    pub dir: TempDir,
    pub config: Config,
    pub wanted: watch::Sender<Option<Arc<Wanted>>>,
    pub outcome: watch::Receiver<Outcome>,
    pub tree: TaskTree,
    wake: Arc<Notify>,
    generation: u64,
}

impl Bench {
    pub fn new(ports: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), LEAF);
        let device = Fake::new(ports);
        let (tree, wanted, wake) = (TaskTree::root("test"), watch::Sender::new(None), Arc::default());
        let outcome = start(&device, dir.path(), &wanted, &wake, &tree);
        Self { device, dir, config, wanted, outcome, tree, wake, generation: 0 }
    }

    /// As after a crash: the engine is gone in the middle of whatever it did, and a new one starts.
    pub async fn restart(&mut self) {
        self.tree.cancel();
        self.tree.idle().await;
        self.device.lock().dies_after = None;
        self.tree = TaskTree::root("test");
        let wanted = self.wanted.borrow().clone();
        self.wanted = watch::Sender::new(wanted);
        self.outcome = start(&self.device, self.dir.path(), &self.wanted, &self.wake, &self.tree);
    }

    pub fn intent(&self, ports: &[(&str, u32)]) -> Switch {
        let mut intent = self.config.base.clone();
        for (name, place) in ports {
            match place {
                0 => drop(intent.isolated.insert(port(name))),
                1 => drop(intent.unprovisioned.insert(port(name))),
                number => {
                    let filter = MachineFilter { prefixes: ["10.0.0.0/24".parse().unwrap()].into() };
                    let tenant = intent.tenants.entry(vni(*number)).or_default();
                    tenant.ports.insert(port(name), filter);
                }
            }
        }
        intent
    }

    /// Wishes; answers the wish's generation.
    pub fn want(&mut self, intent: Switch) -> u64 {
        self.generation += 1;
        let wanted = Wanted {
            generation: self.generation,
            stream: 1,
            intent: Arc::new(intent),
            faults: std::collections::BTreeMap::new(),
        };
        self.wanted.send_replace(Some(Arc::new(wanted)));
        self.generation
    }

    /// Waits for an outcome.
    pub async fn until(&mut self, what: impl FnMut(&Outcome) -> bool) -> Outcome {
        let waited = tokio::time::timeout(Duration::from_secs(3600), self.outcome.wait_for(what)).await;
        waited.expect("in time").unwrap().clone()
    }

    pub async fn until_applied(&mut self, generation: u64) -> Outcome {
        self.until(|outcome| outcome.in_effect == generation && outcome.error.is_none()).await
    }

    pub async fn until_failed(&mut self, generation: u64) -> Outcome {
        self.until(|outcome| outcome.wanted == generation && outcome.error.is_some()).await
    }
}

fn start(
    device: &Fake,
    dir: &Path,
    wanted: &watch::Sender<Option<Arc<Wanted>>>,
    wake: &Arc<Notify>,
    tree: &TaskTree,
) -> watch::Receiver<Outcome> {
    let outcome = watch::Sender::new(Outcome::default());
    let told = outcome.subscribe();
    let settings = Settings {
        reconfigure: true,
        period: Duration::from_secs(10),
        confirm: Duration::from_secs(15),
        state_dir: dir.to_owned(),
    };
    let parts = Parts {
        device: Device::new(Arc::new(device.clone()), tree.child("driver")),
        wanted: wanted.subscribe(),
        wake: Arc::clone(wake),
        outcome,
        metrics: Metrics::new(&Registry::new()),
    };
    tree.spawn("engine", Engine::try_new(settings, parts).unwrap().run(tree.clone()));
    told
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_becomes_and_is_kept() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let intent = bench.intent(&[("swp1", 7)]);
    let generation = bench.want(intent.clone());
    bench.until_applied(generation).await;
    assert!(bench.device.is_as(&intent));
    assert_eq!(bench.device.lock().persisted.as_ref(), Some(&intent));
    // Somebody else changes the device: it is put right without being asked.
    bench.device.lock().slots.clear();
    let runs = bench.outcome.borrow().runs;
    bench.until(|outcome| outcome.runs > runs).await;
    assert!(bench.device.is_as(&intent));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_differences_changes_nothing() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let intent = bench.intent(&[("swp1", 7)]);
    bench.want(intent.clone());
    bench.until(|outcome| outcome.runs == 5).await;
    assert_eq!(bench.device.lock().applies, 1);
    // The same under another number.
    let generation = bench.want(intent);
    bench.until_applied(generation).await;
    assert_eq!(bench.device.lock().applies, 1);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_refused_stops_its_port_only() {
    let mut bench = Bench::new(&["swp1", "swp2", "swp3", "swp31"]);
    let first = bench.intent(&[("swp1", 1), ("swp2", 1), ("swp3", 9)]);
    let generation = bench.want(first);
    bench.until_applied(generation).await;
    bench.device.lock().refused.insert(vni(7));
    // swp1 gets a tenant FRR refuses, swp2 one it accepts, swp3 is released.
    let wanted = bench.intent(&[("swp1", 7), ("swp2", 8), ("swp3", 1)]);
    let generation = bench.want(wanted.clone());
    let outcome = bench.until_failed(generation).await;
    assert!(outcome.error.unwrap().contains("FRR refuses it"));
    assert_eq!(bench.device.class("swp1"), Some(PortClass::Unprovisioned));
    assert_eq!(bench.device.class("swp2"), Some(PortClass::Tenant(vni(8))));
    assert_eq!(bench.device.class("swp3"), Some(PortClass::Unprovisioned));
    // After a while the culprit is cut off, so that all others are reported as done.
    let outcome = bench.until(|outcome| outcome.in_effect == generation).await;
    assert!(outcome.port_faults.contains_key("swp1") && outcome.port_faults.len() == 1, "{outcome:?}");
    assert_eq!(bench.device.class("swp1"), Some(PortClass::Isolated));
    // And it is tried again until it can be.
    bench.device.lock().refused.clear();
    bench.until_applied(generation).await;
    assert!(bench.device.is_as(&wanted));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_applied_is_rolled_back_and_nobody_stays_where_he_left() {
    let mut bench = Bench::new(&["swp1", "swp2", "swp3", "swp31"]);
    let first = bench.intent(&[("swp1", 1), ("swp2", 8), ("swp3", 9)]);
    let generation = bench.want(first);
    bench.until_applied(generation).await;
    bench.device.lock().unapplicable.insert(vni(7));
    let wanted = bench.intent(&[("swp1", 7), ("swp2", 8), ("swp3", 1)]);
    let next = bench.want(wanted.clone());
    let outcome = bench.until_failed(next).await;
    assert_eq!(outcome.in_effect, generation);
    assert_eq!(bench.device.class("swp1"), Some(PortClass::Unprovisioned), "where it was");
    assert_eq!(bench.device.class("swp2"), Some(PortClass::Tenant(vni(8))), "undisturbed");
    assert_eq!(bench.device.class("swp3"), Some(PortClass::Unprovisioned), "released");
    bench.device.lock().unapplicable.clear();
    bench.until_applied(next).await;
    assert!(bench.device.is_as(&wanted));
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_applied_does_not_keep_others_waiting_for_ever() {
    let mut bench = Bench::new(&["swp1", "swp2", "swp3", "swp31"]);
    let first = bench.intent(&[("swp1", 1), ("swp2", 1), ("swp3", 1)]);
    let generation = bench.want(first);
    bench.until_applied(generation).await;
    bench.device.lock().unapplicable.insert(vni(7));
    let wanted = bench.intent(&[("swp1", 7), ("swp2", 8), ("swp3", 9)]);
    let generation = bench.want(wanted);
    let outcome = bench.until(|outcome| outcome.in_effect == generation).await;
    assert_eq!(outcome.port_faults.keys().collect::<Vec<_>>(), ["swp1"]);
    assert_eq!(bench.device.class("swp1"), Some(PortClass::Isolated));
    assert_eq!(bench.device.class("swp2"), Some(PortClass::Tenant(vni(8))));
    assert_eq!(bench.device.class("swp3"), Some(PortClass::Tenant(vni(9))));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_show_is_rolled_back() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let first = bench.intent(&[("swp1", 1)]);
    let generation = bench.want(first.clone());
    bench.until_applied(generation).await;
    bench.device.lock().unconfirmed.insert(vni(7));
    let wanted = bench.intent(&[("swp1", 7)]);
    let next = bench.want(wanted);
    let outcome = bench.until_failed(next).await;
    assert!(outcome.error.unwrap().contains("VNI 7 is not there"));
    assert!(outcome.in_effect == generation && bench.device.is_as(&first));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cuts_the_uplinks_is_rolled_back() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let first = bench.intent(&[("swp1", 1)]);
    let generation = bench.want(first.clone());
    bench.until_applied(generation).await;
    bench.device.lock().cuts_uplinks = Some(vni(7));
    let wanted = bench.intent(&[("swp1", 7)]);
    let next = bench.want(wanted);
    let outcome = bench.until_failed(next).await;
    assert!(outcome.error.unwrap().contains("uplink swp31 has lost its session"));
    assert!(bench.device.is_as(&first) && bench.device.lock().has_sessions);
}

#[tokio::test(start_paused = true)]
async fn a_refused_wish_is_not_retried_in_a_tight_loop_and_a_new_one_is_tried_at_once() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let first = bench.intent(&[("swp1", 1)]);
    let generation = bench.want(first.clone());
    bench.until_applied(generation).await;
    bench.device.lock().refused.insert(vni(7));
    let refused = bench.intent(&[("swp1", 7)]);
    bench.want(refused);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let prepares = bench.device.lock().prepares;
    assert!(prepares < 60 * 5 + 360 * 2, "{prepares}");
    let started = tokio::time::Instant::now();
    let wanted = bench.intent(&[("swp1", 8)]);
    let generation = bench.want(wanted);
    bench.until_applied(generation).await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_new_wish_does_not_wait_for_the_confirmation_of_the_old() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    bench.device.lock().unconfirmed.insert(vni(7));
    let slow = bench.intent(&[("swp1", 7)]);
    bench.want(slow);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let started = tokio::time::Instant::now();
    let wanted = bench.intent(&[("swp1", 8)]);
    let generation = bench.want(wanted);
    bench.until_applied(generation).await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_is_finished_by_the_next_start() {
    for step in 0..3 {
        let mut bench = Bench::new(&["swp1", "swp2", "swp3", "swp31"]);
        let first = bench.intent(&[("swp1", 1), ("swp2", 8), ("swp3", 9)]);
        let generation = bench.want(first);
        bench.until_applied(generation).await;
        bench.device.lock().dies_after = Some(step);
        let applies = bench.device.lock().applies;
        let wanted = bench.intent(&[("swp1", 7), ("swp2", 1), ("swp3", 1)]);
        let generation = bench.want(wanted.clone());
        while bench.device.lock().applies == applies {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.restart().await;
        bench.until_applied(generation).await;
        assert!(bench.device.is_as(&wanted), "died after {step} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_before_a_restart_has_no_number_until_it_is_confirmed() {
    let mut bench = Bench::new(&["swp1", "swp31"]);
    let intent = bench.intent(&[("swp1", 7)]);
    let generation = bench.want(intent);
    bench.until_applied(generation).await;
    bench.restart().await;
    assert_eq!(bench.outcome.borrow().in_effect, 0);
    bench.until_applied(generation).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_memory_is_told_and_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("applied.json"), "{").unwrap();
    let tree = TaskTree::root("test");
    let parts = Parts {
        device: Device::new(Arc::new(Fake::new(&[])), tree.clone()),
        wanted: watch::Sender::new(None).subscribe(),
        wake: Arc::default(),
        outcome: watch::Sender::new(Outcome::default()),
        metrics: Metrics::new(&Registry::new()),
    };
    let settings = Settings {
        reconfigure: true,
        period: Duration::from_secs(1),
        confirm: Duration::from_secs(1),
        state_dir: dir.path().to_owned(),
    };
    assert!(Engine::try_new(settings, parts).is_err());
}
