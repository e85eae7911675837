//! What the fabric promises, measured on a lab with switches: how fast a change arrives, a tenant gets its network, a
//! loss is survived, and what the agent costs.

mod changes;
mod cost;
mod lab;
mod loss;
pub mod replan;
mod start;

use crate::report::Report;

/// All figures that need a lab. Without root there is none, and they are left out.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("the figures of the fabric are left out: namespaces need root, run metal-bench as root");
        return Ok(());
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    println!("load of the machine before the fabric's figures: {load}");
    let lab = start::measure(report).await?;
    changes::measure(report, &lab).await?;
    cost::measure(report, &lab).await?;
    loss::measure(report, &lab).await
}
