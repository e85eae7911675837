//! The thread that writes the audit log: whatever has queued up goes out with one write, and once a second to the
//! disk itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::AuditError;
use super::segment::{self, Segment};

/// Most lines written at once.
const BATCH: usize = 1024;
/// Segments the bound on size is divided into.
const SEGMENTS: u64 = 16;
/// Smallest size of a segment.
const LEAST_SEGMENT: u64 = 4 << 10;
/// Longest time until written lines are on the disk itself.
const SYNC: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(super) enum Message {
    /// Write this, and tell when it is written.
    Line { line: Vec<u8>, stored: Option<oneshot::Sender<Result<(), AuditError>>> },
    /// Tell when everything before has been written.
    Barrier(oneshot::Sender<()>),
}

pub(super) struct Writer {
    dir: PathBuf,
    file: File,
    number: u64,
    /// Bytes of whole lines in the file.
    bytes: u64,
    segment_bytes: u64,
    max_bytes: u64,
    synced: Instant,
    dirty: bool,
}

impl Writer {
    pub fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let number = segment::list(dir)?.last().map_or(1, |last| last.number);
        let (file, bytes) = open_segment(dir, number)?;
        let segment_bytes = (max_bytes / SEGMENTS).max(LEAST_SEGMENT);
        let synced = metal_runtime::clock::monotonic();
        Ok(Self { dir: dir.to_owned(), file, number, bytes, segment_bytes, max_bytes, synced, dirty: false })
    }

    /// Works until all senders are gone.
    pub fn run(mut self, mut messages: mpsc::Receiver<Message>, runtime: &Handle) {
        while let Some(first) = self.wait(&mut messages, runtime) {
            let mut lines = Vec::new();
            let mut waiting = Vec::new();
            let mut barriers = Vec::new();
            let mut next = Some(first);
            let mut taken = 0;
            while let Some(message) = next {
                match message {
                    Message::Line { line, stored } => {
                        lines.extend_from_slice(&line);
                        waiting.extend(stored);
                    }
                    Message::Barrier(reached) => barriers.push(reached),
                }
                taken += 1;
                next = if taken < BATCH { messages.try_recv().ok() } else { None };
            }
            let written = self.write(&lines).map_err(|e| AuditError::Write(Arc::new(e)));
            if let Err(error) = &written {
                tracing::error!(error = metal_runtime::chain(error), "audit log cannot be written");
            }
            for stored in waiting {
                // Whoever stopped waiting does not want to know.
                let _ = stored.send(written.clone());
            }
            for reached in barriers {
                let _ = reached.send(());
            }
            self.sync_when_due();
        }
        if let Err(error) = self.file.sync_data() {
            tracing::error!(error = metal_runtime::chain(&error), "audit log cannot be made durable");
        }
    }

    /// The next message; while there is none, what was written goes to the disk.
    fn wait(&mut self, messages: &mut mpsc::Receiver<Message>, runtime: &Handle) -> Option<Message> {
        if self.dirty {
            let soon = runtime.block_on(async { tokio::time::timeout(SYNC, messages.recv()).await });
            if let Ok(next) = soon {
                return next;
            }
            self.sync(metal_runtime::clock::monotonic());
        }
        messages.blocking_recv()
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.segment_bytes {
            self.rotate()?;
        }
        let written = self.file.write_all(lines);
        if written.is_err() {
            // Half a line must not spoil the next one.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
        }
        written?;
        self.bytes += lines.len() as u64;
        self.dirty = true;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let (file, bytes) = open_segment(&self.dir, self.number + 1)?;
        (self.file, self.bytes, self.number) = (file, bytes, self.number + 1);
        let segments = segment::list(&self.dir)?;
        let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
        for old in segments.iter().filter(|segment| segment.number < self.number) {
            // Room for the segment that has just begun.
            if total + self.segment_bytes <= self.max_bytes {
                break;
            }
            std::fs::remove_file(&old.path)?;
            total -= old.bytes;
        }
        Ok(())
    }

    fn sync_when_due(&mut self) {
        let now = metal_runtime::clock::monotonic();
        if self.dirty && now.duration_since(self.synced) >= SYNC {
            self.sync(now);
        }
    }

    fn sync(&mut self, now: Instant) {
        self.synced = now;
        match self.file.sync_data() {
            Ok(()) => self.dirty = false,
            Err(error) => {
                tracing::error!(error = metal_runtime::chain(&error), "audit log cannot be made durable");
            }
        }
    }
}

/// Opens a segment for appending, after its last whole line, and gives its size.
fn open_segment(dir: &Path, number: u64) -> io::Result<(File, u64)> {
    let path = Segment::path_of(dir, number);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 {
        let tail = bytes.min(1 << 20);
        file.seek(SeekFrom::Start(bytes - tail))?;
        let mut last = Vec::new();
        file.read_to_end(&mut last)?;
        let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
        bytes = bytes - tail + whole;
        file.set_len(bytes)?;
    }
    file.seek(SeekFrom::Start(bytes))?;
    Ok((file, bytes))
}
