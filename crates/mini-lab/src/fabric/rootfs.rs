//! The system that runs on the lab's switches: Debian with FRR 10, built once from packages and kept.
//!
//! Older releases carry an FRR that loses router MACs after a flap, so the host's own is never used. The directory's
//! name holds a digest of what is in it: another list of packages is another directory, and a build that was
//! interrupted leaves nothing under the final name.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

/// The release that is installed.
const SUITE: &str = "trixie";
/// What is in it besides the essential packages.
const PACKAGES: [&str; 11] = [
    "busybox",
    "dnsmasq-base",
    "frr",
    "iproute2",
    "iputils-ping",
    "lldpd",
    "nftables",
    "procps",
    "python3-minimal",
    "tcpdump",
    "traceroute",
];

/// Where the system is, whether it exists or not.
pub fn path() -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os("METAL_FRR_ROOT") {
        return Ok(given.into());
    }
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => {
            std::env::home_dir().context("there is no home directory: set XDG_CACHE_HOME")?.join(".cache")
        }
    };
    Ok(cache.join("mini-lab").join(format!("{SUITE}-{:08x}", digest())))
}

/// FNV-1a, which is enough to tell lists apart.
fn digest() -> u32 {
    let bytes = PACKAGES.iter().flat_map(|name| name.bytes().chain([b' ']));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Whether it is there. The marker is written last.
pub fn is_built(root: &Path) -> bool {
    root.join("usr/lib/frr/bgpd").is_file() && root.join("usr/bin/vtysh").is_file()
}

/// Builds the system if it is not there, telling each step through `progress`; answers where it is.
///
/// Two labs that start at once both build; the second one's rename fails, which is as good as its success.
pub async fn ensure(progress: impl Fn(&str)) -> anyhow::Result<PathBuf> {
    let root = path()?;
    if is_built(&root) {
        return Ok(root);
    }
    ensure!(
        std::env::var_os("METAL_FRR_ROOT").is_none(),
        "METAL_FRR_ROOT names {}, which has no FRR: unset it, or build a Debian {SUITE} with frr there",
        root.display()
    );
    let parent = root.parent().context("the cache is a directory in another")?;
    std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    let fresh = parent.join(format!(".{SUITE}-{}", std::process::id()));
    let built = build(&fresh, &progress).await;
    if let Err(error) = built {
        let _ = std::fs::remove_dir_all(&fresh);
        return Err(error);
    }
    if std::fs::rename(&fresh, &root).is_err() {
        let _ = std::fs::remove_dir_all(&fresh);
        ensure!(is_built(&root), "cannot move the system of the switches to {}", root.display());
    }
    Ok(root)
}

async fn build(into: &Path, progress: &impl Fn(&str)) -> anyhow::Result<()> {
    progress("installing Debian with FRR for the switches (once; about a minute)");
    let output = Command::new("mmdebstrap")
        .arg("--variant=minbase")
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg("--quiet")
        .arg(SUITE)
        .arg(into)
        .stdin(Stdio::null())
        .output()
        .await
        .context("run mmdebstrap: install it with `apt-get install mmdebstrap debian-archive-keyring`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("mmdebstrap ended with {}: {}", output.status, last.join(" / "));
    }
    ensure!(is_built(into), "mmdebstrap succeeded, but there is no FRR in {}", into.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_frr_is_not_built() {
        let empty = tempfile::tempdir().unwrap();
        assert!(!is_built(empty.path()));
        std::fs::create_dir_all(empty.path().join("usr/lib/frr")).unwrap();
        std::fs::write(empty.path().join("usr/lib/frr/bgpd"), "").unwrap();
        assert!(!is_built(empty.path()));
    }
}
