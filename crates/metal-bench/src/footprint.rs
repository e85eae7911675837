//! What a server costs that does nothing.

use std::time::Duration;

use anyhow::Context as _;

use crate::report::Report;
use crate::server::{Server, work_dir};

/// Resident memory of a process, MiB.
pub fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS in /proc")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib / 1024.0)
}

/// Processor time a process has used.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = stat.rsplit_once(')').context("the name in parentheses")?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // Linux counts 100 ticks a second on every architecture we run on.
    Ok(Duration::from_millis(ticks * 10))
}

/// Memory and processor share of a fresh server over half a minute.
pub async fn idle(report: &mut Report) -> anyhow::Result<()> {
    let dir = work_dir()?;
    let server = Server::start(dir.path(), None).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = cpu_time(server.process.id())?;
    let window = Duration::from_secs(30);
    tokio::time::sleep(window).await;
    let used = cpu_time(server.process.id())? - before;
    let share = used.as_secs_f64() / window.as_secs_f64() * 100.0;
    report.add("idle CPU of a fresh server", share, "% of a core", "< 0.5", "over 30 s");
    report.add("memory of a fresh server", resident_mib(server.process.id())?, "MiB", "< 40", "resident");
    Ok(())
}
