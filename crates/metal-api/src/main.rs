//! Starts the control plane.

use std::process::ExitCode;

use clap::Parser as _;

/// Answers are made of many small strings; the C library's allocator spends a noticeable share of each on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    metal_api::run(metal_api::Cli::parse())
}
