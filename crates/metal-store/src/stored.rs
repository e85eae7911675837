//! The stored form: every value is one version byte, the revision that wrote it (eight bytes, little endian)
//! and the document as its [`State`](metal_model::document::State) encodes it; one meta record says whose store
//! it is and in which format. Both engines use the same bytes, so that a value can be carried over unchanged.

use metal_model::document::Revision;
use serde::{Deserialize, Serialize};

/// The newest format this release reads and the one it writes.
pub(crate) const FORMAT: u32 = 1;
/// First byte of every value.
const VALUE_FORM: u8 = 1;
const HEADER: usize = 9;
const MAGIC: &str = "metal-store";

/// Puts the header before the document's bytes.
pub(crate) fn encode(revision: Revision, document: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + document.len());
    value.push(VALUE_FORM);
    value.extend_from_slice(&revision.to_le_bytes());
    value.extend_from_slice(document);
    value
}

/// Splits a value into its revision and the document's bytes.
pub(crate) fn split(value: &[u8]) -> Result<(Revision, &[u8]), String> {
    let Some((header, document)) = value.split_at_checked(HEADER) else {
        return Err(format!("{} bytes are less than a header", value.len()));
    };
    if header[0] != VALUE_FORM {
        return Err(format!("value form {} is not known to this release", header[0]));
    }
    let revision = header[1..].try_into().expect("header is nine bytes long");
    Ok((Revision::from_le_bytes(revision), document))
}

/// Says whose store this is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    magic: String,
    /// Format of everything stored.
    pub format: u32,
    /// Oldest format number whose release can still read this; lets an operator go back one release.
    pub oldest_reader: u32,
    /// Identity of the store, made once.
    pub id: String,
    /// A restore has begun and not finished.
    #[serde(default)]
    pub restoring: bool,
}

impl Meta {
    /// Meta record of a new store.
    pub fn new(format: u32) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self { magic: MAGIC.to_owned(), format, oldest_reader: format, id, restoring: false }
    }

    /// Reads a meta record; the error says why it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let meta: Self = serde_json::from_slice(bytes).map_err(|e| format!("meta record: {e}"))?;
        if meta.magic != MAGIC {
            return Err(format!("meta record of {:?}", meta.magic));
        }
        Ok(meta)
    }

    /// The stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers always serialises")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_and_foreign_ones_are_named() {
        let value = encode(77, b"{}");
        assert_eq!(split(&value), Ok((77, b"{}".as_slice())));
        assert!(split(&value[..5]).unwrap_err().contains("header"));
        assert!(split(&[9; 20]).unwrap_err().contains("form 9"));
    }

    #[test]
    fn meta_of_others_is_refused() {
        let meta = Meta::new(FORMAT);
        assert_eq!(Meta::parse(&meta.to_bytes()).unwrap().id, meta.id);
        assert!(Meta::parse(b"{}").is_err());
        let other = String::from_utf8(meta.to_bytes()).unwrap().replace(MAGIC, "other");
        assert!(Meta::parse(other.as_bytes()).unwrap_err().contains("other"));
    }
}
