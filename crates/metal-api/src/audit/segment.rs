//! The files of the audit log: numbered, so that their order is the order of their names.

use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// Grows by one with each file.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its size when it was listed.
    pub bytes: u64,
}

impl Segment {
    /// The file with a number.
    pub fn path_of(dir: &Path, number: u64) -> PathBuf {
        dir.join(format!("{PREFIX}{number:012}{SUFFIX}"))
    }
}

/// All segments of a directory, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        let Some(number) = number else { continue };
        // The writer may have removed it meanwhile.
        let Ok(meta) = entry.metadata() else { continue };
        segments.push(Segment { number, path: entry.path(), bytes: meta.len() });
    }
    segments.sort();
    Ok(segments)
}
