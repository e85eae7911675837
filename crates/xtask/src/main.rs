//! Repository chores: the rules that no compiler checks, each as one command.
//!
//! `check-layers` keeps the arrows between the crates pointing the right way, `check-style` the conventions a reader
//! relies on. Both print every violation and fail if there is one.

mod layers;
mod style;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Repository chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check that crates depend only on what their layer may.
    CheckLayers,
    /// Check file sizes, file heads, file names and forbidden phrases.
    CheckStyle,
}

fn main() -> anyhow::Result<ExitCode> {
    let (name, violations) = match Arguments::parse().chore {
        Chore::CheckLayers => ("check-layers", layers::violations()?),
        Chore::CheckStyle => ("check-style", style::violations()?),
    };
    for violation in &violations {
        eprintln!("{violation}");
    }
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{name}: {} violation(s)", violations.len());
        ExitCode::FAILURE
    })
}
