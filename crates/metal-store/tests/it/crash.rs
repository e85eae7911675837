//! kill -9 at any moment: what was acknowledged is there, and nothing is there by halves.
//!
//! The test starts itself again as a child that writes as fast as it can and prints every acknowledgement; the
//! parent kills it somewhere, opens the store and looks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use metal_store::{Changes, EngineConfig, EtcdConfig, Options, Store};
use tokio_util::task::TaskTracker;

use crate::registers::Registers;
use crate::target::{Random, Target, open, soak};

const DIR: &str = "METAL_STORE_CRASH_DIR";
const ETCD: &str = "METAL_STORE_CRASH_ETCD";
const WRITERS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_survives_kills() {
    let target = Target::embedded();
    let EngineConfig::Embedded { dir } = &target.config else { panic!("embedded") };
    survive(&target, &[(DIR, dir.display().to_string())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_survives_kills_of_a_replica() {
    let target = Target::etcd();
    let config = target.etcd_config();
    survive(&target, &[(ETCD, format!("{} {}", config.endpoints[0], config.prefix))]).await;
}

async fn survive(target: &Target, environment: &[(&str, String)]) {
    let mut random = Random::new(7);
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..6 * soak() {
        // Sometimes right at the start, sometimes in full flight.
        let after = 1 + random.below(400);
        run_and_kill(environment, after, &mut acknowledged);
        let store = target.open().await;
        verify(&store, &acknowledged).await;
        store.close().await;
    }
    assert!(acknowledged.values().sum::<u64>() > 0, "something was acknowledged at all");
}

fn run_and_kill(environment: &[(&str, String)], after: u64, acknowledged: &mut BTreeMap<u64, u64>) {
    let itself = std::env::current_exe().expect("the test knows its own path");
    let mut command = Command::new(itself);
    command.args(["--exact", "crash::child", "--ignored", "--nocapture"]);
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut seen = 0;
    let mut note = |line: String| {
        let Some(words) = line.strip_prefix("ack ") else { return false };
        let (writer, number) = words.split_once(' ').expect("writer and number");
        acknowledged.insert(writer.parse().expect("a number"), number.parse().expect("a number"));
        true
    };
    while seen < after {
        let line = lines.next().expect("the child writes until it is killed");
        seen += u64::from(note(line));
    }
    child.kill().expect("the child can be killed");
    // What it had printed before it died counts too; the last line may be cut off, which is no acknowledgement.
    let mut rest: Vec<String> = lines.collect();
    rest.pop();
    rest.into_iter().for_each(|line| {
        note(line);
    });
    child.wait().expect("the child can be waited for");
}

async fn verify(store: &Store<Registers>, acknowledged: &BTreeMap<u64, u64>) {
    let snapshot = store.fresh().await.unwrap();
    snapshot.state.check_index();
    let mut parts = 0;
    for writer in 0..WRITERS {
        let count = snapshot.state.number(&format!("count/{writer}"));
        let told = acknowledged.get(&writer).copied().unwrap_or(0);
        assert!(count >= told, "writer {writer}: {told} acknowledged, {count} there");
        for number in 1..=count {
            for part in ["a", "b"] {
                let key = format!("part/{writer}/{number}/{part}");
                assert_eq!(snapshot.state.number(&key), number, "{key} is missing: half a transaction");
                parts += 1;
            }
        }
    }
    let all = snapshot.state.all();
    let found = all.iter().filter(|(key, _, _)| key.starts_with("part/")).count();
    assert_eq!(found, parts, "there are parts of transactions that did not happen");
}

/// The child. Does nothing unless the test above has started it.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let config = if let Ok(dir) = std::env::var(DIR) {
        EngineConfig::Embedded { dir: dir.into() }
    } else if let Ok(etcd) = std::env::var(ETCD) {
        let (endpoint, prefix) = etcd.split_once(' ').expect("endpoint and prefix");
        let (endpoints, prefix) = (vec![endpoint.to_owned()], prefix.to_owned());
        EngineConfig::Etcd(EtcdConfig { endpoints, prefix, ..EtcdConfig::default() })
    } else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = open(&config, &Options::default(), &TaskTracker::new()).await.expect("the store opens");
        let writers = (0..WRITERS).map(|writer| write_forever(store.clone(), writer));
        futures::future::join_all(writers).await;
    });
}

async fn write_forever(store: Store<Registers>, writer: u64) {
    loop {
        let done = store.transact("crash", move |state: &Registers, _| {
            let mut changes = Changes::default();
            let number = state.number(&format!("count/{writer}")) + 1;
            for key in ["a", "b"].map(|part| format!("part/{writer}/{number}/{part}")) {
                state.set(&mut changes, &key, number.to_string());
            }
            state.set(&mut changes, &format!("count/{writer}"), number.to_string());
            Ok::<_, std::convert::Infallible>((changes, number))
        });
        let number = done.await.expect("committing works until the kill").value;
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {writer} {number}").expect("the parent listens");
        out.flush().expect("the parent listens");
    }
}
