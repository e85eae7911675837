//! Who is at the other end of each port, by LLDP, and which machines phone home.
//!
//! One task serves all ports. It looks for them in the agent's own network namespace and in all named ones, because in the
//! `netns` layout a port moves to where its routing table is; a socket does not move along, so it is opened anew. Nothing
//! is assumed from notices: they, and a look at the directory of namespaces twice a second, only cause the devices to be
//! read again. Timing, ageing and what is a repetition are decided in plain code that is told the time.

mod phone_home;
mod place;
mod port;
mod schedule;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

pub use watch::{NeighborHandle, NeighborWatch};

/// The ports to serve: their names, and what identifies each in announcements. A port need not exist yet.
pub type Ports = BTreeMap<String, String>;

/// The other end of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    /// Which device it is; addresses lower case and colon separated.
    pub chassis_id: String,
    /// Which of its ports.
    pub port_id: String,
    /// That port in words, or empty.
    pub port_description: String,
    /// The device's name, or empty.
    pub system_name: String,
    /// The device in words, or empty.
    pub system_description: String,
    /// Since when this device and port have been at the other end.
    pub since: Timestamp,
}

/// The installed system of a machine says that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneHome {
    /// The switch port it was heard on.
    pub port: String,
    /// The machine, as it names itself; not trusted.
    pub machine: String,
    /// What it says, for example `provisioned since 2026-01-01T00:00:00Z`.
    pub message: String,
}

/// Who we say we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Our chassis.
    pub chassis: Chassis,
    /// How our ports are identified.
    pub port_id: PortIdKind,
    /// The switch, or for a machine its number.
    pub system_name: String,
    /// What we are, for example `metal-core 0.1.0`.
    pub system_description: String,
}

/// What our chassis is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chassis {
    /// By the hardware address of the sending port.
    PortMac,
    /// By one address for all ports, usually that of `eth0`.
    Mac([u8; 6]),
}

/// How a port is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PortIdKind {
    /// By its name.
    #[default]
    InterfaceName,
    /// By its hardware address.
    Mac,
    /// By what identifies it.
    Local,
}

/// How often things happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two announcements of a port, once a few fast ones are sent. Neighbours are told to forget us after four.
    pub interval: Duration,
    /// Between two reports of the same phone-home.
    pub repeat: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), repeat: Duration::from_secs(60) }
    }
}
