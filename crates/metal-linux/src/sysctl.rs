//! The kernel's settings under `/proc/sys`, as the calling thread's namespace has them.
//!
//! To change another namespace's settings, call these inside [`Namespace::enter`](crate::namespace::Namespace::enter).

use std::io;
use std::path::{Path, PathBuf};

/// Why a setting could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("{action} kernel setting {key}")]
pub struct SysctlError {
    /// What was tried.
    pub action: &'static str,
    /// The setting, for example `net/ipv4/ip_forward`.
    pub key: String,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

/// Keys are paths, because names of interfaces may contain dots; `..` has no business in them.
fn path_of(action: &'static str, key: &str) -> Result<PathBuf, SysctlError> {
    if key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        let source = io::ErrorKind::InvalidInput.into();
        return Err(SysctlError { action, key: key.to_owned(), source });
    }
    Ok(Path::new("/proc/sys").join(key))
}

/// The value of a setting such as `net/ipv4/conf/swp1/rp_filter`, without the line's end; nothing if this kernel has no
/// such setting.
///
/// # Errors
/// Fails if it cannot be read.
pub fn read(key: &str) -> Result<Option<String>, SysctlError> {
    match std::fs::read_to_string(path_of("read", key)?) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SysctlError { action: "read", key: key.to_owned(), source }),
    }
}

/// Changes a setting.
///
/// # Errors
/// Fails if there is none of this name, or if the kernel refuses the value.
pub fn write(key: &str, value: &str) -> Result<(), SysctlError> {
    let failed = |source| SysctlError { action: "write", key: key.to_owned(), source };
    // Opening without creating: procfs refuses to create, but with a misleading error.
    let mut file = std::fs::OpenOptions::new().write(true).open(path_of("write", key)?).map_err(failed)?;
    io::Write::write_all(&mut file, value.as_bytes()).map_err(failed)
}
