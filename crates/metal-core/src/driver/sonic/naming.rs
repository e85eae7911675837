//! How ports are called towards the API.
//!
//! A SONiC port has a name (`Ethernet0`) and an alias (`Eth1`). The API matches a machine's neighbours by the
//! identifier the switch says over LLDP, which differs between builds of SONiC; so which of the two is a port's name and
//! which its identifier is configured. Intents and sessions use the names of the API.

use std::collections::{BTreeMap, BTreeSet};

use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;
use serde::Deserialize;

use crate::driver::DriverError;

/// What a port's name and identifier are towards the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// The name, the alias.
    #[default]
    Default,
    /// The alias, the name.
    Swap,
    /// The name for both.
    Name,
    /// The alias for both.
    Alias,
}

/// Names of ports towards the API, and what the switch calls them.
#[derive(Debug, Default)]
pub(super) struct Names {
    to_device: BTreeMap<PortName, PortName>,
    to_api: BTreeMap<PortName, PortName>,
}

impl Naming {
    /// Name and identifier of a port.
    pub(super) fn of(self, name: &PortName, alias: Option<&str>) -> Result<(PortName, String), DriverError> {
        let wrong = |why: String| DriverError::new("name port", name.to_string(), why);
        let alias =
            || alias.filter(|alias| !alias.is_empty()).ok_or_else(|| wrong("it has no alias".to_owned()));
        let parsed = |text: &str| PortName::parse(text).map_err(|error| wrong(error.to_string()));
        Ok(match self {
            // An alias is only shown here, so it may be missing.
            Self::Default => (name.clone(), alias().unwrap_or(name.as_str()).to_owned()),
            Self::Swap => (parsed(alias()?)?, name.to_string()),
            Self::Name => (name.clone(), name.to_string()),
            Self::Alias => (parsed(alias()?)?, alias()?.to_owned()),
        })
    }
}

impl Names {
    pub(super) fn new(pairs: impl IntoIterator<Item = (PortName, PortName)>) -> Self {
        let mut names = Self::default();
        for (api, device) in pairs {
            names.to_api.insert(device.clone(), api.clone());
            names.to_device.insert(api, device);
        }
        names
    }

    /// What the API calls a port of the switch; the same if it is unknown.
    pub(super) fn to_api(&self, device: &str) -> String {
        let api = PortName::parse(device).ok().and_then(|port| self.to_api.get(&port));
        api.map_or_else(|| device.to_owned(), PortName::to_string)
    }

    /// An intent in the switch's own names. Unknown ports keep theirs and are refused later, by name.
    pub(super) fn intent(&self, intent: &Switch) -> Switch {
        let one = |port: PortName| self.to_device.get(&port).cloned().unwrap_or(port);
        let set =
            |ports: &mut BTreeSet<PortName>| *ports = std::mem::take(ports).into_iter().map(one).collect();
        let mut intent = intent.clone();
        for ports in [&mut intent.uplinks, &mut intent.unprovisioned, &mut intent.down, &mut intent.isolated]
        {
            set(ports);
        }
        set(&mut intent.extra.ports);
        intent.firewalls = std::mem::take(&mut intent.firewalls)
            .into_iter()
            .map(|(port, filter)| (one(port), filter))
            .collect();
        for tenant in intent.tenants.values_mut() {
            tenant.ports = std::mem::take(&mut tenant.ports)
                .into_iter()
                .map(|(port, filter)| (one(port), filter))
                .collect();
        }
        for external in intent.externals.values_mut() {
            external.port = one(external.port.clone());
        }
        intent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema() {
        let port = PortName::parse("Ethernet4").unwrap();
        let of = |naming: Naming| {
            let (name, identifier) = naming.of(&port, Some("Eth2")).unwrap();
            format!("{name} {identifier}")
        };
        assert_eq!(of(Naming::Default), "Ethernet4 Eth2");
        assert_eq!(of(Naming::Swap), "Eth2 Ethernet4");
        assert_eq!(of(Naming::Name), "Ethernet4 Ethernet4");
        assert_eq!(of(Naming::Alias), "Eth2 Eth2");
        assert!(Naming::Swap.of(&port, None).is_err() && Naming::Alias.of(&port, Some("Eth 1/2")).is_err());
        assert_eq!(Naming::Default.of(&port, None).unwrap().1, "Ethernet4");
    }
}
