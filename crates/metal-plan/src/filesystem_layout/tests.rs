//! Rules of filesystem layouts: the device chain, words, constraints, collisions, selection, and the hardware.

use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::machine::Machine;
use metal_model::v1::{
    Disk, DiskPartition, Filesystem, FilesystemLayoutConstraints, FilesystemLayoutCreateRequest,
    FilesystemLayoutMatchRequest, FilesystemLayoutTryRequest, FilesystemLayoutUpdateRequest, LogicalVolume,
    MachineBlockDevice, Raid, VolumeGroup,
};

use super::{create, delete, fits, matches, try_, update};
use crate::allocation::tests::world::{SIZE, World};
use crate::{Class, Error};

type Req = FilesystemLayoutCreateRequest;
/// Class and word of a refusal, and what it is for.
type Change = (Class, &'static str, fn(&mut Req));

fn filesystem(device: &str) -> Filesystem {
    Filesystem { path: "/".into(), device: device.into(), format: "ext4".into(), ..Filesystem::default() }
}

fn partition(number: u8, size: u64) -> DiskPartition {
    DiskPartition { number, size, gpttype: Some("8300".into()), ..DiskPartition::default() }
}

fn volume(name: &str, kind: &str, size: u64) -> LogicalVolume {
    LogicalVolume { name: name.into(), volumegroup: "vg".into(), size, lvmtype: kind.into() }
}

/// Two disks, a mirror for the system, volumes on the rest.
fn full() -> Req {
    let disk = |device: &str| Disk {
        device: device.into(),
        partitions: vec![partition(1, 500), partition(2, 5_000), partition(3, 0)],
        wipeonreinstall: true,
    };
    Req {
        id: "full".into(),
        disks: vec![disk("/dev/sda"), disk("/dev/nvme0n1")],
        raid: vec![Raid {
            arrayname: "/dev/md0".into(),
            devices: vec!["/dev/sda2".into(), "/dev/nvme0n1p2".into()],
            level: "1".into(),
            ..Raid::default()
        }],
        volumegroups: vec![VolumeGroup {
            name: "vg".into(),
            devices: vec!["/dev/sda3".into(), "/dev/nvme0n1p3".into()],
            ..VolumeGroup::default()
        }],
        logicalvolumes: vec![volume("var", "raid1", 1_000), volume("lib", "striped", 0)],
        filesystems: vec![
            Filesystem { format: "vfat".into(), ..filesystem("/dev/sda1") },
            filesystem("/dev/md0"),
            filesystem("/dev/vg/var"),
            filesystem("/dev/vg/lib"),
            Filesystem { format: "tmpfs".into(), ..filesystem("tmpfs") },
        ],
        ..Req::default()
    }
}

fn attempt(world: &mut World, req: &Req) -> Result<(), Error> {
    world.attempt(|tx, env| create(tx, env, req)).map(drop)
}

#[test]
fn the_device_chain_is_followed() {
    let world = &mut World::new();
    let invalid = Class::Invalid;
    let refuse = Class::Refused;
    let changes: Vec<Change> = vec![
        (invalid, "id", |r| r.id.clear()),
        (refuse, "btrfs", |r| r.filesystems[1].format = "btrfs".into()),
        (refuse, "\"5\"", |r| r.raid[0].level = "5".into()),
        (refuse, "cached", |r| r.logicalvolumes[0].lvmtype = "cached".into()),
        (refuse, "beef", |r| r.disks[0].partitions[0].gpttype = Some("beef".into())),
        (invalid, "number 1 is used twice", |r| r.disks[0].partitions[1].number = 1),
        (invalid, "rest of the disk", |r| r.disks[1].partitions[0].size = 0),
        (invalid, "listed twice", |r| r.disks[1].device = "/dev/sda".into()),
        (invalid, "/dev/sda9", |r| r.raid[0].devices.push("/dev/sda9".into())),
        (invalid, "/dev/nvme0n13", |r| r.volumegroups[0].devices.push("/dev/nvme0n13".into())),
        (invalid, "taken", |r| r.raid[0].arrayname = "/dev/sda1".into()),
        (invalid, "not defined", |r| r.logicalvolumes[0].volumegroup = "other".into()),
        (invalid, "at least two", |r| r.volumegroups[0].devices.truncate(1)),
        (invalid, "must therefore be the last", |r| r.logicalvolumes[0].size = 0),
        (invalid, "twice", |r| r.logicalvolumes[0].name = "lib".into()),
        (invalid, "/dev/md1", |r| r.filesystems[1].device = "/dev/md1".into()),
        (invalid, "white space", |r| r.filesystems[1].createoptions = vec!["-F 32".into()]),
        (invalid, "white space", |r| r.raid[0].createoptions = vec!["--meta\tdata".into()]),
        (invalid, "operating system", |r| r.constraints.images = [("*".into(), "*".into())].into()),
        (invalid, "ubuntu", |r| r.constraints.images = [("ubuntu".into(), ">20".into())].into()),
        (invalid, "must name one size", |r| r.constraints.sizes = vec!["c1*".into()]),
        (invalid, "listed twice", |r| r.constraints.sizes = vec!["a".into(), "a".into()]),
    ];
    for (class, word, change) in changes {
        let mut req = full();
        change(&mut req);
        let error = attempt(world, &req).expect_err(word);
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(word), "{error} does not say {word:?}");
    }
    attempt(world, &full()).unwrap();
    assert_eq!(attempt(world, &full()).unwrap_err().class, Class::Conflict);
}

