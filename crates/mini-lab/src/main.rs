//! The data centre on a laptop: one command starts a control plane, fills it, and keeps a fabric or a simulation
//! running against it until it is told to stop.
//!
//! Everything lives in one directory, which `down` removes again. `up` leaves a background process behind that owns
//! the control plane and the simulation; all commands talk to it over a socket in that directory.

mod agents;
mod arguments;
mod control;
mod daemon;
mod directory;
mod down;
mod fabric;
mod guest;
mod image_server;
mod inside;
mod node;
mod probe;
mod resources;
mod server;
mod status;
mod up;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use arguments::{Arguments, Command};

/// Tells something on standard output. A reader that has gone does not matter.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What becomes part of the sandbox must not have threads before it is inside.
    match &arguments.command {
        Command::Init => {
            return ended(metal_linux::sandbox::run_init().map(|()| ExitCode::SUCCESS).map_err(Into::into));
        }
        Command::GuestInit => return ended(guest::run_agent().map(|()| ExitCode::SUCCESS)),
        Command::Node { spec } => return ended(node::run(spec).map(|()| ExitCode::SUCCESS)),
        _ => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mini-lab: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        let directory = directory::Directory::at(&arguments.directory()?)?;
        match arguments.command {
            Command::Up(options) => up::run(&directory, &options).await.map(|()| ExitCode::SUCCESS),
            Command::Run => daemon::run(&directory, true).await.map(|()| ExitCode::SUCCESS),
            Command::Status { json } => status::run(&directory, json).await.map(|()| ExitCode::SUCCESS),
            Command::Down(options) => down::run(&directory, &options).await.map(|()| ExitCode::SUCCESS),
            Command::Shell { node, command } => inside::shell(&directory, &node, &command).await,
            Command::Capture { node, port, arguments } => {
                inside::capture(&directory, &node, &port, &arguments).await
            }
            Command::Probe(options) => probing(&directory, &options).await,
            Command::Guest(options) => guest::run(&options).await,
            Command::Topology => {
                say(fabric::topology::DEFAULT.trim_end());
                Ok(ExitCode::SUCCESS)
            }
            Command::Rootfs => {
                let root = fabric::rootfs::ensure(|step| eprintln!("mini-lab: {step}")).await?;
                say(&root.display().to_string());
                Ok(ExitCode::SUCCESS)
            }
            Command::Init | Command::GuestInit | Command::Node { .. } => Ok(ExitCode::SUCCESS),
        }
    });
    ended(outcome)
}

async fn probing(directory: &directory::Directory, options: &probe::Probe) -> anyhow::Result<ExitCode> {
    let plan = directory.plan()?.context("there is no lab: start one with `mini-lab up`")?;
    let topology = plan.topology.clone().context("a simulated lab has no wires to probe")?;
    let report = control::ask(directory, "status").await?;
    let report = report.context("the lab does not run: start it with `mini-lab up`")?;
    let (client, _) = server::connect(directory, &plan).await?;
    let is_clean = probe::command(&client, &report.nodes, &topology, options).await?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mini-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
