//! SONiC: rows of databases for the data plane, a file for FRR.
//!
//! A change goes: neighbours and tables that leave are withdrawn from FRR, rows are changed one by one with waits for the
//! hardware between, then FRR gets its final file. A file whose reload fails is put back; rows are put back by preparing
//! the intent before. What FRR runs is not compared with the file, because releases print it in different forms.

mod databases;
mod device;
mod naming;
mod prepared;
mod redis;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use metal_netconf::frr::{self, Flavor};
use metal_netconf::intent::{PortClass, Switch};
use metal_netconf::name::PortName;
use metal_netconf::sonic::{self, Actual};

use self::device::Databases;
use self::naming::Names;
use self::prepared::SonicPrepared;
use super::units::{Commands, Reload, UnitFile};
use super::{Driver, DriverError, OperatingSystem, Port, Prepared, Session};
use crate::frr::Frr;

pub use databases::{Database, Endpoint};
pub use naming::Naming;
pub use prepared::Patience;
pub use redis::{Connection, RedisError};

/// How the switch is reached; the default is right for every real one.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the databases are described.
    pub database_config: PathBuf,
    /// What the system says about itself; there is no other system with this file.
    pub version_file: PathBuf,
    /// FRR's configuration.
    pub frr_file: PathBuf,
    /// How ports are called towards the API.
    pub naming: Naming,
    /// Prefer the loopback as source of what the switch itself sends.
    pub sets_source: bool,
    /// Hand routes over on the loopback address, as releases from 202411 need.
    pub has_fpm: bool,
    /// The program with its arguments that saves the rows for the next start; none to leave that to others.
    pub save: Vec<String>,
    /// How long the hardware is waited for.
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database_config: "/var/run/redis/sonic-db/database_config.json".into(),
            version_file: "/etc/sonic/sonic_version.yml".into(),
            frr_file: "/etc/sonic/frr/frr.conf".into(),
            naming: Naming::Default,
            sets_source: false,
            has_fpm: false,
            save: ["config", "save", "-y"].map(str::to_owned).to_vec(),
            patience: Patience::default(),
        }
    }
}

/// A switch with SONiC.
pub struct Sonic {
    settings: Settings,
    databases: Databases,
    frr_file: UnitFile,
    frr: Frr,
    commands: Arc<dyn Commands>,
}

impl Sonic {
    /// The switch this runs on. `frr` is usually reached through `docker exec bgp vtysh`.
    #[must_use]
    pub fn new(settings: Settings, frr: Frr, commands: Arc<dyn Commands>) -> Self {
        let frr_file = UnitFile {
            path: settings.frr_file.clone(),
            validation: "bgp-validation".into(),
            reload: Reload::Start("frr-reload.service".into()),
        };
        let databases = Databases { config: settings.database_config.clone() };
        Self { settings, databases, frr_file, frr, commands }
    }

    fn flavor(&self) -> Flavor {
        Flavor::Sonic { sets_source: self.settings.sets_source, has_fpm: self.settings.has_fpm }
    }

    fn names(&self) -> Result<Names, DriverError> {
        let ports = self.databases.ports()?;
        let pair = |(port, (row, _)): (PortName, (BTreeMap<String, String>, _))| {
            let (name, _) = self.settings.naming.of(&port, row.get("alias").map(String::as_str))?;
            Ok((name, port))
        };
        Ok(Names::new(ports.into_iter().map(pair).collect::<Result<Vec<_>, DriverError>>()?))
    }

    /// `intent` is in the switch's own names.
    fn plan(&self, intent: &Switch, actual: &Actual) -> Result<SonicPrepared, DriverError> {
        let steps =
            sonic::plan(intent, actual).map_err(|fault| DriverError::new("plan", "CONFIG_DB", fault))?;
        let text = frr::switch(intent, self.flavor()).to_text();
        let staying = frr::switch(&sonic::staying(intent, actual), self.flavor()).to_text();
        // Only what FRR has now can leave it; a switch without a file has nothing.
        let has_file = self.frr_file.current()?.is_some();
        let leaves = has_file && sonic::leaves_something(&steps) && !self.frr_file.is_in_effect(&staying)?;
        let frr = if leaves { staying != text } else { !self.frr_file.is_in_effect(&text)? };
        Ok(SonicPrepared {
            withdrawal: leaves.then_some(staying),
            steps,
            frr: frr.then_some(text),
            frr_file: self.frr_file.clone(),
            databases: self.databases.clone(),
            patience: self.settings.patience,
            commands: Arc::clone(&self.commands),
        })
    }
}

