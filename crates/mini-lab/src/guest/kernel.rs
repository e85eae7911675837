//! Debian's kernel, unpacked from its packages without installing them.
//!
//! The small kernel that Debian has for clouds would do but for one thing: it has no 9p, over which the guest sees our
//! programs. Nothing of the host is needed to read the modules: depmod and xz come with them and run in their tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::modules::{self, BOOT, Modules, WANTED};
use super::tool;

const SUITE: &str = "trixie";
/// The kernel, and what it takes to read its modules.
pub const PACKAGES: &str = "linux-image-amd64,kmod,liblzma5,xz-utils";

/// The unpacked packages.
#[derive(Debug)]
pub struct Kernel {
    /// Where they are.
    pub tree: PathBuf,
    pub release: String,
    pub modules: Modules,
    aliases: String,
}

impl Kernel {
    /// Fetches the packages into `tree`.
    ///
    /// # Errors
    /// Fails when they cannot be fetched, or are not what they were when this was written.
    pub fn fetch(tree: PathBuf) -> anyhow::Result<Self> {
        let fetch = ["--variant=extract", "--quiet", &format!("--include={PACKAGES}"), SUITE];
        tool::run(Command::new("mmdebstrap").args(fetch).arg(&tree), "mmdebstrap debian-archive-keyring")?;
        // The package that makes these links in an installed system was not configured.
        for name in ["bin", "lib", "lib64", "sbin"] {
            if !tree.join(name).exists() {
                std::os::unix::fs::symlink(format!("usr/{name}"), tree.join(name))
                    .with_context(|| format!("link {name} of the kernel's packages"))?;
            }
        }
        let all = tree.join("usr/lib/modules");
        let release = fs::read_dir(&all).with_context(|| format!("list {}", all.display()))?.next();
        let release = release.context("there is no kernel in its package")??.file_name();
        let release = release.into_string().ok().context("a kernel's release is plain text")?;
        let mut depmod = Command::new("chroot");
        tool::run(depmod.arg(&tree).args(["/usr/sbin/depmod", &release]), "coreutils")?;
        let read = |name: &str| {
            let path = all.join(&release).join(name);
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let modules = Modules::parse(&read("modules.dep")?, &read("modules.builtin")?);
        let aliases = read("modules.alias")?;
        Ok(Self { tree, release, modules, aliases })
    }

    /// The kernel itself.
    pub fn image(&self) -> PathBuf {
        self.tree.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// Where its modules are.
    pub fn modules_directory(&self) -> PathBuf {
        self.tree.join("usr/lib/modules").join(&self.release)
    }

    /// Unpacks what is wanted; answers a directory with nothing else in it.
    ///
    /// # Errors
    /// Fails when the kernel has no such module, or a file cannot be unpacked or written.
    pub fn unpack(&self) -> anyhow::Result<PathBuf> {
        let wanted: Vec<&str> = BOOT.iter().chain(&WANTED).copied().collect();
        let paths = self.closure(&wanted)?;
        let packed = paths.iter().filter(|path| path.ends_with(".xz"));
        let packed = packed.map(|path| format!("/usr/lib/modules/{}/{path}", self.release));
        let mut unpack = Command::new("chroot");
        unpack.arg(&self.tree).args(["/usr/bin/xz", "--decompress", "--quiet"]).args(packed);
        tool::run(&mut unpack, "coreutils")?;
        let kept = self.tree.join("kept");
        let all = self.modules_directory();
        for path in &paths {
            let (from, to) = (all.join(modules::uncompressed(path)), kept.join(modules::uncompressed(path)));
            fs::create_dir_all(to.parent().unwrap_or(&kept)).context("make the modules' directories")?;
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
        let write = |name: &str, text: &[u8]| {
            fs::write(kept.join(name), text).with_context(|| format!("write {name}"))
        };
        write("modules.dep", self.modules.dependencies(&paths).as_bytes())?;
        write("modules.alias", modules::aliases(&self.aliases, &paths).as_bytes())?;
        let builtin = fs::read(all.join("modules.builtin")).context("read modules.builtin")?;
        write("modules.builtin", &builtin)?;
        Ok(kept)
    }

    /// The paths of those modules and of what they depend on.
    ///
    /// # Errors
    /// Fails when the kernel has no such module.
    pub fn closure(&self, wanted: &[&str]) -> anyhow::Result<BTreeSet<String>> {
        let found = self.modules.closure(wanted);
        found.map_err(|missing| anyhow::anyhow!("kernel {} has no module {missing}", self.release))
    }
}
