//! The command line of the bare-metal cloud.

mod app;
mod arg;
mod child;
mod cli;
mod cmd;
mod config;
mod crud;
mod document;
mod example;
mod kubeconfig;
mod oidc;
mod print;
mod template;
mod wait;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::parse();
    // One thread: a command asks one server, and starting more would take longer than most answers.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: start the runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let debug = cli.global.debug;
    match runtime.block_on(cmd::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, debug);
            ExitCode::FAILURE
        }
    }
}

/// Tells what failed, why, and what to do next.
fn report(error: &anyhow::Error, debug: bool) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    // A cause may already be quoted by what it caused.
    let mut shown: Vec<&str> = Vec::new();
    for cause in &causes {
        if !shown.last().is_some_and(|last| last.contains(cause.as_str())) {
            shown.push(cause);
        }
    }
    eprintln!("error: {}", shown.join(": "));
    let hint = error.chain().find_map(|cause| cause.downcast_ref::<metal_client::Error>()?.hint());
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    if debug {
        eprintln!("{error:?}");
    }
}