fn for_images(id: &str, sizes: &[&str], images: &[(&str, &str)]) -> Req {
    Req {
        id: id.into(),
        constraints: FilesystemLayoutConstraints {
            sizes: sizes.iter().map(|size| (*size).to_owned()).collect(),
            images: images.iter().map(|(os, text)| ((*os).to_owned(), (*text).to_owned())).collect(),
        },
        ..Req::default()
    }
}

#[test]
fn layouts_may_not_claim_the_same() {
    let world = &mut World::new();
    attempt(world, &for_images("base", &["s1", "s2"], &[("plan9", ">= 4.0"), ("minix", "*")])).unwrap();
    let table = [
        (&["s3"][..], &[("plan9", "*")][..], true),
        (&["s2"], &[("inferno", "*")], true),
        (&["s2"], &[("plan9", "*")], false),
        (&["s1", "s9"], &[("minix", "> 3.0")], false),
        (&["s1"], &[("minix", "*")], false),
        (&["s1"], &[("plan9", "< 5.0")], false),
        (&["s1"], &[("plan9", "> 4.5")], true),
        (&["s1"], &[("plan9", "< 4.0")], true),
        (&[], &[], true),
        (&[], &[("plan9", "*")], true),
    ];
    for (at, (sizes, images, expected)) in table.into_iter().enumerate() {
        let mut copy = world.clone();
        let result = attempt(&mut copy, &for_images("new", sizes, images));
        assert_eq!(result.is_ok(), expected, "row {at}: {result:?}");
        assert!(result.is_ok() || result.unwrap_err().class == Class::Invalid);
    }
    let same = FilesystemLayoutUpdateRequest {
        id: "base".into(),
        constraints: for_images("", &["s1"], &[("minix", "*")]).constraints,
        ..FilesystemLayoutUpdateRequest::default()
    };
    let layout = world.change(|tx, env| update(tx, env, &same));
    assert!(!layout.layout.constraints.images.contains_key("plan9"), "it is replaced as a whole");
    world.change(|tx, env| delete(tx, env, "base"));
    assert_eq!(world.attempt(|tx, env| update(tx, env, &same)).unwrap_err().class, Class::NotFound);
}

#[test]
fn size_and_image_choose_the_first_layout() {
    let world = &mut World::new();
    attempt(world, &for_images("a-first", &[SIZE], &[("plan9", "*")])).unwrap();
    let chosen = |size: &str, image: &str| {
        let req = FilesystemLayoutTryRequest { size: size.into(), image: image.into() };
        try_(&world.snapshot, &req).map(|layout| layout.id.to_string()).map_err(|error| error.class)
    };
    assert_eq!(chosen(SIZE, "ubuntu-24.04.20250101"), Ok("default".into()));
    assert_eq!(chosen(SIZE, "ubuntu-24.04"), Err(Class::NotFound), "ids are literal");
    assert_eq!(chosen("none", "ubuntu-24.04.20250101"), Err(Class::NotFound));
    world.set::<FilesystemLayout>("default", |layout| {
        std::sync::Arc::make_mut(&mut layout.layout).constraints.images =
            [("ubuntu".into(), "< 24.0".into())].into();
    });
    let req = FilesystemLayoutTryRequest { size: SIZE.into(), image: "ubuntu-24.04.20250101".into() };
    assert_eq!(try_(&world.snapshot, &req).unwrap_err().class, Class::Refused);
}

#[test]
fn disks_must_be_there_and_big_enough() {
    let world = &mut World::with_racks(1, 1);
    let layout = world.snapshot.filesystem_layouts.get("default").unwrap().layout.clone();
    let fit = |name: &str, mebibytes: u64, more: u64| {
        let disk = MachineBlockDevice { name: name.into(), size: (mebibytes << 20) + more };
        let hardware = metal_model::v1::MachineHardware { disks: vec![disk], ..Default::default() };
        fits(&layout, &hardware).is_ok()
    };
    assert!(fit("/dev/sda", 5_500, 0));
    assert!(fit("sda", 5_500, 0), "names without directory get it");
    assert!(!fit("/dev/sda", 5_499, (1 << 20) - 1), "part of a MiB does not count");
    assert!(!fit("/dev/sdb", 9_999, 0));
    let req = |machine: &str, layout: &str| FilesystemLayoutMatchRequest {
        machine: machine.into(),
        filesystemlayout: layout.into(),
    };
    assert!(matches(&world.snapshot, &req("m101", "default")).is_ok());
    assert_eq!(matches(&world.snapshot, &req("m999", "default")).unwrap_err().class, Class::NotFound);
    assert_eq!(matches(&world.snapshot, &req("m101", "x")).unwrap_err().class, Class::NotFound);
    world.set::<Machine>("m101", |machine| machine.hardware = std::sync::Arc::default());
    assert_eq!(matches(&world.snapshot, &req("m101", "default")).unwrap_err().class, Class::Refused);
}
