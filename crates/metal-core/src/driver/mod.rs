//! What the agent asks of a switch's operating system: one trait, four ways to do it.
//!
//! A driver never remembers what it did. It reads the device, compares it with the intent, and prepares the steps
//! between the two; preparing changes nothing. Rolling back is preparing again, for the intent that was in effect before.
//! All calls block; the engine runs them off the runtime's threads.

use std::collections::BTreeMap;

use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;

pub mod cumulus;
pub mod linux;
pub mod sonic;
pub mod units;

/// Why a driver could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action} {object}")]
pub struct DriverError {
    /// What was tried, for example `move port`.
    pub action: &'static str,
    /// On what, for example `swp1 to vrf3981`.
    pub object: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl DriverError {
    /// A failure with its cause, which may be a plain text.
    pub fn new(
        action: &'static str,
        object: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { action, object: object.into(), source: source.into() }
    }
}

/// The switch's operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatingSystem {
    /// `Linux`, `SONiC` or `Cumulus`.
    pub vendor: &'static str,
    /// Its version.
    pub version: String,
}

/// A port as the device has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Lower case, colon separated; empty where the device has none.
    pub mac: String,
    /// What identifies the port in LLDP.
    pub identifier: String,
    /// Whether it has carrier and is switched on; nothing if the device cannot tell.
    pub is_up: Option<bool>,
}

/// A BGP session as FRR has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The routing table, `default` for the underlay.
    pub vrf: String,
    /// The port it runs on.
    pub port: String,
    /// The peer's host name.
    pub neighbor: String,
    /// Its peer group.
    pub peer_group: String,
    /// For example `Established`.
    pub state: String,
    /// Since when it is established, seconds since 1970; 0 if it is not.
    pub established_since: i64,
    /// Prefixes sent, IPv4 and IPv6 unicast together.
    pub sent: i64,
    /// Prefixes accepted, likewise.
    pub accepted: i64,
}

/// Steps that lead from what is to what shall be, checked but not yet done.
pub trait Prepared: Send {
    /// How many changes it makes to the device; 0 if it is as it shall be.
    fn len(&self) -> usize;

    /// Whether nothing is to be done.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The changes, one line each, for logs and people.
    fn describe(&self) -> Vec<String>;

    /// Makes the changes, in an order in which no port is ever in two places.
    ///
    /// # Errors
    /// Fails at the first change that cannot be made; the device is then somewhere in between.
    fn apply(&self) -> Result<(), DriverError>;
}

/// A switch's operating system, as far as the agent needs it.
pub trait Driver: Send + Sync {
    /// What it is.
    ///
    /// # Errors
    /// Fails when the device cannot be read.
    fn operating_system(&self) -> Result<OperatingSystem, DriverError>;

    /// Whether the device has finished starting; until then nothing is registered or changed.
    ///
    /// # Errors
    /// Fails when the device cannot be read.
    fn is_ready(&self) -> Result<bool, DriverError>;

    /// Every port of the switch, uplinks included, management and internal devices not.
    ///
    /// # Errors
    /// Fails when the device cannot be read.
    fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError>;

    /// Compares the device with the intent and checks what would be configured, changing nothing.
    ///
    /// # Errors
    /// Fails when the device cannot be read, or when FRR or the operating system refuses the configuration.
    fn prepare(&self, intent: &Switch) -> Result<Box<dyn Prepared>, DriverError>;

    /// Where the device's actual state (routing tables, VNIs, sessions configured) deviates from the intent, one line
    /// each; empty if it is as intended. Asked repeatedly after a change, until it is empty or time is up.
    ///
    /// # Errors
    /// Fails when the device cannot be read.
    fn deviations(&self, intent: &Switch) -> Result<Vec<String>, DriverError>;

    /// All BGP sessions.
    ///
    /// # Errors
    /// Fails when FRR does not answer.
    fn sessions(&self) -> Result<Vec<Session>, DriverError>;

    /// Makes the configuration survive a restart of the device.
    ///
    /// # Errors
    /// Fails when it cannot be written.
    fn persist(&self, intent: &Switch) -> Result<(), DriverError>;
}
