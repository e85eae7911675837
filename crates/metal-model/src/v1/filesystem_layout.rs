//! Filesystem layouts: how disks are partitioned and formatted, and which machines get which layout.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// For which sizes and images a layout is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutConstraints)]
pub struct FilesystemLayoutConstraints {
    /// Sizes.
    pub sizes: Vec<String>,
    /// Operating system to version expression.
    #[schema(required = true)]
    pub images: BTreeMap<String, String>,
}

/// A filesystem and where it is mounted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Filesystem)]
pub struct Filesystem {
    /// Mount point; empty when not mounted.
    pub path: String,
    /// Device.
    #[schema(required = true)]
    pub device: String,
    /// `vfat`, `ext3`, `ext4`, `swap`, `tmpfs` or `none`.
    #[schema(required = true)]
    pub format: String,
    /// Label.
    pub label: String,
    /// Mount options.
    pub mountoptions: Vec<String>,
    /// Options for the program that creates it.
    pub createoptions: Vec<String>,
}

/// A partition of a disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::DiskPartition)]
pub struct DiskPartition {
    /// Number, from 1.
    #[schema(required = true)]
    pub number: u8,
    /// Label.
    pub label: String,
    /// Size in MiB; 0 takes the rest.
    #[schema(required = true)]
    pub size: u64,
    /// GPT type: `ef00`, `8300`, `fd00` or `8e00`.
    pub gpttype: Option<String>,
}

/// A disk to partition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Disk)]
pub struct Disk {
    /// Device.
    #[schema(required = true)]
    pub device: String,
    /// Partitions.
    pub partitions: Vec<DiskPartition>,
    /// Whether it loses its data when the machine is installed anew.
    #[schema(required = true)]
    pub wipeonreinstall: bool,
}

/// A software RAID.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::Raid)]
pub struct Raid {
    /// Device of the array.
    #[schema(required = true)]
    pub arrayname: String,
    /// Devices it is made of.
    pub devices: Vec<String>,
    /// `0` or `1`.
    #[schema(required = true)]
    pub level: String,
    /// Options for the program that creates it.
    pub createoptions: Vec<String>,
    /// Number of spare devices.
    #[schema(required = true)]
    pub spares: i64,
}

/// A group of physical volumes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::VolumeGroup)]
pub struct VolumeGroup {
    /// Name.
    #[schema(required = true)]
    pub name: String,
    /// Devices.
    pub devices: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// A volume of a group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::LogicalVolume)]
pub struct LogicalVolume {
    /// Name.
    #[schema(required = true)]
    pub name: String,
    /// Group.
    #[schema(required = true)]
    pub volumegroup: String,
    /// Size in MiB; 0 takes the rest.
    #[schema(required = true)]
    pub size: u64,
    /// `linear`, `striped` or `raid1`.
    #[schema(required = true)]
    pub lvmtype: String,
}

/// A filesystem layout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutResponse)]
pub struct FilesystemLayoutResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Filesystems.
    pub filesystems: Vec<Filesystem>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Software RAIDs.
    pub raid: Vec<Raid>,
    /// Volume groups.
    pub volumegroups: Vec<VolumeGroup>,
    /// Logical volumes.
    pub logicalvolumes: Vec<LogicalVolume>,
    /// For which machines it is.
    #[schema(required = true)]
    pub constraints: FilesystemLayoutConstraints,
}

/// Creates a layout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutCreateRequest)]
pub struct FilesystemLayoutCreateRequest {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Filesystems.
    pub filesystems: Vec<Filesystem>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Software RAIDs.
    pub raid: Vec<Raid>,
    /// Volume groups.
    pub volumegroups: Vec<VolumeGroup>,
    /// Logical volumes.
    pub logicalvolumes: Vec<LogicalVolume>,
    /// For which machines it is.
    #[schema(required = true)]
    pub constraints: FilesystemLayoutConstraints,
}

/// Replaces a layout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutUpdateRequest)]
pub struct FilesystemLayoutUpdateRequest {
    /// Layout.
    #[schema(required = true)]
    pub id: String,
    /// Name; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Filesystems.
    pub filesystems: Vec<Filesystem>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Software RAIDs.
    pub raid: Vec<Raid>,
    /// Volume groups.
    pub volumegroups: Vec<VolumeGroup>,
    /// Logical volumes.
    pub logicalvolumes: Vec<LogicalVolume>,
    /// For which machines it is.
    #[schema(required = true)]
    pub constraints: FilesystemLayoutConstraints,
}

/// Asks which layout a size and an image get.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutTryRequest)]
pub struct FilesystemLayoutTryRequest {
    /// Size.
    #[schema(required = true)]
    pub size: String,
    /// Image.
    #[schema(required = true)]
    pub image: String,
}

/// Asks whether a layout fits a machine's disks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::FilesystemLayoutMatchRequest)]
pub struct FilesystemLayoutMatchRequest {
    /// Machine.
    #[schema(required = true)]
    pub machine: String,
    /// Layout.
    #[schema(required = true)]
    pub filesystemlayout: String,
}
