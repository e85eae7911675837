//! Starts the control plane.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    metal_api::run(metal_api::Cli::parse())
}
