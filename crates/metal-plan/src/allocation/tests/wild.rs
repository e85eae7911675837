//! Requests nobody would send on purpose: every decision answers them with a refusal or a result, never a panic and
//! never an internal error.

use std::collections::BTreeMap;

use jiff::Timestamp;
use metal_model::machine::Role;
use metal_model::v1::{self, Time};
use proptest::prelude::*;

use super::super::{allocate_firewall, allocate_machine, delete, explain, free, reinstall};
use super::world::{KEY, PARTITION, SIZE, World, hardware};
use crate::{
    Class, Env, Error, Rng, Tx, filesystem_layout, image, partition, size, size_image_constraint,
    size_reservation,
};

/// Texts that mean something somewhere, and some that mean nothing anywhere.
const TEXTS: [&str; 40] = [
    "",
    " ",
    "*",
    "-",
    ".",
    "/",
    "\0",
    "ü🦀",
    "p1",
    "p2",
    PARTITION,
    SIZE,
    "unknown",
    "ubuntu-24.04",
    "ubuntu-24.04.20250101",
    "ubuntu",
    "firewall-3.0.1",
    "-1.2.3",
    "a-",
    "99999999999999999999999",
    "net-p1",
    "shared-p2",
    "internet",
    "underlay",
    "super",
    "m101",
    "m102",
    "default",
    KEY,
    "ssh-rsa AAAA",
    "10.0.0.1",
    "198.51.100.1",
    "fd00:1::1",
    "::/0",
    "0.0.0.0/0",
    "/dev/sda",
    "/dev/sda1",
    ">= 24.04",
    "~ 0.0.0",
    "[a-",
];
const NUMBERS: [u64; 8] = [0, 1, 2, 8, 255, 65_536, 1 << 36, u64::MAX];

/// Makes up values.
struct Wild(Rng);

impl Wild {
    fn text(&mut self) -> String {
        match self.0.below(20) {
            0 => "x".repeat(self.0.below(3_000)),
            1 => (0..self.0.below(12))
                .filter_map(|_| char::from_u32(self.0.below(0x11_0000).try_into().ok()?))
                .collect(),
            _ => TEXTS[self.0.below(TEXTS.len())].to_owned(),
        }
    }

    fn number(&mut self) -> u64 {
        if self.flag() { NUMBERS[self.0.below(NUMBERS.len())] } else { self.0.next_u64() }
    }

