//! Archives in the form the kernel unpacks at boot ("newc"): as much of it as an initial system needs.
//!
//! The kernel makes no directories by itself, so those on the way to a file are added before it.

use std::collections::BTreeSet;

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
}

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

impl Archive {
    /// Adds a directory; `path` is relative to the root.
    pub fn directory(&mut self, path: &str) {
        if self.directories.insert(path.to_owned()) {
            self.add(path, DIRECTORY | 0o755, &[]);
        }
    }

    /// Adds a file that may be run.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.add(path, REGULAR | 0o755, content);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, to: &str) {
        self.add(path, SYMLINK | 0o777, to.as_bytes());
    }

    /// The whole archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn add(&mut self, path: &str, mode: u32, content: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, mode, content);
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("what is booted is small");
        let name = u32::try_from(path.len() + 1).expect("a path is short");
        let head = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in head {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_contents_begin_at_multiples_of_four() {
        let mut archive = Archive::default();
        archive.file("bin/a", b"hello");
        archive.symlink("bin/b", "a");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let found = |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        assert_eq!(found(b"hello") % 4, 0);
        for (at, _) in bytes.windows(6).enumerate().filter(|(_, window)| window == b"070701") {
            assert_eq!(at % 4, 0);
        }
        assert_eq!(bytes.windows(6).filter(|window| window == b"070701").count(), 4);
    }

    #[test]
    fn a_directory_comes_before_what_is_in_it_and_once() {
        let mut archive = Archive::default();
        archive.file("a/b/c", b"");
        archive.file("a/b/d", b"");
        let text = String::from_utf8(archive.finish()).unwrap();
        let mut names = text.split("070701").skip(1).map(|entry| entry[104..].trim_end_matches('\0'));
        assert!(names.by_ref().eq(["a", "a/b", "a/b/c", "a/b/d", "TRAILER!!!"]));
    }

    #[test]
    fn a_file_says_its_size_and_mode() {
        let mut archive = Archive::default();
        archive.file("a", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[14..22], b"000081ed");
        assert_eq!(&bytes[54..62], b"00000005");
        assert_eq!(&bytes[94..102], b"00000002");
        assert_eq!(&bytes[110..112], b"a\0");
    }
}
