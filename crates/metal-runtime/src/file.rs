//! Writing small private files so that a crash leaves the old or the new one, never half.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Replaces `path` by `content`, durably, readable by its owner only (0600).
///
/// # Errors
/// Fails when the directory is missing or not writable, or the disk is full; the old content is then untouched.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    write(path, content, 0o600).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Replaces `path` by `content`, durably, readable by everybody (0644).
///
/// # Errors
/// As [`write_private`].
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    write(path, content, 0o644).map_err(|source| WriteError { path: path.to_owned(), source })
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut fresh = name.to_owned();
    fresh.push(format!(".{:016x}.tmp", u64::from_le_bytes(crate::clock::random())));
    let fresh = directory.join(fresh);
    let written = write_through(&fresh, content, mode).and_then(|()| std::fs::rename(&fresh, path));
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = std::fs::remove_file(&fresh);
    }
    written?;
    std::fs::File::open(directory)?.sync_all()
}

fn write_through(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn content_is_replaced_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_private(&dir.path().join("no/such"), b"x").unwrap_err();
        assert!(crate::chain(&error).contains("no/such"));
    }
}