    fn flag(&mut self) -> bool {
        self.0.below(2) == 0
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.0.below(5)).map(|_| make(self)).collect()
    }

    fn map(&mut self) -> BTreeMap<String, String> {
        self.some(|wild| (wild.text(), wild.text())).into_iter().collect()
    }

    fn machine(&mut self) -> v1::MachineAllocateRequest {
        v1::MachineAllocateRequest {
            name: self.maybe(Self::text),
            description: self.maybe(Self::text),
            uuid: self.maybe(Self::text),
            hostname: self.maybe(Self::text),
            projectid: self.text(),
            partitionid: self.text(),
            sizeid: self.text(),
            imageid: self.text(),
            filesystemlayoutid: self.maybe(Self::text),
            ssh_pub_keys: self.some(Self::text),
            user_data: self.maybe(Self::text),
            tags: self.some(Self::text),
            networks: self.some(|wild| v1::MachineAllocationNetwork {
                networkid: wild.text(),
                autoacquire: wild.maybe(Self::flag),
            }),
            ips: self.some(Self::text),
            placement_tags: self.some(Self::text),
            dns_servers: self.some(|wild| v1::DnsServer { ip: wild.text() }),
            ntp_servers: self.some(|wild| v1::NtpServer { address: wild.text() }),
        }
    }

    /// Mostly right, so that later stages are reached.
    fn likely(&mut self) -> v1::MachineAllocateRequest {
        let mut req = self.machine();
        let good = super::world::request(if self.flag() { "p1" } else { "p2" });
        macro_rules! often {
            ($($field:ident)*) => { $(if self.0.below(8) > 0 { req.$field = good.$field.clone(); })* };
        }
        often! { uuid projectid partitionid sizeid imageid filesystemlayoutid ssh_pub_keys networks ips dns_servers ntp_servers }
        req
    }

    fn signed(&mut self) -> i64 {
        self.number().cast_signed()
    }

    fn rules(&mut self) -> v1::FirewallRules {
        v1::FirewallRules {
            egress: self.some(|wild| v1::FirewallEgressRule {
                protocol: wild.text(),
                ports: wild.some(Self::signed),
                to: wild.some(Self::text),
                comment: wild.text(),
            }),
            ingress: self.some(|wild| v1::FirewallIngressRule {
                protocol: wild.text(),
                ports: wild.some(Self::signed),
                to: wild.some(Self::text),
                from: wild.some(Self::text),
                comment: wild.text(),
            }),
        }
    }

    fn constraint(&mut self) -> v1::SizeConstraint {
        let kinds = ["cores", "memory", "storage", "gpu", "fans"];
        let kind = kinds[self.0.below(kinds.len())].to_owned();
        v1::SizeConstraint { kind, min: self.number(), max: self.number(), identifier: self.text() }
    }

    fn layout(&mut self) -> v1::FilesystemLayoutCreateRequest {
        let word = |wild: &mut Self, words: &[&str]| words[wild.0.below(words.len())].to_owned();
        v1::FilesystemLayoutCreateRequest {
            id: self.text(),
            name: self.maybe(Self::text),
            description: self.maybe(Self::text),
            filesystems: self.some(|wild| v1::Filesystem {
                path: wild.text(),
                device: wild.text(),
                format: word(wild, &["ext4", "vfat", "tmpfs", "x"]),
                createoptions: wild.some(Self::text),
                ..v1::Filesystem::default()
            }),
            disks: self.some(|wild| v1::Disk {
                device: wild.text(),
                partitions: wild.some(|wild| v1::DiskPartition {
                    number: wild.number().to_le_bytes()[0],
                    size: wild.number(),
                    gpttype: Some(word(wild, &["", "8300", "x"])),
                    ..v1::DiskPartition::default()
                }),
                wipeonreinstall: wild.flag(),
            }),
            raid: self.some(|wild| v1::Raid {
                arrayname: wild.text(),
                devices: wild.some(Self::text),
                level: word(wild, &["0", "1", "6"]),
                createoptions: wild.some(Self::text),
                spares: wild.signed(),
            }),
            volumegroups: self.some(|wild| v1::VolumeGroup {
                name: wild.text(),
                devices: wild.some(Self::text),
                tags: wild.some(Self::text),
            }),
            logicalvolumes: self.some(|wild| v1::LogicalVolume {
                name: wild.text(),
                volumegroup: wild.text(),
                size: wild.number(),
                lvmtype: word(wild, &["linear", "raid1", "x"]),
            }),
            constraints: v1::FilesystemLayoutConstraints { sizes: self.some(Self::text), images: self.map() },
        }
    }

    fn hardware(&mut self) -> v1::MachineHardware {
        v1::MachineHardware {
            memory: self.number(),
            disks: self.some(|wild| v1::MachineBlockDevice { name: wild.text(), size: wild.number() }),
            cpus: self.some(|wild| v1::MetalCpu {
                model: wild.text(),
                cores: u32::MAX,
                ..Default::default()
            }),
            gpus: self.some(|wild| v1::MetalGpu { model: wild.text(), ..Default::default() }),
            ..v1::MachineHardware::default()
        }
    }
}

type Decision = Box<dyn FnOnce(&mut Tx, &mut Env) -> Result<(), Error>>;

fn boxed<T>(decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error> + 'static) -> Decision {
    Box::new(|tx, env| decide(tx, env).map(drop))
}

/// One decision on a made-up request.
fn decision(wild: &mut Wild, kind: usize) -> Decision {
    let id = wild.text();
    match kind {
        0 => {
            let req = wild.machine();
            boxed(move |tx, env| allocate_machine(tx, env, &req))
        }
        1 | 2 => {
            let req = wild.likely();
            boxed(move |tx, env| {
                explain(tx.state(), env, &req, Role::Firewall);
                allocate_machine(tx, env, &req)
            })
        }
        3 => {
            let likely = wild.likely();
            let req = v1::FirewallCreateRequest {
                projectid: likely.projectid,
                partitionid: likely.partitionid,
                sizeid: likely.sizeid,
                imageid: "firewall-3.0".into(),
                networks: likely.networks,
                ips: likely.ips,
                firewall_rules: wild.maybe(Wild::rules),
                ..v1::FirewallCreateRequest::default()
            };
            boxed(move |tx, env| allocate_firewall(tx, env, &req))
        }
        4 => boxed(move |tx, env| free(tx, env, &id)),
        5 => boxed(move |tx, env| delete(tx, env, &id)),
        6 => {
            let req = v1::MachineReinstallRequest { imageid: wild.text(), ..Default::default() };
            boxed(move |tx, env| reinstall(tx, env, &id, &req))
        }
        7 => {
            let req = wild.layout();
            boxed(move |tx, env| filesystem_layout::create(tx, env, &req))
        }
        8 => {
            let (min, max) = (Timestamp::MIN, Timestamp::MAX);
            let req = v1::ImageCreateRequest {
                id,
                url: wild.text(),
                features: wild.some(|wild| ["machine", "firewall", "x"][wild.0.below(3)].to_owned()),
                expiration_date: wild.maybe(|wild| Time(if wild.flag() { min } else { max })),
                classification: wild.maybe(Wild::text),
                ..v1::ImageCreateRequest::default()
            };
            boxed(move |tx, env| image::create(tx, env, &req).inspect(|_| drop(image::expire(tx, env))))
        }
        _ => more_decisions(wild, id, kind),
    }
}

