//! What the control plane wishes of this switch's ports, as last heard, and keeping it over a restart.
//!
//! Strings stay strings here: what was heard is stored as heard, and understood anew each time ([`crate::classify`]).

use std::io;
use std::path::{Path, PathBuf};

use metal_proto::v1::{DesiredResponse, PortState};
use serde::{Deserialize, Serialize};

/// The wishes for all ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Grows with every change; 0 is none.
    pub generation: u64,
    /// Which stream it came on, counted since the agent started; 0 if it was found on disk. Generations of different
    /// streams cannot be compared: the control plane may have been restored from a backup in between.
    #[serde(skip)]
    pub stream: u64,
    /// Every port the control plane knows.
    pub ports: Vec<DesiredPort>,
}

/// The wish for one port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPort {
    /// Its name.
    pub name: String,
    /// Empty, `default`, or `vrf` and a number.
    #[serde(default)]
    pub vrf: String,
    /// Prefixes accepted from it.
    #[serde(default)]
    pub cidrs: Vec<String>,
    /// VNIs a firewall on it may hear.
    #[serde(default)]
    pub vnis: Vec<String>,
    /// Whether it shall be on.
    #[serde(default)]
    pub admin: Admin,
    /// The machine on it; empty if not known.
    #[serde(default)]
    pub machine: String,
}

/// Whether a port shall be on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admin {
    /// It shall, or nobody said anything.
    #[default]
    Up,
    /// It shall not.
    Down,
    /// Something this agent does not know.
    Strange,
}

impl Desired {
    /// What was heard on a stream.
    #[must_use]
    pub fn heard(stream: u64, heard: DesiredResponse) -> Self {
        let ports = heard.nics.into_iter().map(|nic| DesiredPort {
            admin: match PortState::try_from(nic.admin_state) {
                Ok(PortState::Down) => Admin::Down,
                Ok(PortState::Up | PortState::Unknown | PortState::Unspecified) => Admin::Up,
                Err(_) => Admin::Strange,
            },
            name: nic.name,
            vrf: nic.vrf,
            cidrs: nic.filter_cidrs,
            vnis: nic.filter_vnis,
            machine: nic.machine,
        });
        Self { generation: heard.generation, stream, ports: ports.collect() }
    }
}

/// Why state could not be kept or found again.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file's content is not what this agent wrote.
    #[error("understand {}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("keep state")]
    Write(#[source] metal_runtime::file::WriteError),
}

/// Reads a state file; nothing if there is none.
///
/// # Errors
/// Fails when it is there and cannot be used.
pub fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, StateError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::Read { path: path.to_owned(), source }),
    };
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|source| StateError::Content { path: path.to_owned(), source })
}

/// Writes a state file durably.
///
/// # Errors
/// Fails when it cannot be written; the old content is then untouched.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let text =
        serde_json::to_vec(value).map_err(|source| StateError::Content { path: path.to_owned(), source })?;
    metal_runtime::file::write_private(path, &text).map_err(StateError::Write)
}

#[cfg(test)]
mod tests {
    use metal_proto::v1;

    use super::*;

    #[test]
    fn what_was_heard_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired.json");
        assert_eq!(read::<Desired>(&path).unwrap(), None);
        let nic = v1::DesiredPort {
            name: "swp1".to_owned(),
            vrf: "vrf7".to_owned(),
            filter_cidrs: vec!["10.0.0.0/24".to_owned()],
            admin_state: v1::PortState::Down.into(),
            machine: "m".to_owned(),
            ..v1::DesiredPort::default()
        };
        let strange = v1::DesiredPort { admin_state: 99, ..v1::DesiredPort::default() };
        let desired = Desired::heard(0, v1::DesiredResponse { generation: 7, nics: vec![nic, strange] });
        assert_eq!(desired.ports[0].admin, Admin::Down);
        assert_eq!(desired.ports[1].admin, Admin::Strange);
        write(&path, &desired).unwrap();
        assert_eq!(read::<Desired>(&path).unwrap(), Some(desired));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired.json");
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(read::<Desired>(&path), Err(StateError::Content { .. })));
    }
}
