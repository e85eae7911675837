//! A command inside a virtual machine that has what the kernel of this machine may lack.
//!
//! The `vrf` layout of the switches needs VRF devices and VLAN-aware bridges. Where the kernel has neither, `mini-lab
//! guest` starts one QEMU guest with Debian's kernel over the same system the lab's switches run, and runs a command
//! in it: a test, or the whole lab. Our programs are seen inside under the paths they have outside, so the command is
//! written as it would be without the guest.
//!
//! The guest keeps nothing: its system is a read-only image with a layer in memory over it, shared directories are
//! read-only, and no file is made on the host but the cached image. QEMU lives in a sandbox of its own, so it ends
//! when this program does, however that ends. The guest has no network to the outside.

mod accelerator;
mod agent;
mod cpio;
mod kernel;
mod modules;
mod qemu;
mod session;
mod system;
mod tool;
mod wire;

pub use agent::run as run_agent;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use accelerator::Accelerator;
use qemu::{Machine, Share};
use wire::Request;

/// Environment variables with these beginnings are the command's too.
const PASSED_ON: [&str; 4] = ["METAL_", "MINI_LAB_", "PROPTEST_", "RUST_"];

/// What to run, and in what guest.
#[derive(clap::Args)]
pub struct Guest {
    /// Memory of the guest, in MiB.
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(256..))]
    memory: u32,
    /// How many processors it has.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    cpus: u8,
    /// A directory that is seen inside under the same path, read-only; the directory of this program always is.
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// End the guest after so many seconds; the exit code is then 124.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// How the guest's processor is made [default: kvm if a guest really starts with it, else tcg].
    #[arg(long, value_enum)]
    accelerator: Option<Accelerator>,
    /// What to run as root inside. Its output comes out live, its exit code is ours (127: it could not be started);
    /// it has no input.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command in a fresh guest; answers its exit code.
///
/// # Errors
/// Fails when the guest cannot be built, does not start, or ends before the command does. The error then ends with
/// what the guest last said.
pub async fn run(guest: &Guest) -> anyhow::Result<ExitCode> {
    let tell = |step: &str| eprintln!("mini-lab: {step}");
    let (shares, program) = shares(&guest.share)?;
    let system = system::ensure(tell).await?;
    let accelerator = match guest.accelerator {
        Some(given) => given,
        None => accelerator::usable(&system).await,
    };
    let machine =
        Machine { accelerator, memory: guest.memory, cpus: guest.cpus, shares: &shares, program: &program };
    tell(&format!("booting the guest ({accelerator})"));
    let request = Request {
        command: guest.command.clone(),
        directory: text(&std::env::current_dir().context("find the current directory")?)?,
        environment: environment(std::env::vars()),
        shares: shares.clone(),
    };
    let limit = guest.timeout.map(Duration::from_secs);
    session::run(&machine.arguments(&system), &request, limit).await.map(ExitCode::from)
}

/// The directory of this program, then those asked for, each once; and the name of this program.
fn shares(asked: &[PathBuf]) -> anyhow::Result<(Vec<Share>, String)> {
    let program = std::env::current_exe().context("find this program")?;
    let name = text(Path::new(program.file_name().context("find the name of this program")?))?;
    // It becomes a word of the kernel's command line.
    ensure!(!name.contains(char::is_whitespace), "the name of this program, {name:?}, has a blank in it");
    let mut paths = vec![program.parent().unwrap_or(Path::new("/")).to_owned()];
    for directory in asked {
        let path = directory.canonicalize().with_context(|| format!("share {}", directory.display()))?;
        ensure!(path.is_dir(), "share {}: it is not a directory", directory.display());
        ensure!(path.parent().is_some(), "share {}: the guest has a root of its own", directory.display());
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let shares = paths.iter().enumerate().map(|(number, path)| {
        Ok(Share {
            tag: if number == 0 { qemu::PROGRAMS.to_owned() } else { format!("share{number}") },
            path: text(path)?,
        })
    });
    Ok((shares.collect::<anyhow::Result<_>>()?, name))
}

/// What of our environment the command gets. Paths of systems differ inside, and the guest is not asked for twice.
fn environment(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let is_passed_on = |name: &str| {
        PASSED_ON.iter().any(|beginning| name.starts_with(beginning))
            && !matches!(name, "METAL_FRR_ROOT" | "METAL_GUEST")
    };
    variables.filter(|(name, _)| is_passed_on(name)).collect()
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not valid UTF-8", path.display()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_gets_what_concerns_us_and_no_paths_of_the_host() {
        let variables = ["RUST_LOG", "METAL_SOAK", "METAL_FRR_ROOT", "METAL_GUEST", "PATH", "HOME"];
        let kept = environment(variables.iter().map(|name| ((*name).to_owned(), "x".to_owned())));
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["METAL_SOAK", "RUST_LOG"]);
    }

    #[test]
    fn a_directory_is_shared_once_and_this_programs_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let asked = [directory.path().to_owned(), directory.path().join(".")];
        let (shares, name) = shares(&asked).unwrap();
        assert_eq!(shares.len(), 2);
        assert_eq!(shares[0].tag, qemu::PROGRAMS);
        assert!(Path::new(&shares[0].path).join(name).is_file());
        assert_eq!(shares[1].path, text(&directory.path().canonicalize().unwrap()).unwrap());
        assert!(super::shares(&[PathBuf::from("/")]).is_err());
        assert!(super::shares(&[directory.path().join("absent")]).is_err());
    }
}
