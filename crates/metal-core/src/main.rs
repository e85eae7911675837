//! Starts the agent.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    metal_core::command::run(&metal_core::command::Cli::parse())
}
