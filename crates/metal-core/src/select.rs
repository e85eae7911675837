//! Which operating system the switch runs, and the driver for it.

use std::path::Path;
use std::sync::Arc;

use metal_netconf::linux;

use crate::config::{Device, Layout, Nos};
use crate::driver::cumulus::{self, Cumulus};
use crate::driver::linux::{LinuxDriver, LinuxSettings};
use crate::driver::sonic::{self, Sonic};
use crate::driver::units::Processes;
use crate::driver::{Driver, DriverError};
use crate::frr::Frr;

/// Every SONiC has it.
const SONIC: &str = "/etc/sonic/sonic_version.yml";
/// FRR's shell.
const VTYSH: &str = "/usr/bin/vtysh";
/// Cumulus names itself here.
const LSB_RELEASE: &str = "/etc/lsb-release";

/// The operating system that files below `root` tell of. Never [`Nos::Auto`].
#[must_use]
pub fn detect(root: &Path) -> Nos {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    if at(SONIC).exists() {
        return Nos::Sonic;
    }
    let release = std::fs::read_to_string(at(LSB_RELEASE)).unwrap_or_default();
    if release.contains("Cumulus") { Nos::Cumulus } else { Nos::Linux }
}

/// As configured, or as this system's files tell.
#[must_use]
pub fn system(device: &Device) -> Nos {
    if device.nos == Nos::Auto { detect(Path::new("/")) } else { device.nos }
}

/// The driver for the switch this runs on.
///
/// # Errors
/// Fails when the device cannot be driven in the way that is wanted.
pub fn driver(device: &Device) -> Result<Arc<dyn Driver>, DriverError> {
    match system(device) {
        Nos::Auto | Nos::Linux => {
            let layout = match device.layout {
                Layout::Auto => None,
                Layout::Vrf => Some(linux::Layout::Vrf),
                Layout::Netns => Some(linux::Layout::Netns),
            };
            let port_prefixes = device.port_prefixes.clone();
            let settings = LinuxSettings { layout, port_prefixes, ..LinuxSettings::default() };
            Ok(Arc::new(LinuxDriver::new(&settings)?))
        }
        Nos::Sonic => {
            let frr = Frr::new("docker").with_arguments(["exec", "-i", "bgp", "vtysh"]);
            Ok(Arc::new(Sonic::new(sonic::Settings::default(), frr, Arc::new(Processes::default()))))
        }
        Nos::Cumulus => {
            let frr = Frr::new(VTYSH);
            Ok(Arc::new(Cumulus::new(cumulus::Paths::default(), frr, Arc::new(Processes::default()))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_system_is_told_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(detect(root.path()), Nos::Linux);
        std::fs::create_dir_all(root.path().join("etc/sonic")).unwrap();
        std::fs::write(root.path().join("etc/lsb-release"), "DISTRIB_ID=\"Cumulus Linux\"\n").unwrap();
        assert_eq!(detect(root.path()), Nos::Cumulus);
        std::fs::write(root.path().join("etc/sonic/sonic_version.yml"), "").unwrap();
        assert_eq!(detect(root.path()), Nos::Sonic);
    }
}
