//! The data centre on a laptop: one command starts a control plane, fills it, and keeps a simulated data centre
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
mod image_server;
mod resources;
mod server;
mod status;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

/// Tells something on standard output. A reader that has gone does not matter.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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
            Command::Up(options) => up::run(&directory, &options).await,
            Command::Run => daemon::run(&directory, true).await,
            Command::Status { json } => status::run(&directory, json).await,
            Command::Down(options) => down::run(&directory, &options).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mini-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
