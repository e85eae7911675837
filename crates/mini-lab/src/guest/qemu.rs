//! QEMU's command line.
//!
//! Options of QEMU are lists with commas, in which a comma of a value is doubled; everything that comes from outside
//! goes through that.

use serde::{Deserialize, Serialize};

use super::accelerator::Accelerator;
use super::system::System;

/// The program, and the package it is in.
pub const PROGRAM: &str = "qemu-system-x86_64";
pub const PACKAGE: &str = "qemu-system-x86";

/// The tag of the share with our programs; the guest's first program mounts it by this name.
pub const PROGRAMS: &str = "programs";
/// The name of the serial line to the agent.
pub const LINE: &str = "mini-lab";

/// A directory of the host, seen inside under the same path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// At most 31 bytes.
    pub tag: String,
    /// Absolute.
    pub path: String,
}

/// The guest as hardware.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    pub accelerator: Accelerator,
    /// In MiB.
    pub memory: u32,
    pub cpus: u8,
    pub shares: &'a [Share],
    /// File name of our program in the first share.
    pub program: &'a str,
}

impl Machine<'_> {
    /// All arguments. The line to the agent is QEMU's standard input and output, the console its standard error.
    pub fn arguments(&self, system: &System) -> Vec<String> {
        let kernel = format!(
            "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable cryptomgr.notests program={}",
            self.program
        );
        let mut list = bare(self.accelerator);
        let mut add = |arguments: &[&str]| list.extend(arguments.iter().map(|&word| word.to_owned()));
        add(&["-m", &self.memory.to_string(), "-smp", &self.cpus.to_string()]);
        add(&["-kernel", &system.kernel, "-initrd", &system.initramfs, "-append", &kernel]);
        add(&["-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console"]);
        add(&["-chardev", "stdio,id=line,signal=off", "-device", "virtio-serial-pci"]);
        add(&["-device", &format!("virtserialport,chardev=line,name={LINE}")]);
        add(&["-device", "virtio-rng-pci"]);
        let image = value(&system.image);
        add(&["-drive", &format!("file={image},if=virtio,format=raw,readonly=on")]);
        for (number, share) in self.shares.iter().enumerate() {
            let path = value(&share.path);
            let device =
                format!("local,id=share{number},path={path},readonly=on,security_model=none,multidevs=remap");
            add(&["-fsdev", &device]);
            add(&["-device", &format!("virtio-9p-pci,fsdev=share{number},mount_tag={}", value(&share.tag))]);
        }
        list
    }
}

/// What every guest of ours has: no devices, no window, and an end instead of a reset.
pub fn bare(accelerator: Accelerator) -> Vec<String> {
    let (accelerated, processor) = match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        // Without a limit the buffer of translated code grows to a gibibyte.
        Accelerator::Tcg => ("tcg,thread=multi,tb-size=128", "max"),
    };
    let list = [
        "-accel",
        accelerated,
        "-cpu",
        processor,
        "-machine",
        "q35,usb=off",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ];
    list.map(str::to_owned).to_vec()
}

/// A value of an option.
fn value(text: &str) -> String {
    text.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(accelerator: Accelerator, shares: &[Share]) -> Vec<String> {
        let system = System {
            kernel: "/c/vmlinuz".to_owned(),
            initramfs: "/c/i".to_owned(),
            image: "/c,d/root".to_owned(),
        };
        Machine { accelerator, memory: 512, cpus: 3, shares, program: "mini-lab" }.arguments(&system)
    }

    fn after<'a>(list: &'a [String], option: &str) -> Vec<&'a str> {
        list.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].as_str()).collect()
    }

    #[test]
    fn commas_of_paths_do_not_become_options() {
        let shares = [Share { tag: PROGRAMS.to_owned(), path: "/a,readonly=off".to_owned() }];
        let list = arguments(Accelerator::Tcg, &shares);
        assert!(after(&list, "-fsdev")[0].starts_with("local,id=share0,path=/a,,readonly=off,readonly=on,"));
        assert_eq!(after(&list, "-drive"), ["file=/c,,d/root,if=virtio,format=raw,readonly=on"]);
        // These two are whole arguments, not lists.
        assert_eq!(after(&list, "-kernel"), ["/c/vmlinuz"]);
    }

    #[test]
    fn shares_are_found_by_their_tags_and_cannot_be_written() {
        let share = |tag: &str| Share { tag: tag.to_owned(), path: format!("/{tag}") };
        let list = arguments(Accelerator::Tcg, &[share(PROGRAMS), share("share1")]);
        let devices = after(&list, "-device");
        assert!(devices.contains(&"virtio-9p-pci,fsdev=share0,mount_tag=programs"));
        assert!(devices.contains(&"virtio-9p-pci,fsdev=share1,mount_tag=share1"));
        assert!(after(&list, "-fsdev").iter().all(|share| share.contains(",readonly=on,")));
    }

    #[test]
    fn translated_code_is_limited_and_the_machine_option_names_no_accelerator() {
        let list = arguments(Accelerator::Tcg, &[]);
        assert_eq!(after(&list, "-accel"), ["tcg,thread=multi,tb-size=128"]);
        assert!(after(&list, "-machine").iter().all(|machine| !machine.contains("accel")));
        assert_eq!(after(&arguments(Accelerator::Kvm, &[]), "-accel"), ["kvm"]);
        assert_eq!((after(&list, "-m"), after(&list, "-smp")), (vec!["512"], vec!["3"]));
    }
}
