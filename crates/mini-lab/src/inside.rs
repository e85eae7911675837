//! Going into a node: a shell, or a look at the packets on one of its ports.

use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, ensure};
use metal_linux::sandbox::enter;

use crate::control;
use crate::directory::Directory;

/// A search path that is right inside, whatever the caller's is.
const PATH: &str = "/opt/metal:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/frr";

/// The process of a node, as the host counts.
pub async fn pid(directory: &Directory, node: &str) -> anyhow::Result<u32> {
    let report = control::ask(directory, "status").await?;
    let report = report.with_context(|| {
        format!("no lab runs in {}: start one with `mini-lab up`", directory.root().display())
    })?;
    ensure!(!report.nodes.is_empty(), "this lab has no nodes: it is a simulated one, or is still starting");
    let known = || report.nodes.keys().cloned().collect::<Vec<_>>().join(", ");
    report.nodes.get(node).copied().with_context(|| format!("there is no node {node}; there are {}", known()))
}

/// A shell, or one command.
pub async fn shell(directory: &Directory, node: &str, command: &[String]) -> anyhow::Result<ExitCode> {
    let pid = pid(directory, node).await?;
    let mut inside = match command.split_first() {
        Some((program, arguments)) => {
            let mut inside = Command::new(program);
            inside.args(arguments);
            inside
        }
        None => Command::new("bash"),
    };
    inside.env("PS1", format!("{node}:\\w# "));
    run(pid, inside)
}

/// tcpdump on a port, in whichever routing table's namespace the port is.
pub async fn capture(
    directory: &Directory,
    node: &str,
    port: &str,
    arguments: &[String],
) -> anyhow::Result<ExitCode> {
    let pid = pid(directory, node).await?;
    let mut inside = match namespace_of(pid, port)? {
        Some(namespace) => {
            let mut inside = Command::new("ip");
            inside.args(["netns", "exec", &namespace, "tcpdump"]);
            inside
        }
        None => Command::new("tcpdump"),
    };
    // Not as another user: what it writes to belongs to the caller.
    inside.args(["-Z", "root", "-n", "-i", port]).args(arguments);
    run(pid, inside)
}

/// The routing table's namespace that has a port; nothing if the node's own has it.
fn namespace_of(pid: u32, port: &str) -> anyhow::Result<Option<String>> {
    let list = |arguments: &[&str]| -> anyhow::Result<String> {
        let mut inside = Command::new("ip");
        inside.args(arguments).env("PATH", PATH).stdout(std::process::Stdio::piped());
        let output = enter(pid, inside)?.wait_with_output().context("ask for the ports")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let has_port =
        |links: &str| links.lines().filter_map(|line| line.split([' ', '@']).next()).any(|name| name == port);
    if has_port(&list(&["-brief", "link", "show"])?) {
        return Ok(None);
    }
    for line in list(&["netns", "list"])?.lines() {
        let Some(name) = line.split_whitespace().next() else { continue };
        if has_port(&list(&["-netns", name, "-brief", "link", "show"])?) {
            return Ok(Some(name.to_owned()));
        }
    }
    anyhow::bail!("there is no port {port}; `mini-lab shell NODE -- ip -brief link` lists those of a node")
}

fn run(pid: u32, mut command: Command) -> anyhow::Result<ExitCode> {
    command.env("PATH", PATH).env("HOME", "/root");
    let status = enter(pid, command)?.wait().context("wait for the end of the command")?;
    Ok(exit_code(status))
}

/// The command's own, as a shell tells it.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}
