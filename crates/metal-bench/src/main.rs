//! Prints the figures the project promises, measured on this machine with the optimised programs that stand beside
//! this one, clients included, and writes them as JSON. Nothing here asserts: a figure is for people to read.

mod agents;
mod cli;
mod decision;
mod fabric;
mod failover;
mod fill;
mod footprint;
mod load;
mod report;
mod rest;
mod server;

use std::path::PathBuf;

use clap::Parser;
use report::Report;

/// Measures the promised figures.
#[derive(Debug, Parser)]
#[command(
    after_help = "Examples:\n  metal-bench\n  metal-bench --only ip,cli\n  metal-bench --machines 10000 --out /tmp/figures"
)]
struct Args {
    /// Only these groups: decision, ip, allocate, read, list, alive, memory, cli, idle, etcd, failover,
    /// replan (of a big switch), fabric (a lab with switches; needs root)
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Machines of the large fleet
    #[arg(long, default_value_t = 100_000)]
    machines: usize,
    /// Directory of the JSON files
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

impl Args {
    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == group)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    metal_runtime::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut report = Report::new(&args.out)?;
    if args.wants("decision") {
        decision::measure(&mut report, args.machines)?;
    }
    if args.wants("idle") {
        footprint::idle(&mut report).await?;
    }
    if args.wants("ip") {
        rest::ip_acquires(&mut report, server::Engine::Embedded).await?;
    }
    if args.wants("allocate") {
        rest::allocations(&mut report, server::Engine::Embedded).await?;
    }
    if args.wants("list") {
        rest::list(&mut report).await?;
    }
    if args.wants("cli") {
        cli::measure(&mut report).await?;
    }
    if args.wants("read") || args.wants("memory") {
        rest::large_fleet(&mut report, args.machines).await?;
    }
    if args.wants("alive") {
        agents::alive(&mut report).await?;
    }
    if args.wants("etcd") {
        rest::ip_acquires(&mut report, server::Engine::Etcd).await?;
        rest::allocations(&mut report, server::Engine::Etcd).await?;
    }
    if args.wants("failover") {
        failover::measure(&mut report).await?;
    }
    if args.wants("replan") {
        fabric::replan::measure(&mut report)?;
    }
    if args.wants("fabric") {
        fabric::measure(&mut report).await?;
    }
    report.finish()
}
