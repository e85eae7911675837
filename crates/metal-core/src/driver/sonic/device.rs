//! What is in the switch's databases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use metal_netconf::name::PortName;
use metal_netconf::sonic::{Actual, Key};

use super::databases;
use super::redis::{Connection, RedisError};
use crate::driver::DriverError;

const BRIDGE_PORT: (&str, &str) =
    ("ASIC_STATE:SAI_OBJECT_TYPE_BRIDGE_PORT:*", "SAI_BRIDGE_PORT_ATTR_PORT_ID");
const ROUTER_INTERFACE: (&str, &str) =
    ("ASIC_STATE:SAI_OBJECT_TYPE_ROUTER_INTERFACE:*", "SAI_ROUTER_INTERFACE_ATTR_PORT_ID");
const ROUTER_INTERFACE_TYPE: &str = "SAI_ROUTER_INTERFACE_ATTR_TYPE";
const OF_A_PORT: &str = "SAI_ROUTER_INTERFACE_TYPE_PORT";

/// The switch's databases. Connections last as long as one question or change.
#[derive(Debug, Clone)]
pub(super) struct Databases {
    pub config: PathBuf,
}

/// Ports that the hardware has in a VLAN, and those it routes.
#[derive(Debug, Default)]
pub(super) struct Hardware {
    pub bridged: BTreeSet<PortName>,
    pub routed: BTreeSet<PortName>,
}

impl Databases {
    pub(super) fn open(&self, name: &'static str) -> Result<Connection, DriverError> {
        let database = databases::find(&self.config, name)?;
        Connection::open(&database).map_err(|error| DriverError::new("open database", name, error))
    }

    /// Whether the switch has made all its ports, in software and in hardware.
    pub(super) fn is_ready(&self) -> Result<bool, DriverError> {
        let done = self.open("APPL_DB")?.exists("PORT_TABLE:PortInitDone");
        let is_done = done.map_err(|error| DriverError::new("read", "PortInitDone", error))?;
        Ok(is_done && !self.port_ids()?.is_empty())
    }

    /// Rows of `PORT`, and whether each port has carrier.
    #[expect(clippy::type_complexity, reason = "a row and a fact, read together")]
    pub(super) fn ports(
        &self,
    ) -> Result<BTreeMap<PortName, (BTreeMap<String, String>, Option<bool>)>, DriverError> {
        let rows = table(&mut self.open("CONFIG_DB")?, "PORT|*");
        let rows = rows.map_err(|error| DriverError::new("read", "PORT", error))?;
        let states = table(&mut self.open("APPL_DB")?, "PORT_TABLE:*");
        let states = states.map_err(|error| DriverError::new("read", "PORT_TABLE", error))?;
        let port = |(key, row): (String, BTreeMap<String, String>)| {
            let Some(Key::Port(port)) = Key::parse(&key) else { return None };
            let state = states.get(&format!("PORT_TABLE:{port}")).and_then(|row| row.get("oper_status"));
            let is_up = state.and_then(|state| match state.as_str() {
                "up" => Some(true),
                "down" => Some(false),
                _ => None,
            });
            Some((port, (row, is_up)))
        };
        Ok(rows.into_iter().filter_map(port).collect())
    }

    /// Everything the plan depends on.
    pub(super) fn actual(&self) -> Result<Actual, DriverError> {
        let all = self.rows().map_err(|error| DriverError::new("read", "CONFIG_DB", error))?;
        let tunnel = |key: &String| key.strip_prefix("VXLAN_TUNNEL|").map(str::to_owned);
        let tunnels = all.keys().filter_map(tunnel).collect();
        let rows = all.into_iter().filter_map(|(key, row)| Some((Key::parse(&key)?, row))).collect();
        let Hardware { bridged, routed } = self.hardware()?;
        Ok(Actual { rows, tunnels, bridged, routed })
    }

    fn rows(
        &self,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Box<dyn std::error::Error + Send + Sync>> {
        let mut config = self.open("CONFIG_DB")?;
        let is_read = |key: &String| {
            let table = key.split('|').next().unwrap_or_default();
            table == "VXLAN_TUNNEL" || Key::TABLES.contains(&table)
        };
        let keys: Vec<String> = config.keys("*")?.into_iter().filter(is_read).collect();
        let rows = config.rows(&keys)?;
        // A row that went away between the two questions has no fields.
        Ok(keys.into_iter().zip(rows).filter(|(_, row)| !row.is_empty()).collect())
    }

    /// The hardware's names of ports.
    fn port_ids(&self) -> Result<BTreeMap<String, PortName>, DriverError> {
        let names = self.open("COUNTERS_DB")?.fields("COUNTERS_PORT_NAME_MAP");
        let names = names.map_err(|error| DriverError::new("read", "COUNTERS_PORT_NAME_MAP", error))?;
        Ok(names.into_iter().filter_map(|(name, id)| Some((id, PortName::parse(&name).ok()?))).collect())
    }

    /// Asks the hardware.
    pub(super) fn hardware(&self) -> Result<Hardware, DriverError> {
        let ids = self.port_ids()?;
        if ids.is_empty() {
            let why = "COUNTERS_PORT_NAME_MAP is empty: the switch has not made its ports yet";
            return Err(DriverError::new("read", "hardware state", why));
        }
        let mut asic = self.open("ASIC_DB")?;
        let read = |error: RedisError| DriverError::new("read", "ASIC_DB", error);
        let bridge_ports = table(&mut asic, BRIDGE_PORT.0).map_err(read)?;
        let interfaces = table(&mut asic, ROUTER_INTERFACE.0).map_err(read)?;
        let port = |row: &BTreeMap<String, String>, field: &str| ids.get(row.get(field)?).cloned();
        let is_of_port = |row: &&BTreeMap<String, String>| {
            row.get(ROUTER_INTERFACE_TYPE).is_none_or(|kind| kind == OF_A_PORT)
        };
        Ok(Hardware {
            bridged: bridge_ports.values().filter_map(|row| port(row, BRIDGE_PORT.1)).collect(),
            routed: interfaces
                .values()
                .filter(is_of_port)
                .filter_map(|row| port(row, ROUTER_INTERFACE.1))
                .collect(),
        })
    }
}

fn table(
    connection: &mut Connection,
    pattern: &str,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, RedisError> {
    let keys = connection.keys(pattern)?;
    let rows = connection.rows(&keys)?;
    Ok(keys.into_iter().zip(rows).filter(|(_, row)| !row.is_empty()).collect())
}
