//! Where the switch's databases are: `database_config.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use metal_runtime::Secret;
use serde::Deserialize;

use crate::driver::DriverError;

/// Where a database server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String, u16),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// One database.
pub struct Database {
    /// Its server.
    pub endpoint: Endpoint,
    /// Its number there.
    pub id: u32,
    /// The server's password.
    pub password: Option<Secret<String>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "INSTANCES")]
    instances: BTreeMap<String, Instance>,
    #[serde(rename = "DATABASES")]
    databases: BTreeMap<String, Place>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    unix_socket_path: PathBuf,
    #[serde(default)]
    password_path: PathBuf,
}

#[derive(Deserialize)]
struct Place {
    id: u32,
    instance: String,
}

/// Finds a database by its name, for example `CONFIG_DB`.
pub(super) fn find(path: &Path, name: &'static str) -> Result<Database, DriverError> {
    let error = |source: Box<dyn std::error::Error + Send + Sync>| {
        DriverError::new("find database", format!("{name} in {}", path.display()), source)
    };
    let text = fs::read_to_string(path).map_err(|source| error(source.into()))?;
    let file: File = serde_json::from_str(&text).map_err(|source| error(source.into()))?;
    let place = file.databases.get(name).ok_or_else(|| error("it is not listed".into()))?;
    let instance = file
        .instances
        .get(&place.instance)
        .ok_or_else(|| error(format!("its instance {:?} is not listed", place.instance).into()))?;
    let endpoint = if instance.unix_socket_path.as_os_str().is_empty() {
        Endpoint::Tcp(instance.hostname.clone(), instance.port)
    } else {
        Endpoint::Unix(instance.unix_socket_path.clone())
    };
    let password = if instance.password_path.as_os_str().is_empty() {
        None
    } else {
        let text = fs::read_to_string(&instance.password_path)
            .map_err(|source| error(format!("read {}: {source}", instance.password_path.display()).into()))?;
        Some(text.trim_end().to_owned()).filter(|text| !text.is_empty()).map(Secret::new)
    };
    Ok(Database { endpoint, id: place.id, password })
}
