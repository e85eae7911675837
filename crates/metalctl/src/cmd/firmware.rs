//! `firmware`: what can be installed on machines.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use metal_client::{FirmwareFilter, FirmwareId};

use crate::app::App;

/// What to do with firmware.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List what can be installed, or is on a machine
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Upload a file
    #[command(subcommand)]
    Upload(UploadCommand),
    /// Delete a revision
    #[command(visible_aliases = ["destroy", "rm", "remove"])]
    Delete(DeleteArgs),
}

/// Which firmware.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// bios or bmc
    #[arg(long)]
    pub kind: Option<String>,
    /// Vendor
    #[arg(long)]
    pub vendor: Option<String>,
    /// Board
    #[arg(long)]
    pub board: Option<String>,
    /// What is installed on this machine
    #[arg(long)]
    pub machineid: Option<String>,
}

/// Which kind.
#[derive(Debug, clap::Subcommand)]
pub enum UploadCommand {
    /// Firmware of the mainboard
    Bios(UploadArgs),
    /// Firmware of the BMC
    Bmc(UploadArgs),
}

/// Which file, for what.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// File
    pub file: PathBuf,
    /// Vendor
    #[arg(long)]
    pub vendor: String,
    /// Board
    #[arg(long)]
    pub board: String,
    /// Revision
    #[arg(long)]
    pub revision: String,
}

/// Which revision.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// bios or bmc
    #[arg(long)]
    pub kind: String,
    /// Vendor
    #[arg(long)]
    pub vendor: String,
    /// Board
    #[arg(long)]
    pub board: String,
    /// Revision
    #[arg(long)]
    pub revision: String,
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::List(args) => {
                let filter = FirmwareFilter {
                    machine: args.machineid,
                    kind: args.kind,
                    vendor: args.vendor,
                    board: args.board,
                };
                app.printer.value(&app.client()?.firmwares(&filter).await?)
            }
            Self::Upload(UploadCommand::Bios(args)) => upload(app, "bios", &args).await,
            Self::Upload(UploadCommand::Bmc(args)) => upload(app, "bmc", &args).await,
            Self::Delete(args) => {
                let id = FirmwareId {
                    kind: &args.kind,
                    vendor: &args.vendor,
                    board: &args.board,
                    revision: &args.revision,
                };
                Ok(app.client()?.remove_firmware(id).await?)
            }
        }
    }
}

async fn upload(app: &App, kind: &str, args: &UploadArgs) -> Result<()> {
    let content = std::fs::read(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let id = FirmwareId { kind, vendor: &args.vendor, board: &args.board, revision: &args.revision };
    Ok(app.client()?.upload_firmware(id, &name, &content).await?)
}
