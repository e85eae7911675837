//! Keys of the technical users when the operator gives none: made once, kept in the data directory for their owner
//! only, and never good enough to listen beyond this host with them unasked.

use std::io;
use std::path::{Path, PathBuf};

use metal_runtime::Secret;
use metal_runtime::file::{self, WriteError};

/// Why a generated key is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("read the key {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is empty: a key anybody could guess.
    #[error("the key {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The directory cannot be made.
    #[error("create the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("store a generated key")]
    Write(#[source] WriteError),
}

/// A new key: 32 random bytes in hexadecimal.
pub fn generate() -> String {
    metal_runtime::clock::random::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name of the file of a generated key, for example `hmac-admin-key`.
pub fn file_name(role: &str) -> String {
    format!("hmac-{role}-key")
}

/// The generated key of a role, made if it is not there.
pub fn ensure(data_dir: &Path, role: &str) -> Result<Secret<String>, KeyError> {
    let path = data_dir.join(file_name(role));
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => Err(KeyError::Empty { path }),
        Ok(text) => Ok(Secret::new(text.trim().to_owned())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(data_dir)
                .map_err(|source| KeyError::Directory { path: data_dir.to_owned(), source })?;
            let key = Secret::new(generate());
            file::write_private(&path, key.expose().as_bytes()).map_err(KeyError::Write)?;
            Ok(key)
        }
        Err(source) => Err(KeyError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure(&dir.path().join("new"), "admin").unwrap();
        assert_eq!(first.expose().len(), 64);
        assert_eq!(ensure(&dir.path().join("new"), "admin").unwrap(), first);
        assert_ne!(ensure(&dir.path().join("new"), "view").unwrap(), first);
    }

    #[test]
    fn an_empty_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file_name("edit")), "\n").unwrap();
        assert!(matches!(ensure(dir.path(), "edit"), Err(KeyError::Empty { .. })));
    }
}
