//! From nothing to the first packet between two machines of a tenant.

use std::time::{Duration, Instant};

use super::lab::{Lab, address};
use crate::report::{Report, ms, quantile};

const RUNS: usize = 3;

/// Brings labs up, one after the other; the last one is given back for more, with m1 and m2 in one network.
pub async fn measure(report: &mut Report) -> anyhow::Result<Lab> {
    let mut all: [Vec<Duration>; 5] = Default::default();
    loop {
        let (lab, times) = run().await?;
        for (list, took) in all.iter_mut().zip(times) {
            list.push(took);
        }
        if all[0].len() == RUNS {
            show(report, all);
            return Ok(lab);
        }
    }
}

/// Total, and its parts: the lab runs, machines wait, systems are home, the first answer.
async fn run() -> anyhow::Result<(Lab, [Duration; 5])> {
    let start = Instant::now();
    let lab = Lab::up().await?;
    let running = start.elapsed();
    for machine in ["m1", "m2"] {
        lab.until_event(machine, "Waiting").await?;
    }
    let waiting = start.elapsed();
    let network = lab.network("first").await?;
    lab.allocate("m1", &network).await?;
    let second = lab.allocate("m2", &network).await?;
    for machine in ["m1", "m2"] {
        lab.until_event(machine, "Phoned Home").await?;
    }
    let home = start.elapsed();
    lab.until_pings("m1", &address(&second)?).await?;
    let all = start.elapsed();
    Ok((lab, [all, running, waiting - running, home - waiting, all - home]))
}

fn show(report: &mut Report, all: [Vec<Duration>; 5]) {
    let slowest = all[0].iter().max().copied().unwrap_or_default();
    let medians = all.map(|mut list| {
        list.sort_unstable();
        ms(quantile(&list, 0.5)) / 1000.0
    });
    let [total, running, waiting, home, ping] = medians;
    let note = format!(
        "median of {RUNS}, slowest {:.1}; lab up {running:.1}, machines wait {waiting:.1}, allocate to phoned home \
         {home:.1}, first ping {ping:.1}",
        slowest.as_secs_f64()
    );
    report.add("fabric from nothing to the first tenant ping", total, "s", "<= 15", note);
}
