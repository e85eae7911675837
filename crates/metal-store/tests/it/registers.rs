//! The smallest state that is worth storing: named registers with a text each, and an index from text to names
//! that must never disagree with them.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use metal_model::document::{Changes, DecodeError, Revision, State, Write};

/// Registers by key.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    documents: OrdMap<String, (Revision, Arc<str>)>,
    by_value: OrdSet<(Arc<str>, String)>,
}

impl State for Registers {
    type Doc = Arc<str>;

    fn decode(key: &str, bytes: &[u8]) -> Result<Self::Doc, DecodeError> {
        if key.starts_with("unknown/") {
            return Err(DecodeError::UnknownKind { key: key.to_owned() });
        }
        let text = std::str::from_utf8(bytes);
        text.map(Arc::from).map_err(|e| DecodeError::Malformed { key: key.to_owned(), why: e.to_string() })
    }

    fn encode(doc: &Self::Doc) -> Vec<u8> {
        doc.as_bytes().to_vec()
    }

    fn get(&self, key: &str) -> Option<(Revision, Self::Doc)> {
        self.documents.get(key).cloned()
    }

    fn put(&mut self, key: &str, revision: Revision, doc: Self::Doc) {
        self.remove(key);
        self.by_value.insert((doc.clone(), key.to_owned()));
        self.documents.insert(key.to_owned(), (revision, doc));
    }

    fn remove(&mut self, key: &str) {
        if let Some((_, doc)) = self.documents.remove(key) {
            self.by_value.remove(&(doc, key.to_owned()));
        }
    }

    fn visit(&self, each: &mut dyn FnMut(&str, Revision, &Self::Doc)) {
        for (key, (revision, doc)) in &self.documents {
            each(key, *revision, doc);
        }
    }
}

impl Registers {
    /// The text of a register.
    pub fn text(&self, key: &str) -> Option<Arc<str>> {
        self.documents.get(key).map(|(_, doc)| doc.clone())
    }

    /// The number in a register, 0 when it is not there.
    pub fn number(&self, key: &str) -> u64 {
        self.text(key).map_or(0, |text| text.parse().expect("tests write numbers here"))
    }

    /// Everything, for comparisons.
    pub fn all(&self) -> Vec<(String, Revision, Arc<str>)> {
        let mut all = Vec::new();
        self.visit(&mut |key, revision, doc| all.push((key.to_owned(), revision, doc.clone())));
        all
    }

    /// Panics when the index disagrees with the documents.
    pub fn check_index(&self) {
        let expected: OrdSet<_> =
            self.documents.iter().map(|(key, (_, doc))| (doc.clone(), key.clone())).collect();
        assert!(self.by_value == expected, "the index disagrees with the documents");
    }

    /// Adds a write that sets a register, whether it exists or not.
    pub fn set(&self, changes: &mut Changes<Arc<str>>, key: &str, text: impl Into<Arc<str>>) {
        let doc = text.into();
        let write = match self.get(key) {
            Some((seen, _)) => Write::Update { seen, doc },
            None => Write::Create(doc),
        };
        changes.writes.insert(key.to_owned(), write);
    }
}
