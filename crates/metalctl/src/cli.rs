//! The command tree: its flags, where their values come from besides the command line, and an example for each.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cmd;
use crate::example;
use crate::print::Format;

/// The command line of the bare-metal cloud
#[derive(Debug, Parser)]
#[command(name = "metalctl", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// URL of the API
    #[arg(long, global = true)]
    pub api_url: Option<String>,
    /// Token to be known by
    #[arg(long, global = true, hide_env_values = true)]
    pub api_token: Option<String>,
    /// HMAC key to be known by
    #[arg(long, global = true, hide_env_values = true)]
    pub hmac: Option<String>,
    /// Type of the HMAC key: Metal-View, Metal-Edit or Metal-Admin
    #[arg(long, global = true)]
    pub hmac_auth_type: Option<String>,
    /// Certificates to trust, as PEM or base64 of it
    #[arg(long, global = true, hide_env_values = true)]
    pub certificate_authority_data: Option<String>,
    /// Configuration file instead of /etc/metalctl, ~/.metalctl or ./config.yaml
    #[arg(short, long, global = true)]
    pub config: Option<PathBuf>,
    /// Kubeconfig file that holds the token
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// How to print
    #[arg(short, long, global = true, value_enum)]
    pub output_format: Option<Format>,
    /// Go template over the JSON keys, for -o template
    #[arg(long, global = true)]
    pub template: Option<String>,
    /// Print tables without headers
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// Do what is dangerous, and do not ask
    #[arg(id = "force", long = "yes-i-really-mean-it", global = true)]
    pub force: bool,
    /// Tell more about errors
    #[arg(long, global = true)]
    pub debug: bool,
    /// Print colours even where there is no terminal
    #[arg(long, global = true)]
    pub force_color: bool,
    /// Seconds an answer may take
    #[arg(long, global = true, default_value_t = 60)]
    pub request_timeout: u64,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The audit log: who did what
    #[command(subcommand)]
    Audit(cmd::audit::Command),
    /// Completion for your shell
    Completion(cmd::completion::CompletionArgs),
    /// Contexts: which API to talk to
    #[command(visible_alias = "ctx")]
    Context(cmd::context::ContextArgs),
    /// Filesystem layouts: how disks are partitioned
    #[command(subcommand, visible_alias = "fsl")]
    Filesystemlayout(cmd::filesystem_layout::Command),
    /// Firewalls
    #[command(subcommand, visible_alias = "fw")]
    Firewall(cmd::firewall::Command),
    /// Firmware that can be installed
    #[command(subcommand)]
    Firmware(cmd::firmware::Command),
    /// Whether the service works
    Health,
    /// Operating system images
    #[command(subcommand)]
    Image(cmd::image::Command),
    /// Log in at the issuer of the context
    Login(cmd::login::LoginArgs),
    /// Log out at the issuer of the context
    Logout,
    /// Machines
    #[command(subcommand, visible_alias = "ms")]
    Machine(cmd::machine::Command),
    /// Networks and addresses
    #[command(subcommand)]
    Network(cmd::network::Command),
    /// Partitions
    #[command(subcommand)]
    Partition(cmd::partition::Command),
    /// Projects
    #[command(subcommand)]
    Project(cmd::project::Command),
    /// Sizes of machines
    #[command(subcommand)]
    Size(cmd::size::Command),
    /// Switches
    #[command(subcommand, visible_alias = "sw")]
    Switch(cmd::switch::Command),
    /// Background tasks of the server
    #[command(subcommand)]
    Task(cmd::service::TaskCommand),
    /// Tenants
    #[command(subcommand)]
    Tenant(cmd::tenant::Command),
    /// Whether this program fits the server
    #[command(subcommand)]
    Update(cmd::service::UpdateCommand),
    /// Versions of this program and of the server
    Version,
    /// The management VPN
    #[command(subcommand)]
    Vpn(cmd::service::VpnCommand),
    /// Who the token says you are
    Whoami,
}

/// Reads the command line, or ends the program with help.
pub fn parse() -> Cli {
    let matches = command().get_matches();
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    }
}

/// The command tree, with environment variables and examples.
pub fn command() -> clap::Command {
    finish(Cli::command(), "metalctl")
}

fn finish(mut command: clap::Command, path: &str) -> clap::Command {
    command = command.mut_args(|arg| match arg.get_long() {
        Some("help" | "version") | None => arg,
        Some(long) => {
            let variable = format!("METALCTL_{}", long.replace('-', "_").to_uppercase());
            arg.env(variable).hide_env(true)
        }
    });
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(name, |c| finish(c, &path));
    }
    match example::of(path) {
        Some(example) => command.after_help(format!("Example:\n  {example}")),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Command and flags as the specification lists them.
    const TREE: &str = include_str!("../tests/command-tree.txt");

    fn find<'c>(root: &'c clap::Command, path: &[&str]) -> Option<&'c clap::Command> {
        path.iter().try_fold(root, |c, name| c.find_subcommand(name))
    }

    #[test]
    fn every_command_is_there_with_its_flags() {
        let mut root = command();
        root.build();
        let mut missing = Vec::new();
        for line in TREE.lines().filter(|l| !l.is_empty()) {
            let (path, flags) = line.split_once('|').unwrap();
            let names: Vec<&str> = path.split_whitespace().collect();
            let Some(command) = find(&root, &names) else {
                missing.push(path.to_owned());
                continue;
            };
            for flag in flags.split_whitespace() {
                let (short, long) = flag.split_once('/').map_or((None, flag), |(s, l)| (Some(s), l));
                let long = long.trim_start_matches("--");
                let Some(arg) = command.get_arguments().find(|a| a.get_long() == Some(long)) else {
                    missing.push(format!("{path}: --{long}"));
                    continue;
                };
                let short = short.map(|s| s.trim_start_matches('-'));
                if short.is_some_and(|s| arg.get_short().map(String::from).as_deref() != Some(s)) {
                    missing.push(format!("{path}: -{} of --{long}", short.unwrap()));
                }
            }
        }
        assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
    }

    #[test]
    fn aliases_lead_to_the_same_commands() {
        let root = command();
        for (alias, path) in [
            ("ms ls", "machine list"),
            ("fw get", "firewall describe"),
            ("sw rm", "switch delete"),
            ("fsl destroy", "filesystemlayout delete"),
            ("size rs remove", "size reservation delete"),
            ("size ic ls", "size imageconstraint list"),
            ("ctx short", "context short"),
            ("machine firmware-update bios", "machine update-firmware bios"),
            ("machine log", "machine logs"),
        ] {
            let split = |p: &'static str| p.split(' ').collect::<Vec<_>>();
            let named = |p| find(&root, &split(p)).map(|c| c.get_name().to_owned());
            assert_eq!(named(alias), named(path), "{alias}");
            assert!(named(alias).is_some(), "{alias}");
        }
    }

    #[test]
    fn every_leaf_has_an_example_that_parses() {
        fn walk(command: &clap::Command, path: &str) {
            let mut leaf = true;
            for sub in command.get_subcommands() {
                leaf = false;
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
            if !leaf {
                return;
            }
            let example = example::of(path).unwrap_or_else(|| panic!("{path} has no example"));
            assert!(example.starts_with(path) || path == "metalctl context short", "{example}");
            let words = example::words(example.split(" | ").next().unwrap());
            if let Err(error) = super::command().try_get_matches_from(&words) {
                panic!("{example}: {error}");
            }
        }
        walk(&command(), "metalctl");
    }

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }
}
