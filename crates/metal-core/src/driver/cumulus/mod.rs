//! Cumulus Linux: two files, each checked and carried out by units that the switch brings.
//!
//! A change goes: neighbours that leave are withdrawn from FRR, interfaces are reloaded, neighbours that arrive are added.
//! If one of these fails, all files are put back in reverse order. What FRR runs is not compared with the file, because
//! the releases these switches have print it in another form; FRR itself reads the file whenever it starts.

mod device;
mod prepared;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use metal_netconf::cumulus::{self, Stanzas};
use metal_netconf::frr::{self, Flavor};
use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;

use self::prepared::CumulusPrepared;
use super::units::{Commands, Reload, UnitFile};
use super::{Driver, DriverError, OperatingSystem, Port, Prepared, Session};
use crate::frr::Frr;

/// Where things are on the switch; the default is right for every real one.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The interfaces' configuration.
    pub interfaces: PathBuf,
    /// FRR's configuration.
    pub frr: PathBuf,
    /// The kernel's list of devices.
    pub devices: PathBuf,
    /// What the system says about itself.
    pub release: PathBuf,
    /// The program `ip`.
    pub ip: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            interfaces: "/etc/network/interfaces".into(),
            frr: "/etc/frr/frr.conf".into(),
            devices: "/sys/class/net".into(),
            release: "/etc/lsb-release".into(),
            ip: "ip".into(),
        }
    }
}

/// A switch with Cumulus Linux.
pub struct Cumulus {
    paths: Paths,
    interfaces: UnitFile,
    frr_file: UnitFile,
    frr: Frr,
    commands: Arc<dyn Commands>,
}

impl Cumulus {
    /// The switch this runs on.
    #[must_use]
    pub fn new(paths: Paths, frr: Frr, commands: Arc<dyn Commands>) -> Self {
        let interfaces = UnitFile {
            path: paths.interfaces.clone(),
            validation: "interfaces-validation".into(),
            reload: Reload::Start("ifreload.service".into()),
        };
        let frr_file = UnitFile {
            path: paths.frr.clone(),
            validation: "frr-validation".into(),
            reload: Reload::Reload("frr.service".into()),
        };
        Self { paths, interfaces, frr_file, frr, commands }
    }

    fn stanzas(&self) -> Result<Stanzas, DriverError> {
        Ok(Stanzas::parse(&self.interfaces.current()?.unwrap_or_default()))
    }

    /// The interfaces' file for an intent.
    fn render(&self, intent: &Switch, file: &Stanzas) -> Result<String, DriverError> {
        let actual = cumulus::Actual {
            file: file.clone(),
            vlans: device::vlans(&self.paths.devices)?,
            management: device::management(&self.paths.ip)?,
        };
        cumulus::render(intent, &actual)
            .map_err(|fault| DriverError::new("render", self.paths.interfaces.display().to_string(), fault))
    }

    fn plan(&self, intent: &Switch) -> Result<CumulusPrepared, DriverError> {
        let file = self.stanzas()?;
        let interfaces = self.render(intent, &file)?;
        let text = frr::switch(intent, Flavor::Vrf).to_text();
        let changes: Vec<String> =
            file.changes(&Stanzas::parse(&interfaces)).iter().map(ToString::to_string).collect();
        let is_new = !self.interfaces.is_in_effect(&interfaces)?;
        let staying = frr::switch(&cumulus::staying(intent, &file), Flavor::Vrf).to_text();
        // Only what FRR has now can leave it; a switch without a file has nothing.
        let has_file = self.frr_file.current()?.is_some();
        let leaves = has_file && is_new && !self.frr_file.is_in_effect(&staying)?;
        let frr = if leaves { staying != text } else { !self.frr_file.is_in_effect(&text)? };
        Ok(CumulusPrepared {
            withdrawal: leaves.then_some(staying),
            interfaces: is_new.then_some((interfaces, changes)),
            frr: frr.then_some(text),
            files: (self.interfaces.clone(), self.frr_file.clone()),
            commands: Arc::clone(&self.commands),
        })
    }
}

impl Driver for Cumulus {
    fn operating_system(&self) -> Result<OperatingSystem, DriverError> {
        Ok(OperatingSystem { vendor: "Cumulus", version: device::release(&self.paths.release)? })
    }

    fn is_ready(&self) -> Result<bool, DriverError> {
        Ok(true)
    }

    fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        device::ports(&self.paths.devices)
    }

    fn prepare(&self, intent: &Switch) -> Result<Box<dyn Prepared>, DriverError> {
        let prepared = self.plan(intent)?;
        prepared.check()?;
        Ok(Box::new(prepared))
    }

    fn deviations(&self, intent: &Switch) -> Result<Vec<String>, DriverError> {
        let mut found = self.plan(intent)?.describe();
        let known =
            self.frr.vrfs().map_err(|error| DriverError::new("ask FRR for", "routing tables", error))?;
        let tables = intent.tenants.keys().chain(intent.externals.keys()).map(|vni| intent.vrf_name(*vni));
        let missing = tables.filter(|vrf| !known.contains(vrf.as_str()));
        found.extend(missing.map(|vrf| format!("FRR does not know routing table {vrf}")));
        Ok(found)
    }

    fn sessions(&self) -> Result<Vec<Session>, DriverError> {
        self.frr.sessions().map_err(|error| DriverError::new("ask FRR for", "BGP sessions", error))
    }

    /// Both files are what the switch starts from.
    fn persist(&self, _: &Switch) -> Result<(), DriverError> {
        Ok(())
    }
}
