//! The command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::guest::Guest;
use crate::probe::Probe;

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
    /// Open a shell in a switch, a machine or a host of the lab, or run one command there.
    #[command(
        after_help = "Examples:\n  mini-lab shell leaf01\n  mini-lab shell leaf01 -- vtysh -c 'show bgp vrf all summary'\n  mini-lab shell m1 -- ip route"
    )]
    Shell {
        /// Its name; `mini-lab status` lists them.
        node: String,
        /// What to run there instead of a shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Show the packets on a port of a switch or machine, as tcpdump does.
    #[command(
        after_help = "Examples:\n  mini-lab capture leaf01 swp1\n  mini-lab capture leaf01 swp31 -- udp port 4789\n  mini-lab capture m1 lan0 -- -c 10 -w - > m1.pcap"
    )]
    Capture {
        /// The node.
        node: String,
        /// The port, in whichever routing table it is at the moment.
        port: String,
        /// Further arguments and the filter, as tcpdump takes them.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Try on the wire what must and what must not reach what, as the API tells, and report every difference.
    #[command(
        after_help = "Examples:\n  mini-lab probe\n  mini-lab probe --gentle --continuous 60\n  mini-lab probe --json"
    )]
    Probe(Probe),
    /// Print the topology of the usual fabric, to be changed and given to `mini-lab up --topology`.
    Topology,
    /// Build the system of the lab's switches, if it is not there, and print where it is.
    Rootfs,
    /// Run a command in a virtual machine whose kernel has VRF devices and VLAN-aware bridges.
    #[command(
        after_help = "Examples:\n  mini-lab guest -- ip link add red type vrf table 10\n  mini-lab guest --timeout 600 -- sh -c 'mini-lab --dir /tmp/lab up && mini-lab --dir /tmp/lab probe'"
    )]
    Guest(Guest),
    /// The first program of such a machine; started by it.
    #[command(hide = true)]
    GuestInit,
    /// The first process of the sandbox; started by the lab.
    #[command(hide = true)]
    Init,
    /// A node from the inside; started by the lab.
    #[command(hide = true)]
    Node { spec: String },
    /// Own the control plane and the simulation; started by `up`.
    #[command(hide = true)]
    Run,
}

#[derive(Args)]
pub struct Up {
    /// Simulate machines and switches as tasks of one process: hundreds of them, no root needed, no fabric.
    #[arg(long)]
    pub simulated: bool,
    /// The fabric to build: a file of the form `mini-lab topology` prints.
    #[arg(long, conflicts_with = "simulated")]
    pub topology: Option<PathBuf>,
    /// How many racks, simulated [default: 4].
    #[arg(long)]
    pub racks: Option<u16>,
    /// How many machines in each rack, simulated [default: 16].
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
