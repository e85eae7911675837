//! Programs run inside a node: `ip` and `vtysh`, which the nodes' system has.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use metal_linux::sandbox::enter;

/// Runs a program in a node, with this on its standard input; answers what it has printed. Blocks.
pub fn run_blocking(pid: u32, argv: &[&str], input: &str) -> anyhow::Result<String> {
    let (program, arguments) = argv.split_first().context("a program has a name")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = enter(pid, command)?;
    let stdin = child.stdin.take();
    // Both at once: a program that has much to say does not read on before it is heard.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that ends early says why itself.
            stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
        });
        child.wait_with_output()
    });
    let output = output.with_context(|| format!("wait for {program}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} ended with {}: {}", argv.join(" "), output.status, told.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same without holding up anybody. For questions only: what changes something must have ended before it is undone,
/// also when the one who waits for it is gone.
pub async fn ask(pid: u32, argv: &[&str], input: &str) -> anyhow::Result<String> {
    let (argv, input): (Vec<String>, String) =
        (argv.iter().map(|&word| word.to_owned()).collect(), input.to_owned());
    let work = move || {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        run_blocking(pid, &argv, &input)
    };
    tokio::task::spawn_blocking(work).await.context("wait for a program in a node")?
}
