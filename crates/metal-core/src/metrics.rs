//! What the agent counts, under names existing dashboards know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metal_runtime::metrics::Registry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use metal_netconf::intent::PortClass;

use crate::reconcile::Wanted;
use crate::relay::Counters;

/// Seconds.
const BUCKETS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

/// The agent's counters; clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    errors: Family<Operation, Counter>,
    runs: Histogram,
    changes: Counter,
    pending: Gauge,
    wanted: Gauge<u64, AtomicU64>,
    in_effect: Gauge<u64, AtomicU64>,
    ports: Family<Class, Gauge>,
    sessions: Family<State, Gauge>,
    phone_homes: Counter,
    misplaced: Counter,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let runs = Histogram::new(BUCKETS);
        Self {
            registry: registry.clone(),
            errors: registry.register("metal_core_total_errors", "failed operations", Family::default()),
            runs: registry.register(
                "metal_core_sync_duration_seconds",
                "duration of runs that compare, configure and confirm",
                runs,
            ),
            changes: registry.register(
                "metal_core_changes",
                "changes made to the device",
                Counter::default(),
            ),
            pending: registry.register(
                "metal_core_changes_pending",
                "changes that would be made if the switch were to be reconfigured",
                Gauge::default(),
            ),
            wanted: registry.register(
                "metal_core_generation_wanted",
                "generation of the wanted configuration",
                Gauge::default(),
            ),
            in_effect: registry.register(
                "metal_core_generation_applied",
                "generation of the configuration in effect",
                Gauge::default(),
            ),
            ports: registry.register("metal_core_ports", "ports by wanted class", Family::default()),
            sessions: registry.register(
                "metal_core_bgp_sessions",
                "BGP sessions by state",
                Family::default(),
            ),
            phone_homes: registry.register(
                "metal_core_phone_homes",
                "announcements of machines passed on",
                Counter::default(),
            ),
            misplaced: registry.register(
                "metal_core_phone_homes_misplaced",
                "announcements of machines on ports where they are not",
                Counter::default(),
            ),
        }
    }

    /// Where further parts register theirs.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// An operation failed.
    pub fn failed(&self, operation: &'static str) {
        self.errors.get_or_create(&Operation { operation }).inc();
    }

    pub(crate) fn run(&self, duration: Duration, has_failed: bool, in_effect: u64, wanted: &Wanted) {
        self.runs.observe(duration.as_secs_f64());
        self.wanted.set(wanted.generation);
        self.in_effect.set(in_effect);
        if !has_failed {
            self.pending.set(0);
        }
        let mut counts: BTreeMap<&'static str, i64> =
            ["uplink", "unprovisioned", "tenant", "firewall", "external", "extra", "isolated"]
                .into_iter()
                .map(|class| (class, 0))
                .collect();
        for (_, class) in wanted.intent.classes() {
            *counts.entry(class_name(class)).or_default() += 1;
        }
        for (class, count) in counts {
            self.ports.get_or_create(&Class { class }).set(count);
        }
    }

    pub(crate) fn changed(&self, changes: usize) {
        self.changes.inc_by(u64::try_from(changes).unwrap_or(u64::MAX));
    }

    pub(crate) fn changes_pending(&self, changes: usize) {
        self.pending.set(i64::try_from(changes).unwrap_or(i64::MAX));
    }

    /// Sessions as FRR has them.
    pub(crate) fn sessions<'a>(&self, states: impl Iterator<Item = &'a str>) {
        let mut counts: BTreeMap<&str, i64> = BTreeMap::from([("Established", 0)]);
        for state in states {
            *counts.entry(state).or_default() += 1;
        }
        self.sessions.clear();
        for (state, count) in counts {
            self.sessions.get_or_create(&State { state: state.to_owned() }).set(count);
        }
    }

    pub(crate) fn phone_homes_sent(&self, count: u64) {
        self.phone_homes.inc_by(count);
    }

    /// Shows what the DHCP relay does.
    pub(crate) fn relay(&self, counters: Arc<Counters>) {
        self.registry.register_collector(Box::new(RelayCollector(counters)));
    }

    pub(crate) fn phone_home_misplaced(&self) {
        self.misplaced.inc();
    }
}

/// Reads the relay's counters when somebody scrapes.
#[derive(Debug)]
struct RelayCollector(Arc<Counters>);

impl Collector for RelayCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut count = |name: &str, help: &str, value: u64| {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        count("metal_core_dhcp_relay_requests", "requests passed on to servers", read(&self.0.requests))?;
        count("metal_core_dhcp_relay_replies", "replies passed on to machines", read(&self.0.replies))?;
        for (reason, value) in self.0.dropped() {
            let name = format!("metal_core_dhcp_relay_dropped_{reason}");
            count(&name, "messages dropped", value)?;
        }
        Ok(())
    }
}

fn class_name(class: PortClass) -> &'static str {
    match class {
        PortClass::Uplink => "uplink",
        PortClass::Unprovisioned => "unprovisioned",
        PortClass::Tenant(_) => "tenant",
        PortClass::Firewall => "firewall",
        PortClass::External(_) => "external",
        PortClass::Extra => "extra",
        PortClass::Isolated => "isolated",
    }
}
