//! Other programs that help to build the guest, and what is told when they are missing or fail.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs a program to its end. `package` has it.
///
/// # Errors
/// Fails when it is not there, saying which package has it, or fails itself, with the end of what it said.
pub fn run(command: &mut Command, package: &str) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.with_context(|| format!("run {name}: install it with `apt-get install {package}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        bail!("{name} ended with {}: {}", output.status, lines[lines.len().saturating_sub(5)..].join(" / "));
    }
    Ok(())
}

/// Removes a directory with all in it, if it is there.
///
/// # Errors
/// Fails when it cannot be removed.
pub fn remove(directory: &Path) -> anyhow::Result<()> {
    let removed = fs::remove_dir_all(directory);
    let gone = removed.or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    gone.with_context(|| format!("remove {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_its_package() {
        let error = run(&mut Command::new("no-such-program"), "it").unwrap_err();
        assert_eq!(error.to_string(), "run no-such-program: install it with `apt-get install it`");
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), "").unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 3: why");
    }

    #[test]
    fn what_is_not_there_need_not_be_removed() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a");
        fs::create_dir_all(inner.join("b")).unwrap();
        remove(&inner).unwrap();
        remove(&inner).unwrap();
        assert!(!inner.exists());
    }
}
