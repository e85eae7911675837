//! The root directory of a node, prepared from inside by the node's first program.
//!
//! A node sees a read-only tree with a layer in memory over it, fresh system directories, and what its owner binds into
//! it. Everything from outside is opened before the root changes and everything inside is made after, so that no
//! symbolic link of the tree can lead out of it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind,
    mount_change, mount_remount, move_mount, open_tree, unmount,
};
use rustix::process::pivot_root;
use rustix::system::sethostname;

use super::{Attempt as _, SandboxError};

/// Where the new root is put together. Every system has this directory, and nobody else sees what is mounted here.
const STAGE: &str = "/tmp";

/// The devices a node gets, where the host has them.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun"];

/// What a node's root directory is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The tree below; never written to.
    pub lower: PathBuf,
    /// How much memory what the node writes may take, in bytes.
    pub scratch: u64,
    /// What else it shall see.
    pub binds: Vec<Bind>,
    /// Its name.
    pub hostname: String,
}

/// A file or directory of the host, shown inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// Inside, absolute; made if it is missing.
    pub target: PathBuf,
    /// Whether the node cannot write to it.
    pub read_only: bool,
}

/// Makes `root` the root directory of this process. It must have a mount and a UTS namespace of its own already, and be
/// in the process-id and network namespaces that `/proc` and `/sys` shall show.
///
/// # Errors
/// Fails when a mount is refused or something is missing; the process is then fit for nothing but to end.
pub fn enter_root(root: &Root) -> Result<(), SandboxError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).attempt("keep to ourselves the mounts below", "/")?;
    let lower = open_mount(&root.lower)?;
    let binds: Vec<_> =
        root.binds.iter().map(|bind| Ok((bind, open_mount(&bind.source)?))).collect::<Result<_, _>>()?;
    let devices = open_devices()?;
    change_root(&lower, root.scratch)?;
    mount_proc_and_sys()?;
    mount_dev(devices)?;
    mount_run()?;
    for (bind, source) in binds {
        mount_one(bind, &source)?;
    }
    sethostname(root.hostname.as_bytes()).attempt("set the host name to", &root.hostname)
}

/// A copy of the mount a path is in, beginning at the path and attached nowhere yet.
fn open_mount(path: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).attempt("open the tree", path.display())
}

