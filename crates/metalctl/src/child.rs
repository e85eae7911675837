//! Other programs that are better at something: ssh, ipmitool, an editor. They get typed arguments, never a shell.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs a program in the foreground and waits for it.
pub fn run<S: AsRef<std::ffi::OsStr>>(
    program: &str,
    arguments: &[S],
    environment: &[(&str, &str)],
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in environment {
        command.env(name, value);
    }
    let status = command.status().with_context(|| format!("start {program}; is it installed?"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// Runs ipmitool against a BMC; the password goes through the environment, where other users cannot read it.
pub fn ipmitool(
    ipmi: &metal_model::v1::MachineIpmi,
    user: &str,
    password: &str,
    arguments: &[&str],
) -> Result<()> {
    let (host, port) = ipmi.address.rsplit_once(':').unwrap_or((&ipmi.address, "623"));
    if host.is_empty() {
        bail!("the address of the machine's BMC is not known");
    }
    let interface = if ipmi.interface.is_empty() { "lanplus" } else { &ipmi.interface };
    let mut all = vec!["-I", interface, "-H", host, "-p", port, "-U", user, "-E"];
    all.extend_from_slice(arguments);
    run("ipmitool", &all, &[("IPMI_PASSWORD", password)])
}

/// Lets the user edit text, in the editor of their choice.
pub fn edit(text: &str) -> Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|e| !e.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace().map(str::to_owned);
    let program = words.next().context("EDITOR is empty; set it to your editor")?;
    let dir = std::env::temp_dir().join(format!("metalctl-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
    let path = dir.join("edit.yaml");
    let edited = (|| {
        crate::config::replace(&path, text)?;
        let arguments: Vec<String> = words.chain([path.display().to_string()]).collect();
        run(&program, &arguments, &[])?;
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    })();
    // Best effort: what stays behind is a temporary file.
    let _ = std::fs::remove_dir_all(&dir);
    edited
}
