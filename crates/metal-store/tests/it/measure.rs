//! Figures rather than verdicts; run with `--release -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metal_store::{Changes, Store, Write};

use crate::registers::Registers;
use crate::target::Target;

const CALLERS: u64 = 256;

async fn throughput(name: &str, store: Store<Registers>, lasting: Duration) {
    let started = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            let (mut done, mut slowest) = (0_u64, Duration::ZERO);
            while started.elapsed() < lasting {
                let (key, text): (_, Arc<str>) = (format!("ip/{caller}/{done}"), "10.0.0.1".into());
                let began = Instant::now();
                let acquired = store.transact("acquire", move |_: &Registers, _| {
                    let writes = [(key.clone(), Write::Create(text.clone()))].into();
                    Ok::<_, std::convert::Infallible>((Changes { writes }, ()))
                });
                acquired.await.unwrap();
                slowest = slowest.max(began.elapsed());
                done += 1;
            }
            (done, slowest)
        });
    }
    let results = callers.join_all().await;
    let done: u64 = results.iter().map(|(done, _)| done).sum();
    let slowest = results.iter().map(|(_, slowest)| *slowest).max().unwrap_or_default();
    let stats = store.stats();
    let each = stats.total_commit / u32::try_from(stats.groups.max(1)).unwrap_or(u32::MAX);
    println!(
        "{name}: {:.0} durable transactions/s with {CALLERS} callers; {:.0} in a group, {each:?} a group, slowest {slowest:?}",
        done as f64 / started.elapsed().as_secs_f64(),
        stats.commits as f64 / stats.groups as f64,
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn durable_transactions_a_second() {
    let target = Target::embedded();
    throughput("embedded", target.open().await, Duration::from_secs(5)).await;
    let target = Target::etcd();
    throughput("etcd, one member", target.open().await, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn start_with_100_000_documents() {
    let target = Target::embedded();
    let store = target.open().await;
    let text: Arc<str> = "x".repeat(3000).into();
    for part in 0..100 {
        let key = |number| (format!("machine/{part}/{number}"), Write::Create(text.clone()));
        let changes = Changes { writes: (0..1000).map(key).collect() };
        let filled = store.transact("fill", move |_: &Registers, _| Ok::<_, ()>((changes.clone(), ())));
        filled.await.unwrap();
    }
    store.close().await;
    let started = Instant::now();
    let store = target.open().await;
    println!("{} documents of 3 kB loaded in {:?}", store.snapshot().state.all().len(), started.elapsed());
    let began = Instant::now();
    let summary = store.dump(std::io::sink()).unwrap();
    println!("{} documents dumped in {:?}", summary.documents, began.elapsed());
    store.close().await;
}
