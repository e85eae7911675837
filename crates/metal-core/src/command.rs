//! The program's sub-commands.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use metal_runtime::config::EXIT_BAD_CONFIG;
use metal_runtime::signal::Signals;
use metal_runtime::{TaskTree, log};

use crate::agent::{self, Agent, wanted_offline};
use crate::config::{Config, DEFAULT};
use crate::select;

/// How long tasks may take to end; a change that was begun is finished.
const DRAIN: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  metal-core --print-default-config > /etc/metal-core.toml
      begin with a file that explains every setting
  metal-core check-config
      tell everything that is wrong with it
  metal-core plan
      print what would be changed on this switch, and change nothing
  metal-core
      run until told to end; the switch keeps forwarding without the agent";

/// Agent on a switch: makes it what the control plane wants, and reports what it is.
#[derive(Debug, Parser)]
#[command(name = "metal-core", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    file: FileArgs,
    /// Print a configuration file with all defaults and end
    #[arg(long)]
    print_default_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "METAL_CORE_CONFIG",
        default_value = "/etc/metal-core.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

#[derive(Debug, Clone, Copy, Default, Subcommand)]
enum Command {
    /// Run the agent (the default)
    #[default]
    Run,
    /// Print what would be changed to carry out the last known wishes, and change nothing
    Plan,
    /// Check the configuration file
    CheckConfig,
}

/// Runs the program.
pub fn run(cli: &Cli) -> ExitCode {
    if cli.print_default_config {
        return told(print(DEFAULT).map(|()| ExitCode::SUCCESS));
    }
    let config = match Config::load(&cli.file.config) {
        Ok(config) => config,
        Err(error) => return complain(&error.into(), ExitCode::from(EXIT_BAD_CONFIG)),
    };
    match cli.command.unwrap_or_default() {
        Command::Run => {
            if let Err(error) = log::init(&config.log_level, config.log_format) {
                return complain(&error.into(), ExitCode::from(EXIT_BAD_CONFIG));
            }
            told(runtime().and_then(|runtime| runtime.block_on(run_until_told(config))))
        }
        Command::Plan => told(plan(&config).map(|()| ExitCode::SUCCESS)),
        Command::CheckConfig => {
            told(print(&format!("{} is good\n", cli.file.config.display())).map(|()| ExitCode::SUCCESS))
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("print")
}

fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| complain(&error, ExitCode::FAILURE))
}

/// Tells an error to whoever started the program; logging may not have begun.
fn complain(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    let text = metal_runtime::chain(error.as_ref());
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "metal-core: {text}");
    code
}

/// One thread: the agent waits most of the time, and a switch has little memory to spare.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    metal_runtime::tls::install_provider();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(3))
        .build()
        .context("start the asynchronous runtime")
}

async fn run_until_told(config: Config) -> anyhow::Result<ExitCode> {
    let signals = Signals::install().context("catch signals")?;
    let config = Arc::new(config);
    let driver = select::driver(&config.device)?;
    let tree = TaskTree::root("metal-core");
    let neighbors = agent::neighbors(&config, &tree);
    tracing::info!(switch = config.hostname.as_str(), version = env!("CARGO_PKG_VERSION"), "starting");
    let relayed = agent::relay(&config, &tree);
    match Agent::start(Arc::clone(&config), driver, neighbors, &tree).await {
        Ok(agent) => relayed.into_iter().for_each(|counters| agent.show_relay(counters)),
        Err(error) => {
            tree.shutdown(DRAIN).await;
            return Err(error);
        }
    }
    let report = signals.run(&tree, DRAIN).await;
    if report.is_clean() {
        tracing::info!("ended in order");
        return Ok(ExitCode::SUCCESS);
    }
    tracing::error!(aborted = ?report.aborted, faults = ?report.faults, "ended in disorder");
    Ok(ExitCode::FAILURE)
}

fn plan(config: &Config) -> anyhow::Result<()> {
    let driver = select::driver(&config.device)?;
    let ports = driver.ports()?;
    let wanted = wanted_offline(config, &ports)?
        .context("the control plane's wishes are not known yet: run the agent first")?;
    let mut text = String::new();
    for (port, why) in &wanted.faults {
        text.push_str(&format!("# port {port} is cut off: {why}\n"));
    }
    for step in driver.prepare(&wanted.intent)?.describe() {
        text.push_str(&step);
        text.push('\n');
    }
    for deviation in driver.deviations(&wanted.intent)? {
        text.push_str(&format!("# deviates: {deviation}\n"));
    }
    if text.is_empty() {
        "the switch is as wanted\n".clone_into(&mut text);
    }
    print(&text)
}
