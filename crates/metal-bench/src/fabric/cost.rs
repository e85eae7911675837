//! What the agent and FRR cost on a leaf that has nothing to do.

use std::time::Duration;

use anyhow::Context as _;

use super::lab::Lab;
use crate::footprint::{cpu_time, resident_mib};
use crate::report::Report;

const WINDOW: Duration = Duration::from_secs(60);
/// All of FRR that a leaf runs.
const FRR: [&str; 5] = ["bgpd", "mgmtd", "staticd", "watchfrr", "zebra"];

/// Memory and processor time of leaf01's agent, and FRR's memory.
pub async fn measure(report: &mut Report, lab: &Lab) -> anyhow::Result<()> {
    let agents = lab.processes("leaf01", &["metal-core"])?;
    let pid = agents.first().context("leaf01 runs no metal-core")?.1;
    let before = cpu_time(pid)?;
    tokio::time::sleep(WINDOW).await;
    let used = cpu_time(pid)? - before;
    let share = used.as_secs_f64() / WINDOW.as_secs_f64() * 100.0;
    report.add("idle CPU of metal-core", share, "% of a core", "-", format!("over {} s", WINDOW.as_secs()));
    report.add("memory of metal-core", resident_mib(pid)?, "MiB", "<= 20", parts(pid)?);
    let mut sum = 0.0;
    let mut each = Vec::new();
    for (name, pid) in lab.processes("leaf01", &FRR)? {
        let resident = resident_mib(pid)?;
        sum += resident;
        each.push(format!("{name} {resident:.1}"));
    }
    each.sort();
    report.add("memory of FRR on the same leaf", sum, "MiB", "-", format!("resident: {}", each.join(", ")));
    Ok(())
}

/// What the memory of a process consists of.
fn parts(pid: u32) -> anyhow::Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.map(|rest| rest.trim().to_owned()).unwrap_or_default()
    };
    Ok(format!(
        "resident; own {}, of files {}, peak {}, {} threads",
        of("RssAnon:"),
        of("RssFile:"),
        of("VmHWM:"),
        of("Threads:")
    ))
}
