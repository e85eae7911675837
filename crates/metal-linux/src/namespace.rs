//! Network namespaces: opening, naming, entering and deleting them.
//!
//! A thread is in one network namespace, a process in as many as it has threads. Nothing here moves the caller: work in
//! another namespace is done by a thread that lives for just that piece of work, and what it brings back - a socket, a
//! file descriptor - keeps belonging to the namespace it was made in.
//!
//! A named namespace is made in the order in which a watcher of the directory likes it: the namespace exists before its
//! file does, and the file is mounted upon at once, so that whoever is told of the file finds a namespace behind it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// Where named namespaces are, for iproute2 and for FRR.
pub const DIRECTORY: &str = "/run/netns";

/// The file that is the calling thread's namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// Why a namespace could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{action} network namespace {name}")]
pub struct NamespaceError {
    /// What was tried.
    pub action: &'static str,
    /// On which.
    pub name: String,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

fn failed(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> NamespaceError {
    let name = name.to_owned();
    move |source| NamespaceError { action, name, source }
}

/// An open network namespace. It exists at least as long as this.
#[derive(Debug)]
pub struct Namespace {
    file: OwnedFd,
    name: String,
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Namespace {
    /// Opens the namespace behind a file.
    ///
    /// # Errors
    /// Fails if the file cannot be opened; that it is a namespace shows when it is used.
    pub fn open(path: &Path) -> Result<Self, NamespaceError> {
        let name = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed("open", &path.display().to_string())(errno.into()))?;
        Ok(Self { file, name })
    }

    /// The calling thread's own.
    ///
    /// # Errors
    /// Fails without `/proc`.
    pub fn current() -> Result<Self, NamespaceError> {
        Self::open(Path::new(OWN)).map(|own| Self { name: "own".to_owned(), ..own })
    }

    /// That of a process.
    ///
    /// # Errors
    /// Fails if there is no such process.
    pub fn of_process(pid: u32) -> Result<Self, NamespaceError> {
        let path = format!("/proc/{pid}/ns/net");
        Self::open(Path::new(&path)).map(|it| Self { name: format!("of process {pid}"), ..it })
    }

    /// The one with this name in [`DIRECTORY`].
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn named(name: &str) -> Result<Self, NamespaceError> {
        Self::open(&path_of(name)?)
    }

    /// Makes a new one without a name; it goes when nothing refers to it any more.
    ///
    /// # Errors
    /// Fails without the right to.
    pub fn anonymous() -> Result<Self, NamespaceError> {
        in_new("anonymous", Self::current)?.map(|new| Self { name: "anonymous".to_owned(), ..new })
    }

    /// Makes a new one with a name. Its loopback device is down, as the kernel makes it.
    ///
    /// # Errors
    /// Fails if the name is taken, or without the right to.
    pub fn create(name: &str) -> Result<Self, NamespaceError> {
        let path = path_of(name)?;
        std::fs::create_dir_all(DIRECTORY).map_err(failed("make the directory for", name))?;
        in_new(name, || {
            // Before the file exists, so that between its appearance and the mount there is no more than one call.
            let own = Self::open(Path::new(OWN))?;
            if path.exists() && !is_namespace(&path) {
                // Somebody was interrupted between the file and the mount. It has to appear again to be noticed.
                std::fs::remove_file(&path).map_err(failed("remove the unused file of", name))?;
            }
            appear(&path).map_err(failed("mount", name))?;
            Ok(Self { name: name.to_owned(), ..own })
        })?
    }

    /// Takes a namespace's name away; it ends when nothing uses it any more. No error if there is none.
    ///
    /// # Errors
    /// Fails if it cannot be unmounted.
    pub fn delete(name: &str) -> Result<(), NamespaceError> {
        let path = path_of(name)?;
        match rustix::mount::unmount(&path, UnmountFlags::DETACH) {
            // Not mounted: a file left by somebody who was interrupted.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(failed("unmount", name)(errno.into())),
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", name)(error)),
            _ => Ok(()),
        }
    }

    /// Names in [`DIRECTORY`] that have a namespace behind them, sorted.
    ///
    /// # Errors
    /// Fails if the directory cannot be read; that there is none is no error.
    pub fn names() -> Result<Vec<String>, NamespaceError> {
        let entries = match std::fs::read_dir(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("list", "names"))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", "names"))?;
            if is_namespace(&entry.path()) {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names)
    }

    /// What it was opened as, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does a piece of work in this namespace, in a thread of its own, and waits for it.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered; what the work returns is not looked at.
    ///
    /// # Panics
    /// If the work does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        in_thread(&self.name, "enter", || {
            rustix::thread::move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })
    }
}

/// Does a piece of work in a thread with network, mounts and `/run` of its own, all of which end with it: whatever it and
/// the threads it starts do with links and named namespaces is seen by nobody else. For trying things out, and for tests.
///
/// # Errors
/// Fails without the right to (root's).
///
/// # Panics
/// If the work does.
pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    in_thread("apart", "create", || {
        // SAFETY: only unsharing the table of files can make threads disagree about descriptors; these flags do not, and
        // the thread ends with this piece of work.
        #[expect(unsafe_code, reason = "unshare can do harm with other flags than these")]
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS)?;
        }
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        rustix::mount::mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)?;
        std::fs::create_dir(DIRECTORY)?;
        Ok(work())
    })
}

/// The path of a named namespace; a name with a slash, or one of the two special ones, would be somewhere else.
fn path_of(name: &str) -> Result<PathBuf, NamespaceError> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(failed("name", name)(io::ErrorKind::InvalidInput.into()));
    }
    Ok(Path::new(DIRECTORY).join(name))
}

/// Whether a file is a namespace: on the kernel's file system for those, not a file that waits to be mounted upon.
fn is_namespace(path: &Path) -> bool {
    const NSFS: i64 = 0x6e73_6673;
    rustix::fs::statfs(path).is_ok_and(|system| system.f_type == NSFS)
}

/// Makes a file and mounts the calling thread's namespace upon it. Whoever is told of the file looks at it at once, and FRR
/// looks again only after a second, so between the two there is nothing but one short call: the mount is made before,
/// without a place, and only put there.
fn appear(path: &Path) -> io::Result<()> {
    let tree = rustix::mount::open_tree(
        rustix::fs::CWD,
        OWN,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    let directory =
        rustix::fs::open(DIRECTORY, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let name = path.file_name().unwrap_or_default();
    rustix::fs::mknodat(&directory, name, FileType::RegularFile, Mode::RUSR, 0)?;
    let put = rustix::mount::move_mount(&tree, "", &directory, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
    if put.is_err() {
        // A file left behind would stand for a namespace that is not there. What failed is the mount.
        let _ = std::fs::remove_file(path);
    }
    Ok(put?)
}

/// Does a piece of work in a thread that has a fresh namespace.
fn in_new<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    in_thread(name, "create", || {
        // SAFETY: only unsharing the table of files can make threads disagree about descriptors; this unshares the
        // network namespace of a thread that ends with this piece of work.
        #[expect(unsafe_code, reason = "unshare can do harm with other flags than this one")]
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)?;
        }
        Ok(work())
    })
}

fn in_thread<T: Send>(
    name: &str,
    action: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, NamespaceError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("netns".to_owned()).stack_size(256 << 10);
        let worker = worker.spawn_scoped(scope, work).map_err(failed("start a thread for", name))?;
        match worker.join() {
            Ok(done) => done.map_err(failed(action, name)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
