//! The configuration FRR finds when it starts again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use super::{Frr, FrrError};

/// Readable by FRR, which runs as a user of its own, and by nobody else: there may be passwords in it.
const MODE: u32 = 0o640;

impl Frr {
    /// Writes `frr.conf`, whole or not at all, and keeps the one before as `frr.conf.previous`. Does nothing if it is as it
    /// shall be.
    ///
    /// # Errors
    /// Fails when a file cannot be read or written.
    pub fn save(&self, text: &str) -> Result<(), FrrError> {
        let file = self.file();
        let before = match fs::read(&file) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(FrrError::Save { path: file, source }),
        };
        if before.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        if let Some(before) = before {
            let previous = self.directory().join("frr.conf.previous");
            replace(self.directory(), &previous, &before)?;
        }
        replace(self.directory(), &file, text.as_bytes())
    }
}

/// Puts a file in place that belongs to whoever owns the directory.
fn replace(directory: &Path, file: &Path, content: &[u8]) -> Result<(), FrrError> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = directory.join(name);
    let write = || -> io::Result<()> {
        // One that was left by a process that died must not be written through: it might be a link.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&fresh)?;
        let owner = fs::metadata(directory)?;
        chown(&fresh, Some(owner.uid()), Some(owner.gid()))?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&fresh, file)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| FrrError::Save { path: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_before_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let frr = Frr::new("vtysh").with_directory(directory.path());
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        frr.save("one").unwrap();
        assert!(!directory.path().join("frr.conf.previous").exists());
        frr.save("two").unwrap();
        frr.save("two").unwrap();
        assert_eq!((read("frr.conf").as_str(), read("frr.conf.previous").as_str()), ("two", "one"));
        let mode = fs::metadata(frr.file()).unwrap().mode() & 0o777;
        assert_eq!(mode & !MODE, 0, "{mode:o}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_that_was_left_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, directory.path().join("frr.conf.new")).unwrap();
        Frr::new("vtysh").with_directory(directory.path()).save("text").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    }
}
