//! The guest's system: Debian's kernel, what it boots with, and an image of the switches' system; built once and kept.
//!
//! The directory's name holds a digest of everything it was made from, so that other packages or other modules are
//! another directory. It is built under another name, by one at a time, and renamed when it is complete; what an
//! interrupted build left is removed by the next.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::cpio::Archive;
use super::kernel::{Kernel, PACKAGES};
use super::modules::{self, BOOT, WANTED};
use super::tool;
use crate::fabric::rootfs;

/// Many times what is in it; the file is sparse.
const IMAGE_SIZE: &str = "2G";
const BOOT_SCRIPT: &str = include_str!("boot.sh");
/// What the first program needs besides busybox itself.
const LIBRARIES: [&str; 3] = [
    "lib64/ld-linux-x86-64.so.2",
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libresolv.so.2",
];
/// Its busybox under its names.
const COMMANDS: [&str; 6] = ["cat", "mkdir", "modprobe", "mount", "sh", "switch_root"];
const MOUNT_POINTS: [&str; 6] = ["dev", "layer", "proc", "rootfs", "sys", "system"];

/// Paths of the three files a guest is started from.
#[derive(Debug, Clone)]
pub struct System {
    pub kernel: String,
    pub initramfs: String,
    /// A file system, used read-only.
    pub image: String,
}

/// Builds the system if it is not there, telling each step through `progress`.
///
/// # Errors
/// Fails when a program it takes is missing, saying which package has it, or when a step fails.
pub async fn ensure(progress: impl Fn(&str)) -> anyhow::Result<System> {
    let root = rootfs::ensure(&progress).await?;
    let cache = cache_directory()?;
    tokio::task::block_in_place(|| find_or_build(&root, &cache, &progress))
}

fn cache_directory() -> anyhow::Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => {
            std::env::home_dir().context("there is no home directory: set XDG_CACHE_HOME")?.join(".cache")
        }
    };
    Ok(cache.join("mini-lab"))
}

fn find_or_build(root: &Path, cache: &Path, progress: &impl Fn(&str)) -> anyhow::Result<System> {
    let installed = root.join("var/lib/dpkg/status");
    let installed = fs::read(&installed).with_context(|| format!("read {}", installed.display()))?;
    let complete = cache.join(format!("guest-{:016x}", digest(&installed)));
    if complete.is_dir() {
        return System::within(&complete);
    }
    fs::create_dir_all(cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = cache.join("guest.lock");
    let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
    lock.lock().context("wait for another build of the guest")?;
    if !complete.is_dir() {
        let fresh = cache.join(".guest");
        tool::remove(&fresh)?;
        let built = fs::create_dir(&fresh).with_context(|| format!("create {}", fresh.display()));
        let built = built.and_then(|()| build(root, &fresh, progress));
        let built = built.and_then(|()| fs::rename(&fresh, &complete).context("keep the guest's system"));
        if let Err(error) = built {
            let _ = tool::remove(&fresh);
            return Err(error.context("build the guest's system"));
        }
    }
    System::within(&complete)
}

impl System {
    fn within(directory: &Path) -> anyhow::Result<Self> {
        let file = |name| super::text(&directory.join(name));
        Ok(Self { kernel: file("vmlinuz")?, initramfs: file("initramfs")?, image: file("root.ext4")? })
    }
}

/// FNV-1a over all the guest is made from but the kernel, of which the newest is taken.
fn digest(installed: &[u8]) -> u64 {
    let names = BOOT.iter().chain(&WANTED).chain(&COMMANDS).flat_map(|name| name.bytes().chain([b' ']));
    let bytes = names.chain(PACKAGES.bytes()).chain(BOOT_SCRIPT.bytes()).chain(installed.iter().copied());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn build(root: &Path, into: &Path, progress: &impl Fn(&str)) -> anyhow::Result<()> {
    progress("fetching Debian's kernel for the guest (once; some 100 MB)");
    let kernel = Kernel::fetch(into.join("kernel"))?;
    progress("choosing the kernel's modules");
    let kept = kernel.unpack()?;
    let image = kernel.image();
    fs::copy(&image, into.join("vmlinuz")).with_context(|| format!("copy {}", image.display()))?;
    let archive = initramfs(root, &kernel).context("make what the guest boots with")?;
    fs::write(into.join("initramfs"), archive).context("write what the guest boots with")?;
    progress("writing the guest's image");
    write_image(root, into, &kernel.release, &kept)?;
    tool::remove(&kernel.tree)
}

/// What the kernel unpacks first: busybox, the modules that lead to the image, and the script that mounts it.
fn initramfs(root: &Path, kernel: &Kernel) -> anyhow::Result<Vec<u8>> {
    let read = |path: PathBuf| fs::read(&path).with_context(|| format!("read {}", path.display()));
    let mut archive = Archive::default();
    MOUNT_POINTS.iter().for_each(|directory| archive.directory(directory));
    archive.file("init", BOOT_SCRIPT.as_bytes());
    archive.file("bin/busybox", &read(root.join("usr/bin/busybox"))?);
    COMMANDS.iter().for_each(|command| archive.symlink(&format!("bin/{command}"), "busybox"));
    for library in LIBRARIES {
        archive.file(library, &read(root.join(library))?);
    }
    let paths = kernel.closure(&BOOT)?;
    let all = format!("lib/modules/{}", kernel.release);
    for path in paths.iter().map(|path| modules::uncompressed(path)) {
        archive.file(&format!("{all}/{path}"), &read(kernel.modules_directory().join(path))?);
    }
    archive.file(&format!("{all}/modules.dep"), kernel.modules.dependencies(&paths).as_bytes());
    archive.file("boot-modules", BOOT.join("\n").as_bytes());
    Ok(archive.finish())
}

/// The switches' system with the chosen modules, as a file system in a file.
fn write_image(root: &Path, into: &Path, release: &str, kept: &Path) -> anyhow::Result<()> {
    let stage = into.join("stage");
    let mut copy = Command::new("cp");
    tool::run(copy.args(["--archive", "--reflink=auto"]).arg(root).arg(&stage), "coreutils")?;
    let all = stage.join("usr/lib/modules");
    fs::create_dir_all(&all).context("make the modules' directory")?;
    fs::rename(kept, all.join(release)).context("move the modules into the image")?;
    // The kernel calls this to load what it lacks.
    let loader = stage.join("usr/sbin/modprobe");
    if !loader.exists() {
        std::os::unix::fs::symlink("../bin/busybox", &loader).context("link modprobe")?;
    }
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d"]).arg(&stage);
    tool::run(make.arg(into.join("root.ext4")).arg(IMAGE_SIZE), "e2fsprogs")?;
    tool::remove(&stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_packages_are_another_guest() {
        assert_ne!(digest(b"frr 10.3"), digest(b"frr 10.4"));
        assert_eq!(digest(b"frr 10.3"), digest(b"frr 10.3"));
    }

    #[test]
    fn a_complete_system_is_used_as_it_is() {
        let outer = tempfile::tempdir().unwrap();
        let (root, cache) = (outer.path().join("root"), outer.path().join("cache"));
        fs::create_dir_all(root.join("var/lib/dpkg")).unwrap();
        fs::write(root.join("var/lib/dpkg/status"), "frr").unwrap();
        let complete = cache.join(format!("guest-{:016x}", digest(b"frr")));
        fs::create_dir_all(&complete).unwrap();
        let system = find_or_build(&root, &cache, &|step| panic!("{step}")).unwrap();
        assert_eq!(Path::new(&system.image), complete.join("root.ext4"));
    }
}
