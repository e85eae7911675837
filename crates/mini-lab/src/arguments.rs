//! The command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

/// A data centre on a laptop.
#[derive(Parser)]
#[command(name = "mini-lab", version, about = "A data centre on a laptop")]
pub struct Arguments {
    /// Where everything is kept [default: ~/.mini-lab].
    #[arg(long, global = true, env = "MINI_LAB_DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start the lab, or continue one that was interrupted.
    Up(Up),
    /// Tell what the lab is doing.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop the lab and remove everything it made.
    Down(Down),
    /// Own the control plane and the simulation; started by `up`.
    #[command(hide = true)]
    Run,
}

#[derive(Args)]
pub struct Up {
    /// Simulate the machines and switches; the only kind of lab so far.
    #[arg(long)]
    pub simulated: bool,
    /// How many racks [default: 4].
    #[arg(long)]
    pub racks: Option<u16>,
    /// How many machines in each rack [default: 16].
    #[arg(long)]
    pub machines_per_rack: Option<u16>,
    /// Decides everything that is left to chance [default: 1].
    #[arg(long)]
    pub seed: Option<u64>,
    /// A file that says what goes wrong: lines like `rate crash 0.05` and `at 90s vanish r01/3`.
    #[arg(long)]
    pub script: Option<PathBuf>,
    /// Port of the public API [default: 8080 if it is free]; 0 takes any.
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of the agents' API [default: 50051 if it is free]; 0 takes any.
    #[arg(long)]
    pub grpc_port: Option<u16>,
    /// The control plane's program [default: the metal-api beside this program].
    #[arg(long, env = "MINI_LAB_METAL_API")]
    pub metal_api: Option<PathBuf>,
    /// Stay in the foreground until interrupted.
    #[arg(long)]
    pub foreground: bool,
}

#[derive(Args)]
pub struct Down {
    /// Stop, but keep the directory: the next `up` continues where this lab stopped.
    #[arg(long)]
    pub keep: bool,
}

impl Arguments {
    /// The lab's directory.
    pub fn directory(&self) -> anyhow::Result<PathBuf> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => {
                let home = std::env::home_dir().context("there is no home directory: give --dir")?;
                Ok(home.join(".mini-lab"))
            }
        }
    }
}
