//! The commands, a file for each resource: flags, the request made of them, and how the answer is shown.

pub mod audit;
pub mod bmc;
pub mod completion;
pub mod context;
pub mod create;
pub mod filesystem_layout;
pub mod firewall;
pub mod firmware;
pub mod image;
pub mod ip;
pub mod issue;
pub mod login;
pub mod machine;
pub mod network;
pub mod partition;
pub mod project;
pub mod reservation;
pub mod service;
pub mod size;
pub mod size_image_constraint;
pub mod switch;
pub mod tenant;

use anyhow::Result;

use crate::app::App;
use crate::cli::{Cli, Command};

/// Does what the command line says.
pub async fn run(cli: Cli) -> Result<()> {
    if let Command::Completion(args) = &cli.command {
        return completion::run(args);
    }
    let mut app = App::new(cli.global)?;
    match cli.command {
        Command::Audit(command) => command.run(&app).await,
        Command::Completion(args) => completion::run(&args),
        Command::Context(args) => context::run(&mut app, &args),
        Command::Filesystemlayout(command) => command.run(&app).await,
        Command::Firewall(command) => command.run(&app).await,
        Command::Firmware(command) => command.run(&app).await,
        Command::Health => service::health(&app).await,
        Command::Image(command) => command.run(&app).await,
        Command::Login(args) => login::login(&app, &args).await,
        Command::Logout => login::logout(&app).await,
        Command::Machine(command) => command.run(app).await,
        Command::Network(command) => command.run(&app).await,
        Command::Partition(command) => command.run(&app).await,
        Command::Project(command) => command.run(&app).await,
        Command::Size(command) => command.run(&app).await,
        Command::Switch(command) => command.run(&app).await,
        Command::Task(command) => command.run(&app).await,
        Command::Tenant(command) => command.run(&app).await,
        Command::Update(command) => command.run(&app).await,
        Command::Version => service::version(&app).await,
        Command::Vpn(command) => command.run(&app).await,
        Command::Whoami => login::whoami(&app),
    }
}
