//! The program's sub-commands.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use metal_plan::Snapshot;
use metal_runtime::signal::Signals;
use metal_runtime::{TaskTree, log};
use metal_store::restore;

use crate::app::{App, Builder, Store};
use crate::config::Config;
use crate::config::args::{LogArgs, ServeArgs, StoreArgs};
use crate::{pki, serve};

/// Exit code of a command line that cannot be used.
const USAGE: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  metal-api serve --data-dir /var/lib/metal-api
      one server with an embedded store; keys are made in the directory, only this host can connect
  metal-api serve --etcd-endpoints https://a:2379,https://b:2379 --etcd-ca-file ca.pem --audit-dir /var/log/metal-api \\
      --bind-addr 0.0.0.0     (keys by METAL_API_HMAC_{VIEW,EDIT,ADMIN}_KEY)
      one of several replicas
  metal-api dump --data-dir /var/lib/metal-api > backup.jsonl
  metal-api restore --etcd-endpoints https://a:2379 < backup.jsonl
      from an embedded store to a cluster";

/// Control plane of metal-stack.
#[derive(Debug, Parser)]
#[command(name = "metal-api", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the public API and the agents' API
    Serve(Box<ServeArgs>),
    /// Write everything in a store to a stream that any engine can read
    Dump(DumpArgs),
    /// Fill an empty store from a dump
    Restore(RestoreArgs),
    /// Print the OpenAPI document
    #[command(visible_alias = "dump-swagger")]
    Openapi(OpenapiArgs),
    /// Certificates and join tokens of agents
    Pki(PkiCommand),
}

#[derive(Debug, Args)]
struct DumpArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
    /// File to write; standard output by default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RestoreArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
    /// File to read; standard input by default
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct OpenapiArgs {
    /// Prefix of all paths
    #[arg(long, env = "METAL_API_BASE_PATH", default_value = "/", value_name = "PATH")]
    base_path: String,
}

#[derive(Debug, Args)]
struct PkiCommand {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    pki: pki::PkiArgs,
}

/// Runs the program.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => return serve_command(*args),
        Command::Dump(args) => start(&args.log, dump(args.store, args.output)),
        Command::Restore(args) => start(&args.log, restore_command(args.store, args.input)),
        Command::Openapi(args) => print_openapi(&args.base_path),
        Command::Pki(args) => start(&args.log, pki_command(args.store, args.pki)),
    };
    told(outcome.map(|()| ExitCode::SUCCESS))
}

fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| complain(&error, ExitCode::FAILURE))
}

/// Tells an error to whoever started the program, by every means there is: logging may not have begun.
fn complain(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    let text = metal_runtime::chain(error.as_ref());
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "metal-api: {text}");
    code
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    metal_runtime::tls::install_provider();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the asynchronous runtime")
}

fn start(log: &LogArgs, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    log::init(&log.log_level, log.log_format)?;
    runtime()?.block_on(work)
}

fn serve_command(args: ServeArgs) -> ExitCode {
    let (level, format) = (args.log().log_level.clone(), args.log().log_format);
    if let Err(error) = log::init(&level, format) {
        return complain(&error.into(), ExitCode::from(USAGE));
    }
    let config = match args.into_config() {
        Ok(config) => config,
        Err(error) => return complain(&error.into(), ExitCode::from(USAGE)),
    };
    told(runtime().and_then(|runtime| runtime.block_on(serve_until_told(config))))
}

async fn serve_until_told(config: Config) -> anyhow::Result<ExitCode> {
    let signals = Signals::install().context("catch signals")?;
    let app = Builder::new(config).build().await?;
    let server = match serve::Server::start(app.clone()).await {
        Ok(server) => server,
        Err(error) => {
            app.close().await;
            return Err(error);
        }
    };
    let ended_well = server.run(signals).await;
    Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(store: &StoreArgs, tasks: &TaskTree) -> anyhow::Result<Store> {
    let spawn = |name: &'static str, future| {
        tasks.spawn(name, future);
    };
    Ok(Store::open(store.engine()?, &spawn).await?)
}

async fn dump(args: StoreArgs, output: Option<PathBuf>) -> anyhow::Result<()> {
    let tasks = TaskTree::root("dump");
    let store = open(&args, &tasks).await?;
    let source = store.clone();
    let written = tokio::task::spawn_blocking(move || match output {
        Some(path) => {
            let file = create_private(&path)?;
            let summary = source.dump(&file)?;
            file.sync_all().with_context(|| format!("write {}", path.display()))?;
            anyhow::Ok(summary)
        }
        None => Ok(source.dump(io::stdout().lock())?),
    });
    let written = written.await.context("dump the store")?;
    store.close().await;
    let summary = written?;
    tracing::info!(documents = summary.documents, revision = summary.revision, "dumped");
    Ok(())
}

/// A dump holds keys and passwords.
fn create_private(path: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).with_context(|| format!("create {}", path.display()))
}

async fn restore_command(args: StoreArgs, input: Option<PathBuf>) -> anyhow::Result<()> {
    let engine = args.engine()?;
    let summary = match input {
        Some(path) => {
            let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            restore::<Snapshot>(engine, BufReader::new(file)).await?
        }
        None => restore::<Snapshot>(engine, BufReader::new(io::stdin())).await?,
    };
    tracing::info!(documents = summary.documents, revision = summary.revision, "restored");
    Ok(())
}

fn print_openapi(base_path: &str) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&crate::openapi::document(base_path))?;
    writeln!(io::stdout(), "{text}").context("print the document")
}

async fn pki_command(store: StoreArgs, args: pki::PkiArgs) -> anyhow::Result<()> {
    if args.is_remote() {
        return pki::run_remote(args, store.data_dir.as_deref()).await;
    }
    let config = Config { engine: store.engine()?, data_dir: store.data_dir.clone(), ..Config::default() };
    let app: std::sync::Arc<App> = Builder::new(config).build().await?;
    let outcome = pki::run(args, &app).await;
    app.close().await;
    outcome
}
