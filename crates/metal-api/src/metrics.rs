//! Metrics of the interfaces and of the store, under the names existing dashboards know.

use metal_runtime::metrics::Registry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;

use crate::app::Store;

/// Seconds; the same as everywhere in this field.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Labels of answered requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// Status.
    pub code: u16,
    /// HTTP method.
    pub method: &'static str,
}

/// Labels of request durations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// Path with its parameters in braces.
    pub route: &'static str,
    /// HTTP method.
    pub method: &'static str,
}

/// Labels of calls of the agents' API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// Full method name.
    pub method: String,
}

/// A family of histograms.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Metrics of the interfaces.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests answered.
    pub requests: Family<Answered, Counter>,
    /// Time until a request was answered.
    pub durations: Histograms<Route>,
    /// Time until a call of an agent was answered.
    pub grpc_durations: Histograms<Call>,
    /// Requests refused because a client asked too often.
    pub limited: Counter,
    /// Connections of the public API.
    pub connections: Gauge,
    /// Streams of changes.
    pub streams: Gauge,
    /// Panics of handlers: each is a bug.
    pub panics: Counter,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.register("metal_api_requests", "requests answered", Family::default()),
            durations: registry.register(
                "metal_api_request_duration_seconds",
                "time until a request was answered",
                Family::new_with_constructor(histogram as fn() -> Histogram),
            ),
            grpc_durations: registry.register(
                "metal_api_grpc_request_duration_seconds",
                "time until a call of an agent was answered",
                Family::new_with_constructor(histogram as fn() -> Histogram),
            ),
            limited: registry.register(
                "metal_api_rate_limited_requests",
                "requests refused because a client asked too often",
                Counter::default(),
            ),
            connections: registry.register(
                "metal_api_connections",
                "connections of the public API",
                Gauge::default(),
            ),
            streams: registry.register("metal_api_watch_streams", "streams of changes", Gauge::default()),
            panics: registry.register(
                "metal_api_handler_panics",
                "panics of handlers, each of them a bug",
                Counter::default(),
            ),
        }
    }
}

/// Makes the store tell its counters when somebody scrapes.
pub fn register_store(registry: &Registry, store: &Store) {
    registry.register_collector(Box::new(StoreCollector(store.clone())));
}

struct StoreCollector(Store);

impl std::fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let stats = self.0.stats();
        let counters = [
            ("metal_store_commits", "transactions made durable", stats.commits),
            ("metal_store_groups", "groups of transactions made durable together", stats.groups),
            ("metal_store_foreign_commits", "commits of other replicas", stats.foreign_commits),
            ("metal_store_conflicts", "groups another replica was faster than", stats.conflicts),
            ("metal_store_failures", "groups that failed", stats.failures),
        ];
        for (name, help, value) in counters {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        let snapshot = self.0.snapshot();
        let gauges = [
            ("metal_store_revision", "revision of the snapshot", stats.revision),
            ("metal_store_queue", "transactions waiting", stats.queue),
            ("metal_machines", "machines known", snapshot.state.machines.len() as u64),
            ("metal_networks", "networks", snapshot.state.networks.len() as u64),
            ("metal_ips", "addresses in use", snapshot.state.ips.len() as u64),
        ];
        for (name, help, value) in gauges {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}