fn attach(mount: &OwnedFd, target: &Path) -> Result<(), SandboxError> {
    move_mount(mount, c"", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .attempt("attach the mount", target.display())
}

fn open_devices() -> Result<Vec<(&'static str, OwnedFd)>, SandboxError> {
    let present = DEVICES.into_iter().filter(|device| Path::new("/dev").join(device).exists());
    present.map(|device| Ok((device, open_mount(&Path::new("/dev").join(device))?))).collect()
}

/// Puts an overlay in memory over `lower` and makes it the root directory. The stage stays mounted as long as the
/// overlay needs it, out of sight.
fn change_root(lower: &OwnedFd, scratch: u64) -> Result<(), SandboxError> {
    let stage = Path::new(STAGE);
    mount_tmpfs(stage, &format!("size={scratch},mode=755"))?;
    for directory in ["lower", "upper", "work", "root"] {
        make_directory(&stage.join(directory), 0o755)?;
    }
    attach(lower, &stage.join("lower"))?;
    let new_root = stage.join("root");
    let layers = format!("lowerdir={STAGE}/lower,upperdir={STAGE}/upper,workdir={STAGE}/work");
    mount_kind("overlay", &new_root, MountFlags::empty(), &layers)?;
    std::env::set_current_dir(&new_root).attempt("change directory to", new_root.display())?;
    // With both the same, the old root ends up mounted over the new one, and nothing needs a directory for it.
    pivot_root(c".", c".").attempt("change the root to", new_root.display())?;
    unmount(c".", UnmountFlags::DETACH).attempt("detach", "the old root")?;
    std::env::set_current_dir("/").attempt("change directory to", "/")
}

fn mount_proc_and_sys() -> Result<(), SandboxError> {
    let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = Path::new("/proc");
    make_directory(proc, 0o555)?;
    mount_kind("proc", proc, plain, "")?;
    let sys = Path::new("/sys");
    make_directory(sys, 0o555)?;
    mount_kind("sysfs", sys, plain | MountFlags::RDONLY, "")
}

fn mount_dev(devices: Vec<(&str, OwnedFd)>) -> Result<(), SandboxError> {
    let dev = Path::new("/dev");
    make_directory(dev, 0o755)?;
    mount_tmpfs(dev, "size=1m,mode=755")?;
    for (device, source) in devices {
        let target = dev.join(device);
        make_file(&target)?;
        attach(&source, &target)?;
    }
    make_directory(&dev.join("shm"), 0o1777)?;
    mount_tmpfs(&dev.join("shm"), "mode=1777")?;
    let pts = dev.join("pts");
    make_directory(&pts, 0o755)?;
    mount_kind(
        "devpts",
        &pts,
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "newinstance,ptmxmode=666,mode=620,gid=5",
    )?;
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (to, name) in links {
        symlink(to, dev.join(name)).attempt("link", dev.join(name).display())?;
    }
    Ok(())
}

/// An empty `/run` with what `ip netns` and FRR expect in it.
fn mount_run() -> Result<(), SandboxError> {
    let run = Path::new("/run");
    make_directory(run, 0o755)?;
    mount_tmpfs(run, "mode=755")?;
    make_directory(&run.join("lock"), 0o1777)?;
    let netns = run.join("netns");
    make_directory(&netns, 0o755)?;
    mount_bind(&netns, &netns).attempt("mount on itself", netns.display())?;
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change(&netns, shared).attempt("share the mounts below", netns.display())?;
    if let Some((user, group)) = owner_in_passwd("frr")? {
        let frr = run.join("frr");
        make_directory(&frr, 0o755)?;
        chown(&frr, Some(user), Some(group)).attempt("give to frr", frr.display())?;
    }
    Ok(())
}

fn mount_one(bind: &Bind, source: &OwnedFd) -> Result<(), SandboxError> {
    let target = &bind.target;
    let metadata = rustix::fs::fstat(source).attempt("look at", bind.source.display())?;
    if rustix::fs::FileType::from_raw_mode(metadata.st_mode) == rustix::fs::FileType::Directory {
        make_directory(target, 0o755)?;
    } else {
        make_file(target)?;
    }
    attach(source, target)?;
    if bind.read_only {
        mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, c"")
            .attempt("make read-only", target.display())?;
    }
    Ok(())
}

/// The user and group numbers of a user, if the tree has that user.
fn owner_in_passwd(user: &str) -> Result<Option<(u32, u32)>, SandboxError> {
    match fs::read_to_string("/etc/passwd") {
        Ok(passwd) => Ok(numbers_of(&passwd, user)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).attempt("read", "/etc/passwd"),
    }
}

fn numbers_of(passwd: &str, user: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == user).then_some(())?;
        let mut numbers = fields.skip(1);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

fn mount_tmpfs(target: &Path, options: &str) -> Result<(), SandboxError> {
    mount_kind("tmpfs", target, MountFlags::NOSUID, options)
}

fn mount_kind(kind: &str, target: &Path, flags: MountFlags, options: &str) -> Result<(), SandboxError> {
    let data = CString::new(options).attempt("write mount options for", target.display())?;
    mount(kind, target, kind, flags, data.as_c_str()).attempt("mount", target.display())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), SandboxError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .attempt("make the directory", path.display())
}

fn make_file(path: &Path) -> Result<(), SandboxError> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, 0o755)?;
    }
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
    file.map(drop).attempt("make the file", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_numbers_are_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nfrrvty:x:1:2::/:\nfrr:x:999:996::/nonexistent:/bin/sh\nbad:x:a:b\n";
        assert_eq!(numbers_of(passwd, "frr"), Some((999, 996)));
        assert_eq!(numbers_of(passwd, "bad"), None);
        assert_eq!(numbers_of(passwd, "fr"), None);
    }
}
