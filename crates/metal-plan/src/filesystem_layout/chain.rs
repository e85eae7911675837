//! The chain of devices of a layout: everything that is built on a device must find it provided by an earlier stage.

use std::collections::{BTreeMap, BTreeSet};

use metal_model::v1::{Disk, FilesystemLayoutResponse};

use crate::Error;

/// Filesystems an installer can make.
const FORMATS: [&str; 6] = ["vfat", "ext3", "ext4", "swap", "tmpfs", "none"];
/// Types of GPT partitions: EFI system, Linux data, RAID member, LVM volume.
const GPT_TYPES: [&str; 4] = ["ef00", "8300", "fd00", "8e00"];
const RAID_LEVELS: [&str; 2] = ["0", "1"];
const LVM_TYPES: [&str; 3] = ["linear", "striped", "raid1"];

/// Refuses a layout that cannot be carried out: 422 for words nobody knows, 400 for everything else.
pub(super) fn check(layout: &FilesystemLayoutResponse) -> Result<(), Error> {
    check_words(layout)?;
    let mut provided: BTreeSet<String> = BTreeSet::new();
    for disk in &layout.disks {
        check_partitions(disk)?;
        if !provided.insert(disk.device.clone()) {
            return Err(Error::invalid("disks", format!("device {:?} is listed twice", disk.device)));
        }
        provided.extend(disk.partitions.iter().map(|partition| device_of(&disk.device, partition.number)));
    }
    check_raid(layout, &mut provided)?;
    let groups = check_volume_groups(layout, &provided)?;
    check_logical_volumes(layout, &groups, &mut provided)?;
    for filesystem in &layout.filesystems {
        if filesystem.format != "tmpfs" && !provided.contains(&filesystem.device) {
            return Err(Error::invalid("filesystems", missing(&filesystem.device, &filesystem.path)));
        }
        check_options("filesystems", &filesystem.createoptions)?;
    }
    Ok(())
}

/// Device of a partition: NVMe names end in a digit and therefore get a `p` in between.
fn device_of(disk: &str, number: u8) -> String {
    let separator = if disk.starts_with("/dev/nvme") { "p" } else { "" };
    format!("{disk}{separator}{number}")
}

fn missing(device: &str, user: &str) -> String {
    format!("device {device:?} for {user:?} is provided by no disk, partition, raid or logical volume")
}

fn check_words(layout: &FilesystemLayoutResponse) -> Result<(), Error> {
    let known = |field: &'static str, word: &str, words: &[&str]| {
        if words.contains(&word) {
            return Ok(());
        }
        Err(Error::refused_field(
            field,
            format!("{word:?} is not supported; use one of {}", words.join(", ")),
        ))
    };
    for filesystem in &layout.filesystems {
        known("format", &filesystem.format, &FORMATS)?;
    }
    for partition in layout.disks.iter().flat_map(|disk| &disk.partitions) {
        if let Some(kind) = partition.gpttype.as_deref().filter(|kind| !kind.is_empty()) {
            known("gpttype", kind, &GPT_TYPES)?;
        }
    }
    for raid in &layout.raid {
        known("level", &raid.level, &RAID_LEVELS)?;
    }
    for volume in &layout.logicalvolumes {
        known("lvmtype", &volume.lvmtype, &LVM_TYPES)?;
    }
    Ok(())
}

fn check_partitions(disk: &Disk) -> Result<(), Error> {
    if disk.device.is_empty() {
        return Err(Error::invalid("disks", "device of a disk must not be empty"));
    }
    let mut numbers = BTreeSet::new();
    let last = disk.partitions.len().saturating_sub(1);
    for (at, partition) in disk.partitions.iter().enumerate() {
        if !numbers.insert(partition.number) {
            return Err(Error::invalid(
                "partitions",
                format!("number {} is used twice on {:?}", partition.number, disk.device),
            ));
        }
        if partition.size == 0 && at != last {
            return Err(Error::invalid(
                "partitions",
                format!(
                    "number {} on {:?} takes the rest of the disk (size 0) and must therefore be the last",
                    partition.number, disk.device
                ),
            ));
        }
    }
    Ok(())
}

fn check_raid(layout: &FilesystemLayoutResponse, provided: &mut BTreeSet<String>) -> Result<(), Error> {
    for raid in &layout.raid {
        if let Some(device) = raid.devices.iter().find(|device| !provided.contains(*device)) {
            return Err(Error::invalid("raid", missing(device, &raid.arrayname)));
        }
        check_options("raid", &raid.createoptions)?;
        if raid.arrayname.is_empty() || !provided.insert(raid.arrayname.clone()) {
            return Err(Error::invalid(
                "raid",
                format!("array name {:?} is empty or taken by another device", raid.arrayname),
            ));
        }
    }
    Ok(())
}

/// Volume groups and how many devices each has.
fn check_volume_groups<'a>(
    layout: &'a FilesystemLayoutResponse,
    provided: &BTreeSet<String>,
) -> Result<BTreeMap<&'a str, usize>, Error> {
    let mut groups = BTreeMap::new();
    for group in &layout.volumegroups {
        if let Some(device) = group.devices.iter().find(|device| !provided.contains(*device)) {
            return Err(Error::invalid("volumegroups", missing(device, &group.name)));
        }
        if group.name.is_empty() || groups.insert(group.name.as_str(), group.devices.len()).is_some() {
            return Err(Error::invalid(
                "volumegroups",
                format!("name {:?} is empty or listed twice", group.name),
            ));
        }
    }
    Ok(groups)
}

fn check_logical_volumes(
    layout: &FilesystemLayoutResponse,
    groups: &BTreeMap<&str, usize>,
    provided: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let last = layout.logicalvolumes.len().saturating_sub(1);
    for (at, volume) in layout.logicalvolumes.iter().enumerate() {
        let wrong = |why: String| Error::invalid("logicalvolumes", format!("{:?}: {why}", volume.name));
        let Some(devices) = groups.get(volume.volumegroup.as_str()) else {
            return Err(wrong(format!("volume group {:?} is not defined", volume.volumegroup)));
        };
        if volume.lvmtype != "linear" && *devices < 2 {
            return Err(wrong(format!(
                "type {} needs at least two devices in volume group {:?}, it has {devices}",
                volume.lvmtype, volume.volumegroup
            )));
        }
        if volume.size == 0 && at != last {
            return Err(wrong(
                "takes the rest of the group (size 0) and must therefore be the last".to_owned(),
            ));
        }
        if !provided.insert(format!("/dev/{}/{}", volume.volumegroup, volume.name)) {
            return Err(wrong("is listed twice".to_owned()));
        }
    }
    Ok(())
}

/// Options become arguments one by one; white space would smuggle in more.
fn check_options(field: &'static str, options: &[String]) -> Result<(), Error> {
    match options.iter().find(|option| option.contains(char::is_whitespace)) {
        Some(option) => Err(Error::invalid(
            field,
            format!("create option {option:?} contains white space; write it as several options"),
        )),
        None => Ok(()),
    }
}
