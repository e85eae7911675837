//! `context`: list, switch, go back, or tell the current one.

use anyhow::{Context as _, Result};
use clap::Args;

use crate::app::App;
use crate::config::Context;
use crate::print::{ContextRow, emit};

/// Which context.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ContextArgs {
    /// Context to switch to, - is the previous one; lists all if there is none
    pub name: Option<String>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do with contexts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the name of the current one
    Short,
}

/// Does it.
pub fn run(app: &mut App, args: &ContextArgs) -> Result<()> {
    if args.command.is_some() {
        let current = app.config.current();
        return emit(&format!(
            "{}\n",
            current.context("there is no current context; choose one: metalctl context <name>")?
        ));
    }
    match &args.name {
        Some(name) => {
            let name = app.config.switch(name)?;
            eprintln!("switched to context {name:?}");
            Ok(())
        }
        None => list(app),
    }
}

fn list(app: &App) -> Result<()> {
    let row = |(name, context): (&str, Context)| ContextRow {
        current: app.config.current() == Some(name),
        name: name.to_owned(),
        url: context.url.clone().unwrap_or_default(),
        authentication: authentication(&context),
    };
    app.printer.list(&app.config.contexts().map(row).collect::<Vec<_>>(), &[])
}

fn authentication(context: &Context) -> String {
    match (&context.hmac, &context.issuer_url) {
        (Some(_), _) => context.hmac_auth_type.clone().unwrap_or_else(|| "Metal-Admin".to_owned()),
        (None, Some(issuer)) => format!("login at {issuer}"),
        (None, None) => "none".to_owned(),
    }
}
