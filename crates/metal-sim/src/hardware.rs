//! Believable servers: what they are made of, so that sizes, layouts and searches have something to bite on.

use metal_proto::v1::{Bios, Cpu, Disk, Fru, Gpu};

use crate::dice::Dice;

const GIB: u64 = 1 << 30;
/// Disk vendors count in thousands.
const GB: u64 = 1_000_000_000;

/// A class of servers as a buyer would order it.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The size it is meant to match.
    pub size: &'static str,
    /// For people.
    pub description: &'static str,
    /// Vendor of mainboard and firmware.
    pub vendor: &'static str,
    /// Model of the mainboard.
    pub board: &'static str,
    /// Sockets, vendor, model, cores per socket.
    pub cpus: (u32, &'static str, &'static str, u32),
    /// Bytes of memory.
    pub memory: u64,
    /// Kernel name and bytes of each disk; the system goes to the first.
    pub disks: &'static [(&'static str, u64)],
    /// Vendor and model of each graphics processor.
    pub gpus: &'static [(&'static str, &'static str)],
    /// First three bytes of its MAC addresses.
    pub oui: [u8; 3],
}

/// What is in the racks.
pub const PROFILES: [Profile; 4] = [
    Profile {
        size: "c1-xlarge-x86",
        description: "compute: 12 cores, 128 GiB, 960 GB NVMe",
        vendor: "Supermicro",
        board: "X11SDV-12C-TP8F",
        cpus: (1, "GenuineIntel", "Intel(R) Xeon(R) D-2166NT CPU @ 2.00GHz", 12),
        memory: 128 * GIB,
        disks: &[("/dev/nvme0n1", 960 * GB)],
        gpus: &[],
        oui: [0xac, 0x1f, 0x6b],
    },
    Profile {
        size: "n1-medium-x86",
        description: "network: 4 cores, 64 GiB, two 240 GB SATA",
        vendor: "Supermicro",
        board: "X11SDD-8C-F",
        cpus: (1, "GenuineIntel", "Intel(R) Xeon(R) D-2123IT CPU @ 2.20GHz", 4),
        memory: 64 * GIB,
        disks: &[("/dev/sda", 240 * GB), ("/dev/sdb", 240 * GB)],
        gpus: &[],
        oui: [0x0c, 0xc4, 0x7a],
    },
    Profile {
        size: "s3-large-x86",
        description: "storage: 32 cores, 256 GiB, two NVMe and eight 8 TB SATA",
        vendor: "Dell Inc.",
        board: "0H3K7P",
        cpus: (2, "AuthenticAMD", "AMD EPYC 7302 16-Core Processor", 16),
        memory: 256 * GIB,
        disks: &[
            ("/dev/nvme0n1", 1_920 * GB),
            ("/dev/nvme1n1", 1_920 * GB),
            ("/dev/sda", 8_000 * GB),
            ("/dev/sdb", 8_000 * GB),
            ("/dev/sdc", 8_000 * GB),
            ("/dev/sdd", 8_000 * GB),
            ("/dev/sde", 8_000 * GB),
            ("/dev/sdf", 8_000 * GB),
            ("/dev/sdg", 8_000 * GB),
            ("/dev/sdh", 8_000 * GB),
        ],
        gpus: &[],
        oui: [0xb8, 0xce, 0xf6],
    },
    Profile {
        size: "g1-medium-x86",
        description: "graphics: 32 cores, 512 GiB, 3.84 TB NVMe, two L4",
        vendor: "Gigabyte",
        board: "MZ33-AR0-000",
        cpus: (1, "AuthenticAMD", "AMD EPYC 9354P 32-Core Processor", 32),
        memory: 512 * GIB,
        disks: &[("/dev/nvme0n1", 3_840 * GB)],
        gpus: &[("NVIDIA Corporation", "AD104GL [L4]"), ("NVIDIA Corporation", "AD104GL [L4]")],
        oui: [0xd8, 0x5e, 0xd3],
    },
];

impl Profile {
    /// The profile in the `slot`th place of a rack: mostly compute, some network, a storage and a graphics server.
    #[must_use]
    pub fn in_slot(slot: u16) -> &'static Self {
        match slot % 16 {
            14 => &PROFILES[2],
            15 => &PROFILES[3],
            9..=13 => &PROFILES[1],
            _ => &PROFILES[0],
        }
    }

    /// The first disk, which the system goes to.
    #[must_use]
    pub fn system_disk(&self) -> &'static str {
        self.disks.first().map_or("/dev/sda", |(name, _)| *name)
    }

    /// Bytes of all disks together.
    #[must_use]
    pub fn storage(&self) -> u64 {
        self.disks.iter().map(|(_, size)| size).sum()
    }

    /// Cores of all sockets together.
    #[must_use]
    pub fn cores(&self) -> u64 {
        u64::from(self.cpus.0) * u64::from(self.cpus.3)
    }

    pub(crate) fn cpus(&self) -> Vec<Cpu> {
        let (sockets, vendor, model, cores) = self.cpus;
        let cpu = Cpu { vendor: vendor.to_owned(), model: model.to_owned(), cores, threads: cores * 2 };
        (0..sockets).map(|_| cpu.clone()).collect()
    }

    pub(crate) fn gpus(&self) -> Vec<Gpu> {
        let gpu =
            |(vendor, model): &(&str, &str)| Gpu { vendor: (*vendor).to_owned(), model: (*model).to_owned() };
        self.gpus.iter().map(gpu).collect()
    }

    pub(crate) fn disks(&self) -> Vec<Disk> {
        self.disks.iter().map(|(name, size)| Disk { name: (*name).to_owned(), size: *size }).collect()
    }

    pub(crate) fn bios(&self, dice: &mut Dice) -> Bios {
        let (version, date) =
            *dice.pick(&[("1.9", "02/17/2025"), ("2.0", "08/04/2025"), ("2.1a", "03/11/2026")]);
        Bios { version: version.to_owned(), vendor: self.bios_vendor().to_owned(), date: date.to_owned() }
    }

    fn bios_vendor(&self) -> &'static str {
        if self.vendor == "Dell Inc." { "Dell Inc." } else { "American Megatrends Inc." }
    }

    pub(crate) fn fru(&self, dice: &mut Dice) -> Fru {
        let mut serial = |prefix: &str| Some(format!("{prefix}{:010}", dice.below(10_000_000_000)));
        Fru {
            chassis_part_number: Some("CSE-813MFTS".to_owned()),
            chassis_part_serial: serial("C"),
            board_mfg: Some(self.vendor.to_owned()),
            board_mfg_serial: serial("VM"),
            board_part_number: Some(self.board.to_owned()),
            product_manufacturer: Some(self.vendor.to_owned()),
            product_part_number: Some(format!("SYS-{}", self.board)),
            product_serial: serial("E"),
        }
    }
}
