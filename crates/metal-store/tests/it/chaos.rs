//! A network that cuts connections in the middle of commits. Lost answers must be settled: nothing twice, nothing
//! acknowledged lost, nothing reported as not written that was.

use std::sync::Arc;
use std::time::Duration;

use metal_store::{Changes, Stats, Store, TransactError, Write};
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::registers::Registers;
use crate::server;
use crate::target::{Random, Target, soak};

/// What a proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    /// Connections made under an older number are cut.
    generation: u64,
    /// New connections are let through.
    is_open: bool,
}

/// A proxy before the shared etcd that can cut all connections and refuse new ones.
pub struct Proxy {
    pub endpoint: String,
    mode: watch::Sender<Mode>,
    _tasks: TaskTracker,
}

impl Proxy {
    pub async fn start() -> Self {
        let upstream = server::shared().strip_prefix("http://").expect("plain http").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mode = watch::Sender::new(Mode { generation: 0, is_open: true });
        let tasks = TaskTracker::new();
        let (connections, mut seen) = (tasks.clone(), mode.subscribe());
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = async { while seen.changed().await.is_ok() {} } => return,
                };
                let (client, _) = accepted.unwrap();
                if seen.borrow().is_open {
                    connections.spawn(forward(client, upstream.clone(), seen.clone()));
                }
            }
        });
        Self { endpoint, mode, _tasks: tasks }
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.mode.send_modify(|mode| mode.generation += 1);
    }

    /// Lets new connections through or not.
    pub fn set_open(&self, is_open: bool) {
        self.mode.send_modify(|mode| mode.is_open = is_open);
    }
}

async fn forward(mut client: TcpStream, upstream: String, mut mode: watch::Receiver<Mode>) {
    let Ok(mut server) = TcpStream::connect(&upstream).await else { return };
    let generation = mode.borrow_and_update().generation;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let mut up = Box::pin(copy(&mut from_client, &mut to_server));
    let down = copy(&mut from_server, &mut to_client);
    tokio::select! {
        _ = &mut up => return,
        _ = down => return,
        _ = mode.wait_for(|mode| mode.generation != generation) => {}
    }
    // Every other time requests still get through for a while, and the answers are lost.
    if mode.borrow().generation.is_multiple_of(2) {
        let _ = tokio::time::timeout(Duration::from_millis(20), up).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_settled() {
    let proxy = Proxy::start().await;
    let mut target = Target::etcd_at(vec![proxy.endpoint.clone()]);
    let through_proxy = target.open().await;
    let metal_store::EngineConfig::Etcd(config) = &mut target.config else { panic!("etcd") };
    config.endpoints = vec![server::shared().to_owned()];
    let direct = target.open().await;
    let cutter = async {
        let mut random = Random::new(3);
        let enough = |stats: Stats| stats.failures >= 12 * soak() && stats.recovered >= 3 * soak();
        while !enough(through_proxy.stats()) {
            tokio::time::sleep(Duration::from_millis(10 + random.below(150))).await;
            proxy.cut();
        }
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let store = if writer == 5 { direct.clone() } else { through_proxy.clone() };
        writers.spawn(count_until(store, writer, stop.clone()));
    }
    tokio::select! {
        () = cutter => {}
        ended = writers.join_next() => panic!("a writer has ended: {ended:?}"),
    }
    stop.cancel();
    let tallies = writers.join_all().await;
    let fresh = direct.fresh().await.unwrap();
    let counted = fresh.state.number("count");
    let marks = fresh.state.all().iter().filter(|(key, _, _)| key.starts_with("mark/")).count() as u64;
    assert_eq!(counted, marks, "every transaction has happened once or not at all");
    let acknowledged: u64 = tallies.iter().map(|tally| tally.acknowledged.len() as u64).sum();
    let unknown: u64 = tallies.iter().map(|tally| tally.unknown).sum();
    println!(
        "{acknowledged} acknowledged, {unknown} unknown, {counted} counted, {:?}",
        through_proxy.stats()
    );
    assert_eq!(unknown, 0, "a server that is there can always be asked");
    assert_eq!(counted, acknowledged);
    for key in tallies.iter().flat_map(|tally| &tally.acknowledged) {
        assert!(fresh.state.text(key).is_some(), "{key} was acknowledged");
    }
    through_proxy.close().await;
    direct.close().await;
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: Vec<String>,
    unknown: u64,
}

/// Counts in one register and leaves a mark for every count.
async fn count_until(
    store: Store<Registers>,
    writer: u64,
    stop: tokio_util::sync::CancellationToken,
) -> Tally {
    let mut tally = Tally::default();
    let mut number = 0;
    while !stop.is_cancelled() {
        let mark = format!("mark/{writer}/{number}");
        number += 1;
        let key = mark.clone();
        let counted = store.transact("count", move |state: &Registers, _| {
            let mut changes: Changes<Arc<str>> = Changes::default();
            state.set(&mut changes, "count", (state.number("count") + 1).to_string());
            changes.writes.insert(key.clone(), Write::Create("x".into()));
            Ok::<_, std::convert::Infallible>((changes, ()))
        });
        match counted.await {
            Ok(_) => tally.acknowledged.push(mark),
            Err(TransactError::Unknown(_)) => tally.unknown += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    tally
}
