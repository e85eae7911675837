//! A table: all documents of a kind by id, structurally shared between snapshots.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use metal_model::document::Revision;

/// A document and the revision that wrote it.
#[derive(Debug)]
pub struct Row<D> {
    /// Revision of the last write.
    pub revision: Revision,
    /// The document.
    pub doc: Arc<D>,
}

impl<D> Clone for Row<D> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, doc: self.doc.clone() }
    }
}

/// All documents of a kind. Clone is O(1), lookups O(log n).
#[derive(Debug)]
pub struct Table<D> {
    rows: OrdMap<Arc<str>, Row<D>>,
}

impl<D> Clone for Table<D> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone() }
    }
}

impl<D> Default for Table<D> {
    fn default() -> Self {
        Self { rows: OrdMap::default() }
    }
}

impl<D> Table<D> {
    /// The document with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<D>> {
        self.rows.get(id).map(|row| &row.doc)
    }

    /// The document with this id, and its revision.
    pub fn row(&self, id: &str) -> Option<&Row<D>> {
        self.rows.get(id)
    }

    /// True when the id exists.
    pub fn contains(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// All documents in the order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<D>> {
        self.rows.values().map(|row| &row.doc)
    }

    /// All rows in the order of their ids.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (&Arc<str>, &Row<D>)> {
        self.rows.iter()
    }

    /// Rows whose id is at least `from`, in order.
    pub fn rows_from<'a>(
        &'a self,
        from: &str,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Row<D>)> + use<'a, D> {
        self.rows.range::<_, Arc<str>>(Arc::from(from)..)
    }

    /// How many documents.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn put(&mut self, id: &str, revision: Revision, doc: Arc<D>) -> Option<Arc<D>> {
        if let Some(row) = self.rows.get_mut(id) {
            let old = std::mem::replace(row, Row { revision, doc });
            return Some(old.doc);
        }
        self.rows.insert(Arc::from(id), Row { revision, doc });
        None
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<D>> {
        self.rows.remove(id).map(|row| row.doc)
    }
}

/// An index: for each key the set of values, structurally shared.
#[derive(Debug, Clone)]
pub struct Multi<K: Ord + Clone, V: Ord + Clone> {
    sets: OrdMap<K, OrdSet<V>>,
}

impl<K: Ord + Clone, V: Ord + Clone> Default for Multi<K, V> {
    fn default() -> Self {
        Self { sets: OrdMap::default() }
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Multi<K, V> {
    /// Values of a key in order.
    pub fn get<Q>(&self, key: &Q) -> impl Iterator<Item = &V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.sets.get(key).into_iter().flatten()
    }

    /// How many values a key has.
    pub fn count<Q>(&self, key: &Q) -> usize
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.sets.get(key).map_or(0, OrdSet::len)
    }

    /// The whole set of a key.
    pub fn set<Q>(&self, key: &Q) -> Option<&OrdSet<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.sets.get(key)
    }

    /// All keys that have values.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.sets.keys()
    }

    pub(crate) fn add(&mut self, key: K, value: V) {
        self.sets.entry(key).or_default().insert(value);
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q, value: &V)
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let Some(set) = self.sets.get_mut(key) else { return };
        set.remove(value);
        if set.is_empty() {
            self.sets.remove(key);
        }
    }
}
