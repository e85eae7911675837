//! Search criteria. All given ones must hold; what is absent does not count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Searches machines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineFindRequest)]
pub struct MachineFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the record, not of the allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_id: Option<String>,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizeid: Option<String>,
    /// Rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rackid: Option<String>,
    /// Room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roomid: Option<String>,
    /// Tags it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Name of the allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_name: Option<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_project: Option<String>,
    /// Image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_image_id: Option<String>,
    /// Host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_hostname: Option<String>,
    /// `machine` or `firewall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_role: Option<String>,
    /// Never true; kept for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_succeeded: Option<bool>,
    /// Networks it must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_ids: Vec<String>,
    /// Prefixes its networks must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_prefixes: Vec<String>,
    /// Addresses it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_ips: Vec<String>,
    /// Destination prefixes its networks must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_destination_prefixes: Vec<String>,
    /// VRFs it must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_vrfs: Vec<i64>,
    /// ASNs it must announce with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_asns: Vec<i64>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_memory: Option<i64>,
    /// MAC addresses it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_mac_addresses: Vec<String>,
    /// Interface names it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_names: Vec<String>,
    /// VRFs its interfaces must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_vrfs: Vec<String>,
    /// MAC addresses of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_mac_addresses: Vec<String>,
    /// Names of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_names: Vec<String>,
    /// VRFs of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_vrfs: Vec<String>,
    /// Disks it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk_names: Vec<String>,
    /// Disk sizes in bytes it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk_sizes: Vec<i64>,
    /// State: `""`, `RESERVED` or `LOCKED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_value: Option<String>,
    /// Address of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_address: Option<String>,
    /// MAC address of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_mac_address: Option<String>,
    /// User of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_user: Option<String>,
    /// IPMI interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_interface: Option<String>,
    /// Part number of the chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_chassis_part_number: Option<String>,
    /// Serial number of the chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_chassis_part_serial: Option<String>,
    /// Manufacturer of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_mfg: Option<String>,
    /// Serial number of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_mfg_serial: Option<String>,
    /// Part number of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_part_number: Option<String>,
    /// Manufacturer of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_manufacturer: Option<String>,
    /// Part number of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_part_number: Option<String>,
    /// Serial number of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_serial: Option<String>,
}

/// Searches machines with problems.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::MachineIssuesRequest)]
pub struct MachineIssuesRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the record, not of the allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_id: Option<String>,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizeid: Option<String>,
    /// Rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rackid: Option<String>,
    /// Room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roomid: Option<String>,
    /// Tags it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Name of the allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_name: Option<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_project: Option<String>,
    /// Image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_image_id: Option<String>,
    /// Host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_hostname: Option<String>,
    /// `machine` or `firewall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_role: Option<String>,
    /// Never true; kept for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_succeeded: Option<bool>,
    /// Networks it must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_ids: Vec<String>,
    /// Prefixes its networks must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_prefixes: Vec<String>,
    /// Addresses it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_ips: Vec<String>,
    /// Destination prefixes its networks must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_destination_prefixes: Vec<String>,
    /// VRFs it must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_vrfs: Vec<i64>,
    /// ASNs it must announce with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_asns: Vec<i64>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_memory: Option<i64>,
    /// MAC addresses it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_mac_addresses: Vec<String>,
    /// Interface names it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_names: Vec<String>,
    /// VRFs its interfaces must be in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_vrfs: Vec<String>,
    /// MAC addresses of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_mac_addresses: Vec<String>,
    /// Names of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_names: Vec<String>,
    /// VRFs of ports it must be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics_neighbor_vrfs: Vec<String>,
    /// Disks it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk_names: Vec<String>,
    /// Disk sizes in bytes it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk_sizes: Vec<i64>,
    /// State: `""`, `RESERVED` or `LOCKED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_value: Option<String>,
    /// Address of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_address: Option<String>,
    /// MAC address of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_mac_address: Option<String>,
    /// User of the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_user: Option<String>,
    /// IPMI interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_interface: Option<String>,
    /// Part number of the chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_chassis_part_number: Option<String>,
    /// Serial number of the chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_chassis_part_serial: Option<String>,
    /// Manufacturer of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_mfg: Option<String>,
    /// Serial number of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_mfg_serial: Option<String>,
    /// Part number of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_board_part_number: Option<String>,
    /// Manufacturer of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_manufacturer: Option<String>,
    /// Part number of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_part_number: Option<String>,
    /// Serial number of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fru_product_serial: Option<String>,
    /// Only these problems.
    #[schema(required = true)]
    pub only: Vec<String>,
    /// Not these problems.
    #[schema(required = true)]
    pub omit: Vec<String>,
    /// At least this severity; empty means `minor`.
    #[schema(required = true)]
    pub severity: String,
    /// How long an error counts, in nanoseconds; 0 means seven days.
    #[schema(required = true)]
    pub last_error_threshold: i64,
}

/// Searches networks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::NetworkFindRequest)]
pub struct NetworkFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitionid: Option<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
    /// Prefixes it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// Destination prefixes it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinationprefixes: Vec<String>,
    /// Whether traffic into it is masqueraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<bool>,
    /// Whether child networks are taken from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privatesuper: Option<bool>,
    /// Whether it is an underlay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub underlay: Option<bool>,
    /// VRF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrf: Option<i64>,
    /// Network it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parentnetworkid: Option<String>,
    /// Labels it must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `IPv4` or `IPv6`: it has a prefix of that family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressfamily: Option<String>,
}

/// Searches addresses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::IPFindRequest)]
pub struct IpFindRequest {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipaddress: Option<String>,
    /// Acquisition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocationuuid: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Prefix it was acquired from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networkprefix: Option<String>,
    /// Network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networkid: Option<String>,
    /// Tags it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projectid: Option<String>,
    /// `static` or `ephemeral`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Machine that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machineid: Option<String>,
    /// `IPv4` or `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressfamily: Option<String>,
}

/// Searches images.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::ImageFindRequest)]
pub struct ImageFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Features it must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
}

/// Searches switches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SwitchFindRequest)]
pub struct SwitchFindRequest {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitionid: Option<String>,
    /// Rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rackid: Option<String>,
    /// Room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roomid: Option<String>,
    /// Vendor of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub osvendor: Option<String>,
    /// Version of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub osversion: Option<String>,
}