/// Ports the hardware does not have where they belong yet.
fn unfinished(intent: &Switch, actual: &Actual) -> Vec<String> {
    let mut found = Vec::new();
    for (port, class) in intent.classes() {
        let (is_bridged, is_routed) = (actual.bridged.contains(port), actual.routed.contains(port));
        let wanted = match class {
            PortClass::Unprovisioned => (true, false),
            PortClass::Uplink | PortClass::Tenant(_) | PortClass::Firewall | PortClass::External(_) => {
                (false, true)
            }
            PortClass::Isolated => (false, false),
            PortClass::Extra => continue,
        };
        if (is_bridged, is_routed) != wanted {
            found.push(format!(
                "the hardware has {port} {} and {}",
                if is_bridged { "in a VLAN" } else { "in no VLAN" },
                if is_routed { "routed" } else { "not routed" },
            ));
        }
    }
    found
}

impl Driver for Sonic {
    fn operating_system(&self) -> Result<OperatingSystem, DriverError> {
        let path = &self.settings.version_file;
        let error = |source: Box<dyn std::error::Error + Send + Sync>| {
            DriverError::new("read", path.display().to_string(), source)
        };
        let text = fs::read_to_string(path).map_err(|source| error(source.into()))?;
        let version = text.lines().find_map(|line| line.strip_prefix("build_version:"));
        let version = version.ok_or_else(|| error("it has no build_version".into()))?;
        let version = version.trim().trim_matches(|quote| matches!(quote, '\'' | '"'));
        Ok(OperatingSystem { vendor: "SONiC", version: version.to_owned() })
    }

    fn is_ready(&self) -> Result<bool, DriverError> {
        self.databases.is_ready()
    }

    fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        let port = |(port, (row, is_up)): (PortName, (BTreeMap<String, String>, Option<bool>))| {
            let (name, identifier) = self.settings.naming.of(&port, row.get("alias").map(String::as_str))?;
            Ok((name, Port { mac: String::new(), identifier, is_up }))
        };
        self.databases.ports()?.into_iter().map(port).collect()
    }

    fn prepare(&self, intent: &Switch) -> Result<Box<dyn Prepared>, DriverError> {
        let prepared = self.plan(&self.names()?.intent(intent), &self.databases.actual()?)?;
        prepared.check()?;
        Ok(Box::new(prepared))
    }

    fn deviations(&self, intent: &Switch) -> Result<Vec<String>, DriverError> {
        let intent = self.names()?.intent(intent);
        let actual = self.databases.actual()?;
        let mut found = self.plan(&intent, &actual)?.describe();
        found.extend(unfinished(&intent, &actual));
        let known =
            self.frr.vrfs().map_err(|error| DriverError::new("ask FRR for", "routing tables", error))?;
        let tables =
            intent.tenants.keys().chain(intent.externals.keys()).map(|vni| sonic::vrf_name(&intent, *vni));
        let missing = tables.filter(|vrf| !known.contains(vrf.as_str()));
        found.extend(missing.map(|vrf| format!("FRR does not know routing table {vrf}")));
        Ok(found)
    }

    fn sessions(&self) -> Result<Vec<Session>, DriverError> {
        let mut sessions =
            self.frr.sessions().map_err(|error| DriverError::new("ask FRR for", "BGP sessions", error))?;
        let names = self.names()?;
        for session in &mut sessions {
            session.port = names.to_api(&session.port);
        }
        Ok(sessions)
    }

    fn persist(&self, _: &Switch) -> Result<(), DriverError> {
        if self.settings.save.is_empty() {
            return Ok(());
        }
        let command: Vec<&str> = self.settings.save.iter().map(String::as_str).collect();
        self.commands.run(&command).map_err(|error| DriverError::new("save", "CONFIG_DB", error))
    }
}
