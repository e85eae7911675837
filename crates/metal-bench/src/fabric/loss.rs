//! How long two machines do not reach each other after a cable or a leaf is lost.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::lab::{Lab, address, id};
use crate::report::Report;

/// The lab's hold time and two seconds more.
const TARGET: &str = "<= 5000";
/// Drops what a leaf would forward, in all its routing tables.
const SILENCE: &str = "for n in '' $(ls /run/netns 2>/dev/null); do i=${n:+ip netns exec $n}; $i nft add table inet lost; \
    $i nft 'add chain inet lost f { type filter hook forward priority 0; policy drop; }'; done";
const HEAL: &str =
    "for n in '' $(ls /run/netns 2>/dev/null); do ${n:+ip netns exec $n} nft delete table inet lost; done";

/// Loses each cable of m2, then each leaf, and reports the worst.
pub async fn measure(report: &mut Report, lab: &Lab) -> anyhow::Result<()> {
    let target = address(&lab.client.machine().get(&id("m2")).await?)?;
    lab.until_connected(&["m1", "m2"]).await?;
    let mut gaps = Vec::new();
    for port in ["lan0", "lan1"] {
        let stream = Stream::start(lab, &target)?;
        sleep(Duration::from_secs(2)).await;
        lab.run("m2", &["ip", "link", "set", port, "down"])?;
        sleep(Duration::from_secs(15)).await;
        gaps.push(stream.longest_gap()?);
        lab.run("m2", &["ip", "link", "set", port, "up"])?;
        lab.until_connected(&["m1", "m2"]).await?;
        lab.until_pings("m1", &target).await?;
    }
    show(report, "without traffic after a cable is lost", &gaps);
    gaps.clear();
    for leaf in ["leaf01", "leaf02"] {
        let stream = Stream::start(lab, &target)?;
        sleep(Duration::from_secs(2)).await;
        signal(lab, leaf, Signal::STOP)?;
        lab.run(leaf, &["sh", "-c", SILENCE])?;
        sleep(Duration::from_secs(15)).await;
        gaps.push(stream.longest_gap()?);
        lab.run(leaf, &["sh", "-c", HEAL])?;
        signal(lab, leaf, Signal::CONT)?;
        lab.until_connected(&["m1", "m2"]).await?;
        lab.until_pings("m1", &target).await?;
    }
    show(report, "without traffic after a leaf falls silent", &gaps);
    Ok(())
}

fn show(report: &mut Report, name: &str, gaps: &[f64]) {
    let each = gaps.iter().map(|gap| format!("{gap:.0}")).collect::<Vec<_>>().join(" and ");
    let note = format!("the worse of {each}; a ping each 20 ms for 15 s, hold time 3 s; 15000: not back");
    report.add(name, gaps.iter().copied().fold(0.0, f64::max), "ms", TARGET, note);
}

/// Stops or continues the agent and the routing of a leaf.
fn signal(lab: &Lab, leaf: &str, signal: Signal) -> anyhow::Result<()> {
    for (_, pid) in lab.processes(leaf, &["metal-core", "bgpd", "zebra"])? {
        let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id")?;
        kill_process(pid, signal)?;
    }
    Ok(())
}

/// Pings from m1, each with the time of its answer.
struct Stream(std::process::Child);

impl Stream {
    fn start(lab: &Lab, address: &str) -> anyhow::Result<Self> {
        Ok(Self(lab.start("m1", &["ping", "-n", "-D", "-i", "0.02", "-c", "3000", address])?))
    }

    /// Ends it. The longest time without an answer, ms; up to now if traffic has not come back.
    fn longest_gap(self) -> anyhow::Result<f64> {
        let pid = Pid::from_raw(i32::try_from(self.0.id())?).context("a process id")?;
        kill_process(pid, Signal::INT)?;
        let ended = metal_runtime::clock::now().as_duration().as_secs_f64();
        let output = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let stamp = |line: &str| line.strip_prefix('[')?.split_once(']')?.0.parse::<f64>().ok();
        let times: Vec<f64> =
            text.lines().filter(|line| line.contains("bytes from")).filter_map(stamp).collect();
        let last = times.last().context("no ping was answered")?;
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        Ok(gaps.chain([ended - last]).fold(0.0, f64::max) * 1000.0)
    }
}
