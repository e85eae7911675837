//! What a machine is made of, as its agent found it, and what its BMC says about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// One processor socket.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MetalCPU)]
pub struct MetalCpu {
    /// Manufacturer.
    #[schema(required = true)]
    pub vendor: String,
    /// Model name.
    #[schema(required = true)]
    pub model: String,
    /// Physical cores.
    #[schema(required = true)]
    pub cores: u32,
    /// Hardware threads.
    #[schema(required = true)]
    pub threads: u32,
}

/// One graphics processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MetalGPU)]
pub struct MetalGpu {
    /// Manufacturer.
    #[schema(required = true)]
    pub vendor: String,
    /// Model name.
    #[schema(required = true)]
    pub model: String,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineBlockDevice)]
pub struct MachineBlockDevice {
    /// Device path, for example `/dev/sda`.
    #[schema(required = true)]
    pub name: String,
    /// Size in bytes.
    #[schema(required = true)]
    pub size: u64,
}

/// One network card, or a neighbour seen on it by LLDP.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineNic)]
pub struct MachineNic {
    /// MAC address.
    #[schema(required = true)]
    pub mac: String,
    /// Interface name.
    #[schema(required = true)]
    pub name: String,
    /// Identifier of the port, where names are not unique.
    #[schema(required = true)]
    pub identifier: String,
    /// Ports seen on the other end of the cable; one level only.
    #[schema(required = true, no_recursion)]
    pub neighbors: Vec<MachineNic>,
}

/// Everything that was found in a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineHardware)]
pub struct MachineHardware {
    /// Memory in bytes.
    #[schema(required = true)]
    pub memory: u64,
    /// Always 0; sum the cores of `cpus` instead.
    #[schema(required = true)]
    pub cpu_cores: i64,
    /// Disks.
    #[schema(required = true)]
    pub disks: Vec<MachineBlockDevice>,
    /// Processors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<MetalCpu>,
    /// Graphics processors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<MetalGpu>,
    /// Network cards.
    #[schema(required = true)]
    pub nics: Vec<MachineNic>,
}

/// Firmware of the mainboard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineBIOS)]
pub struct MachineBios {
    /// Version.
    #[schema(required = true)]
    pub version: String,
    /// Vendor.
    #[schema(required = true)]
    pub vendor: String,
    /// Date of release.
    #[schema(required = true)]
    pub date: String,
}

/// Part and serial numbers read from the field replaceable unit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineFru)]
pub struct MachineFru {
    /// Part number of the chassis.
    pub chassis_part_number: String,
    /// Serial number of the chassis.
    pub chassis_part_serial: String,
    /// Manufacturer of the board.
    pub board_mfg: String,
    /// Serial number of the board.
    pub board_mfg_serial: String,
    /// Part number of the board.
    pub board_part_number: String,
    /// Manufacturer of the product.
    pub product_manufacturer: String,
    /// Part number of the product.
    pub product_part_number: String,
    /// Serial number of the product.
    pub product_serial: String,
}

/// Power drawn over an interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PowerMetric)]
pub struct PowerMetric {
    /// Average in watts.
    #[schema(required = true)]
    pub averageconsumedwatts: f32,
    /// Length of the interval in minutes.
    #[schema(required = true)]
    pub intervalinmin: f32,
    /// Maximum in watts.
    #[schema(required = true)]
    pub maxconsumedwatts: f32,
    /// Minimum in watts.
    #[schema(required = true)]
    pub minconsumedwatts: f32,
}

/// Condition of a power supply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PowerSupplyStatus)]
pub struct PowerSupplyStatus {
    /// Health as the BMC words it.
    #[schema(required = true)]
    pub health: String,
    /// State as the BMC words it.
    #[schema(required = true)]
    pub state: String,
}

/// One power supply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::PowerSupply)]
pub struct PowerSupply {
    /// Condition.
    #[schema(required = true)]
    pub status: PowerSupplyStatus,
}

/// How to reach the BMC of a machine, and what it last reported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIPMI)]
pub struct MachineIpmi {
    /// Address as `host:port`.
    #[schema(required = true)]
    pub address: String,
    /// MAC address of the BMC.
    #[schema(required = true)]
    pub mac: String,
    /// User name.
    #[schema(required = true)]
    pub user: String,
    /// Password in clear.
    #[schema(required = true)]
    pub password: String,
    /// IPMI interface, for example `lanplus`.
    #[schema(required = true)]
    pub interface: String,
    /// Part and serial numbers.
    #[schema(required = true)]
    pub fru: MachineFru,
    /// Firmware version of the BMC.
    #[schema(required = true)]
    pub bmcversion: String,
    /// Power state as the BMC words it.
    #[schema(required = true)]
    pub powerstate: String,
    /// Power drawn, if known.
    pub powermetric: Option<PowerMetric>,
    /// Power supplies.
    #[schema(required = true)]
    pub powersupplies: Vec<PowerSupply>,
    /// When the BMC was last heard of.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub last_updated: Time,
}
