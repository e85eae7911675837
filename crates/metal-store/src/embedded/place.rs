//! The directory of an embedded store: created when missing, locked against a second process, and diagnosed
//! before redb sees the file, so that a file which is not ours is never touched.
//!
//! A new file is made under another name and renamed when it is whole; so a `store.redb` that is empty or short
//! has lost something and is not silently made anew.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, StorageError};

use super::{guarded, initialise};
use crate::error::{Cause, OpenError};

const FILE: &str = "store.redb";
const LOCK: &str = "store.lock";
/// redb's first bytes, and its smallest file.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
const SMALLEST: u64 = 4096;
/// Everything is in memory already, so redb needs room for the pages of a commit and little more.
const CACHE: usize = 32 << 20;

/// Where an embedded store is to be.
pub(crate) enum Place {
    /// In memory.
    Memory,
    /// In a directory.
    Directory(PathBuf),
    /// On whatever a test makes up.
    #[cfg(test)]
    Backend(Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>),
}

/// A place that is ours.
pub(super) enum Home {
    Memory,
    Directory {
        dir: PathBuf,
        _lock: File,
    },
    #[cfg(test)]
    Backend(Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>),
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Directory { dir, .. } => write!(f, "{}", dir.join(FILE).display()),
            #[cfg(test)]
            Self::Backend(_) => f.write_str("backend"),
        }
    }
}

impl Home {
    /// Creates and locks the directory.
    pub fn prepare(place: Place) -> Result<Self, OpenError> {
        match place {
            Place::Memory => Ok(Self::Memory),
            Place::Directory(dir) => {
                create_directory(&dir).map_err(|source| OpenError::Io { path: dir.clone(), source })?;
                let lock = lock(&dir)?;
                Ok(Self::Directory { dir, _lock: lock })
            }
            #[cfg(test)]
            Place::Backend(open) => Ok(Self::Backend(open)),
        }
    }

    /// Opens the file; makes it first when there is none.
    pub fn open_or_create(&self, format: u32) -> Result<Database, OpenError> {
        let new = |database: Database| match initialise(&database, format) {
            Ok(()) => Ok(database),
            Err(e) => Err(self.failure("make a new store", e)),
        };
        match self {
            Self::Memory => {
                let database = builder().create_with_backend(InMemoryBackend::new());
                new(database.map_err(|e| self.failure("make a store in memory", e.into()))?)
            }
            Self::Directory { dir, .. } => {
                let path = dir.join(FILE);
                let missing =
                    !path.try_exists().map_err(|source| OpenError::Io { path: path.clone(), source })?;
                if missing {
                    create_file(dir, new)?;
                }
                open_file(&path)
            }
            #[cfg(test)]
            Self::Backend(open) => {
                let database = open().map_err(|e| self.failure("open backend", e.into()))?;
                if super::stored_revision(&database).is_ok() { Ok(database) } else { new(database) }
            }
        }
    }

    /// Opens the file again after a failure.
    pub fn reopen(&self) -> Result<Database, Cause> {
        match self {
            Self::Memory => Err("a store in memory is lost after a failure".into()),
            Self::Directory { dir, .. } => Ok(open_file(&dir.join(FILE))?),
            #[cfg(test)]
            Self::Backend(open) => guarded(|| Ok(open()?)),
        }
    }

    /// Something failed on the open file.
    pub fn failure(&self, doing: &str, source: Cause) -> OpenError {
        OpenError::Engine { doing: format!("{doing} at {self}"), source }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn create_directory(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Takes the lock file. The kernel releases it when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Only for the message: without it the holder stays unnamed.
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
            let holder = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            Err(OpenError::Locked { path: dir.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn create_file(
    dir: &Path,
    initialise: impl FnOnce(Database) -> Result<Database, OpenError>,
) -> Result<(), OpenError> {
    let draft = dir.join(format!("{FILE}.new"));
    let failed = |source| OpenError::Io { path: draft.clone(), source };
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let database = builder().create(&draft).map_err(|e| diagnose(&draft, e))?;
    drop(initialise(database)?);
    fs::rename(&draft, dir.join(FILE)).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn open_file(path: &Path) -> Result<Database, OpenError> {
    inspect(path)?;
    let opened = guarded(|| Ok(builder().open(path)));
    let damaged = |e: Cause| OpenError::Damaged { path: path.to_owned(), why: e.to_string() };
    opened.map_err(damaged)?.map_err(|e| diagnose(path, e))
}

/// Looks at the file before redb does.
fn inspect(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
    if !MAGIC.starts_with(&start) {
        let why = "it does not begin as one".to_owned();
        return Err(OpenError::Foreign { place: path.display().to_string(), why });
    }
    if length < SMALLEST {
        return Err(OpenError::Truncated { path: path.to_owned(), why: format!("it has {length} bytes") });
    }
    Ok(())
}

fn diagnose(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::Locked { path, holder: String::new() },
        DatabaseError::Storage(StorageError::Io(source)) => match source.kind() {
            io::ErrorKind::UnexpectedEof => OpenError::Truncated { path, why: source.to_string() },
            io::ErrorKind::InvalidData => {
                OpenError::Foreign { place: path.display().to_string(), why: source.to_string() }
            }
            _ => OpenError::Io { path, source },
        },
        DatabaseError::Storage(StorageError::Corrupted(why)) => OpenError::Damaged { path, why },
        DatabaseError::UpgradeRequired(version) => {
            let why = format!("redb file format {version} is not supported");
            OpenError::Foreign { place: path.display().to_string(), why }
        }
        other => OpenError::Engine { doing: format!("open {}", path.display()), source: other.into() },
    }
}
