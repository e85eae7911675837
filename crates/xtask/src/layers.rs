//! Which crate may depend on which.
//!
//! Decisions stay pure only if nothing that does input or output, tells the time or makes randomness can be reached
//! from them. What a crate reaches depends on the features it is built with; `cargo metadata` knows only the union
//! over the workspace, so the reach of a pure crate is asked of `cargo tree`, which resolves one package alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

/// Crates that decide or describe, and never act.
const PURE: [&str; 3] = ["metal-model", "metal-plan", "metal-netconf"];

/// What the pure crates must not reach. `rand_core` and `rand_xoshiro` (within imbl) are arithmetic without a source.
const IMPURE: [&str; 25] = [
    "async-std",
    "aws-lc-rs",
    "axum",
    "chrono",
    "etcd-client",
    "fastrand",
    "getrandom",
    "h2",
    "hyper",
    "mio",
    "rand",
    "rand_chacha",
    "redb",
    "reqwest",
    "ring",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "time",
    "tokio",
    "tonic",
    "tower",
    "tower-http",
    "tracing-subscriber",
];

/// The crates that may depend on the store: the server, and what measures it.
const STORE_USERS: [&str; 2] = ["metal-api", "metal-bench"];

/// Everything that is wrong, one line each.
pub fn violations() -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().context("read the workspace's metadata")?;
    let mut found = arrows(&metadata);
    let lockfile_dir = metadata.workspace_root.as_std_path();
    for package in metadata.workspace_packages() {
        if PURE.contains(&package.name.as_str()) {
            found.extend(impure(package.name.as_str(), lockfile_dir)?);
        }
    }
    Ok(found)
}

fn arrows(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let binaries: BTreeSet<&str> =
        packages.iter().filter(|package| is_binary(package)).map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let inner = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.as_str())
            .filter(|dependency| names.contains(dependency));
        for dependency in inner {
            if dependency == "metal-store" && !STORE_USERS.contains(&name) {
                found.push(format!("{name} depends on metal-store; only {} may", STORE_USERS.join(" and ")));
            }
            // The benchmark measures the server from the inside, too.
            if binaries.contains(dependency) && (name, dependency) != ("metal-bench", "metal-api") {
                found.push(format!("{name} depends on the binary {dependency}"));
            }
            if PURE.contains(&name) && !PURE.contains(&dependency) {
                found.push(format!("{name} is pure and depends on {dependency}"));
            }
        }
    }
    found
}

fn is_binary(package: &Package) -> bool {
    package.targets.iter().any(|target| target.kind.contains(&TargetKind::Bin))
}

fn impure(package: &str, workspace: &Path) -> anyhow::Result<Vec<String>> {
    let reached = reach(package, workspace)?;
    let offenders = IMPURE.iter().filter(|name| reached.contains(**name));
    Ok(offenders
        .map(|name| format!("{package} reaches {name}: `cargo tree -p {package} -e normal -i {name}`"))
        .collect())
}

/// The names of all packages `package` is built from.
fn reach(package: &str, workspace: &Path) -> anyhow::Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace)
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .context("run cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("read the answer of cargo tree")?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_of_a_package_contains_its_dependencies() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let reached = reach("xtask", workspace).unwrap();
        assert!(reached.contains("clap") && reached.contains("cargo_metadata"));
    }

    #[test]
    fn a_binary_is_told_from_a_library() {
        let metadata = MetadataCommand::new().no_deps().exec().unwrap();
        let kinds: Vec<_> = metadata
            .workspace_packages()
            .into_iter()
            .filter(|package| ["xtask", "metal-model"].contains(&package.name.as_str()))
            .map(|package| (package.name.to_string(), is_binary(package)))
            .collect();
        assert!(kinds.contains(&("xtask".to_owned(), true)));
        assert!(kinds.contains(&("metal-model".to_owned(), false)));
    }
}