fn more_decisions(wild: &mut Wild, id: String, kind: usize) -> Decision {
    match kind {
        9 => {
            let constraints = wild.some(Wild::constraint);
            let req = v1::SizeCreateRequest { id, constraints, ..Default::default() };
            let hardware = if wild.flag() { hardware() } else { wild.hardware() };
            boxed(move |tx, env| {
                let size = size::create(tx, env, &req)?;
                size::matching(tx.state(), &hardware);
                Ok(size)
            })
        }
        10 => {
            let req = v1::SizeReservationCreateRequest {
                id: Some(id),
                sizeid: wild.text(),
                partitionids: wild.some(Wild::text),
                projectid: wild.text(),
                amount: wild.signed(),
                ..v1::SizeReservationCreateRequest::default()
            };
            boxed(move |tx, env| {
                let reservation = size_reservation::create(tx, env, &req)?;
                size_reservation::usage(tx.state(), &Default::default())?;
                Ok(reservation)
            })
        }
        11 => {
            let req = v1::SizeImageConstraintCreateRequest {
                id,
                constraints: v1::SizeImageConstraintBase { images: wild.map() },
                ..v1::SizeImageConstraintCreateRequest::default()
            };
            let image = wild.text();
            boxed(move |tx, env| {
                let constraint = size_image_constraint::create(tx, env, &req)?;
                let size = constraint.id.to_string();
                size_image_constraint::try_(tx.state(), &v1::SizeImageConstraintTryRequest { size, image })
            })
        }
        12 => {
            let req = v1::PartitionCreateRequest {
                id,
                dns_servers: wild.some(|wild| v1::DnsServer { ip: wild.text() }),
                ntp_servers: wild.some(|wild| v1::NtpServer { address: wild.text() }),
                ..v1::PartitionCreateRequest::default()
            };
            boxed(move |tx, env| partition::create(tx, env, &req))
        }
        13 => {
            let req = v1::PartitionCapacityRequest {
                id: wild.maybe(Wild::text),
                sizeid: wild.maybe(Wild::text),
                projectid: wild.maybe(Wild::text),
            };
            boxed(move |tx, env| partition::capacity(tx.state(), env, &req))
        }
        _ => changes(wild, kind),
    }
}

/// A made-up change of something that exists.
fn changes(wild: &mut Wild, kind: usize) -> Decision {
    match kind {
        14 => {
            let constraints = wild.maybe(|wild| wild.some(Wild::constraint));
            let labels = wild.maybe(Wild::map);
            let req = v1::SizeUpdateRequest { id: SIZE.into(), constraints, labels, ..Default::default() };
            boxed(move |tx, env| size::update(tx, env, &req))
        }
        15 => {
            let req = v1::ImageUpdateRequest {
                id: "debian-12.0.20250101".into(),
                url: wild.maybe(Wild::text),
                features: wild.some(Wild::text),
                classification: wild.maybe(Wild::text),
                ..v1::ImageUpdateRequest::default()
            };
            boxed(move |tx, env| image::update(tx, env, &req))
        }
        16 => {
            let layout = wild.layout();
            let req = v1::FilesystemLayoutUpdateRequest {
                id: "default".into(),
                disks: layout.disks,
                filesystems: layout.filesystems,
                constraints: layout.constraints,
                ..v1::FilesystemLayoutUpdateRequest::default()
            };
            boxed(move |tx, env| filesystem_layout::update(tx, env, &req))
        }
        17 => {
            let req = v1::PartitionUpdateRequest {
                id: PARTITION.into(),
                labels: wild.maybe(Wild::map),
                dns_servers: wild.maybe(|wild| wild.some(|wild| v1::DnsServer { ip: wild.text() })),
                ..v1::PartitionUpdateRequest::default()
            };
            boxed(move |tx, env| partition::update(tx, env, &req))
        }
        18 => {
            let req = v1::SizeReservationUpdateRequest {
                id: wild.text(),
                partitionids: wild.some(Wild::text),
                amount: wild.maybe(Wild::signed),
                ..v1::SizeReservationUpdateRequest::default()
            };
            boxed(move |tx, env| size_reservation::update(tx, env, &req))
        }
        _ => {
            let images = wild.map();
            let req = v1::SizeImageConstraintUpdateRequest {
                id: wild.text(),
                constraints: Some(v1::SizeImageConstraintBase { images }),
                ..v1::SizeImageConstraintUpdateRequest::default()
            };
            boxed(move |tx, env| size_image_constraint::update(tx, env, &req))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wild_requests_are_answered(seed in any::<u64>()) {
        let mut wild = Wild(Rng::new(u128::from(seed)));
        let mut world = World::with_racks(1, 3);
        for _ in 0..60 {
            let kind = wild.0.below(20);
            let decide = decision(&mut wild, kind);
            if let Err(error) = world.attempt(decide) {
                prop_assert_ne!(error.class, Class::Internal, "{}", error);
                prop_assert!(!error.message.is_empty());
            }
        }
    }
}
