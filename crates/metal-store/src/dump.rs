//! The dump: everything a store holds as lines of JSON, independent of the engine. A header, one line for each
//! document with its exact bytes, and a trailer with count and SHA-256, so that a dump cut short or altered
//! cannot be taken for a whole one.

use std::io::{self, BufRead, Write};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metal_model::document::{Revision, State};
use serde::{Deserialize, Serialize};

use crate::error::{DumpError, RestoreError};

const NAME: &str = "metal-store-dump";
const VERSION: u32 = 1;

/// What a dump contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpSummary {
    /// Revision of the snapshot dumped.
    pub revision: Revision,
    /// Documents written.
    pub documents: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    revision: Revision,
}

/// A line between header and trailer, or the trailer.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// The document's bytes when they are text, which they usually are.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// A dumped document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dumped {
    pub key: String,
    pub revision: Revision,
    pub document: Vec<u8>,
}

/// Writes all documents of `state`.
pub(crate) fn write<S: State>(
    state: &S,
    revision: Revision,
    to: impl Write,
) -> Result<DumpSummary, DumpError> {
    let mut out = Hashed { to: io::BufWriter::new(to), hash: Context::new(&SHA256) };
    out.line(&Header { format: NAME.to_owned(), version: VERSION, revision })?;
    let mut documents = 0;
    let mut result = Ok(());
    state.visit(&mut |key, revision, doc| {
        if result.is_ok() {
            documents += 1;
            result = out.document(key, revision, S::encode(doc));
        }
    });
    result?;
    let sha256 = hex(out.hash.clone().finish().as_ref());
    out.line(&Line { documents: Some(documents), sha256: Some(sha256), ..Line::default() })?;
    out.to.flush()?;
    Ok(DumpSummary { revision, documents })
}

struct Hashed<W: Write> {
    to: io::BufWriter<W>,
    hash: Context,
}

impl<W: Write> Hashed<W> {
    fn document(&mut self, key: &str, revision: Revision, document: Vec<u8>) -> io::Result<()> {
        let (text, base64) = match String::from_utf8(document) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        let (key, revision) = (Some(key.to_owned()), Some(revision));
        self.line(&Line { key, revision, text, base64, ..Line::default() })
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.to.write_all(&line)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a dump line by line and checks it at the end: what it yields may be used for good only when
/// [`Reader::next`] has given `None`.
pub(crate) struct Reader<R> {
    from: R,
    hash: Context,
    line: u64,
    documents: u64,
    last_key: Option<String>,
    /// Revision of the dump.
    pub revision: Revision,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn new(from: R) -> Result<Self, RestoreError> {
        let hash = Context::new(&SHA256);
        let mut reader = Self { from, hash, line: 0, documents: 0, last_key: None, revision: 0 };
        let line = reader.read_line()?.ok_or(RestoreError::Truncated { documents: 0 })?;
        let header: Header = reader.parse(&line)?;
        if header.format != NAME {
            return Err(reader.malformed(format!("not a dump of a store but {:?}", header.format)));
        }
        if header.version > VERSION {
            return Err(RestoreError::NewerFormat { found: header.version, known: VERSION });
        }
        reader.hash.update(&line);
        reader.revision = header.revision;
        Ok(reader)
    }

    /// The next document; `None` after a trailer that matches.
    pub fn next(&mut self) -> Result<Option<Dumped>, RestoreError> {
        let truncated = RestoreError::Truncated { documents: self.documents };
        let raw = self.read_line()?.ok_or(truncated)?;
        let line: Line = self.parse(&raw)?;
        if let (Some(documents), Some(sha256)) = (line.documents, line.sha256.as_deref()) {
            return self.finish(documents, sha256).map(|()| None);
        }
        self.hash.update(&raw);
        let document = match (line.text, line.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|e| self.malformed(e.to_string()))?,
            _ => return Err(self.malformed("a document is either text or base64".to_owned())),
        };
        let (Some(key), Some(revision)) = (line.key, line.revision) else {
            return Err(self.malformed("key or revision is missing".to_owned()));
        };
        if revision > self.revision {
            return Err(
                self.malformed(format!("revision {revision} is newer than the dump's {}", self.revision))
            );
        }
        if self.last_key.as_ref().is_some_and(|last| *last >= key) {
            return Err(self.malformed(format!("key {key:?} is repeated or out of order")));
        }
        self.last_key = Some(key.clone());
        self.documents += 1;
        Ok(Some(Dumped { key, revision, document }))
    }

    /// Documents read so far.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    fn finish(&mut self, documents: u64, sha256: &str) -> Result<(), RestoreError> {
        if documents != self.documents {
            let why = format!("it has {} documents, its trailer says {documents}", self.documents);
            return Err(RestoreError::Damaged { why });
        }
        if hex(self.hash.clone().finish().as_ref()) != sha256 {
            return Err(RestoreError::Damaged { why: "its checksum does not match its content".to_owned() });
        }
        match self.read_line()? {
            None => Ok(()),
            Some(_) => Err(self.malformed("something follows the trailer".to_owned())),
        }
    }

    /// A whole line with its end; `None` at the end of the stream, or when the last line is cut off.
    fn read_line(&mut self) -> Result<Option<Vec<u8>>, RestoreError> {
        let mut line = Vec::new();
        self.from.read_until(b'\n', &mut line).map_err(RestoreError::Read)?;
        self.line += 1;
        Ok(line.ends_with(b"\n").then_some(line))
    }

    fn parse<'a, T: Deserialize<'a>>(&self, line: &'a [u8]) -> Result<T, RestoreError> {
        serde_json::from_slice(line).map_err(|e| self.malformed(e.to_string()))
    }

    fn malformed(&self, why: String) -> RestoreError {
        RestoreError::Malformed { line: self.line, why }
    }
}
