//! The embedded engine: one redb file, owned by one process, one fsync for each group.
//!
//! Two tables: `docs` from key to stored value, `meta` with the meta record and the revision of the last group.
//! A group's documents and its revision are one redb transaction, so after a crash the file holds whole groups
//! and knows which. After a failed write the file is opened again and asked (see [`commit`]).

pub(crate) mod commit;
mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use metal_model::document::{Revision, State};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use crate::error::{Cause, OpenError};
use crate::group::Operation;
use crate::job::panic_message;
use crate::migrate::{Formats, rewrite};
use crate::stored::Meta;
use crate::{load, migrate};

use place::Home;
pub(crate) use place::Place;

const DOCS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("docs");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const META_STORE: &str = "store";
const META_REVISION: &str = "revision";

/// An open file.
pub(crate) struct Engine {
    home: Home,
    /// `None` after a failed write, until it could be opened again.
    database: Option<Database>,
}

/// Opens or creates the file, brings it to the current format and loads everything.
pub(crate) fn open<S: State>(place: Place, formats: Formats) -> Result<(Engine, S, Revision), OpenError> {
    let home = Home::prepare(place)?;
    let database = home.open_or_create(formats.current)?;
    let meta = read_meta(&home, &database)?;
    let steps = formats.steps(&home.to_string(), &meta)?;
    if !steps.is_empty() {
        migrate_all(&home, &database, meta, &steps)?;
    }
    let revision = stored_revision(&database).map_err(|e| home.failure("read the revision", e))?;
    let state = load::load::<S>(|each| {
        for_each_document(&database, each).map_err(|e| home.failure("read all documents", e))
    })?;
    Ok((Engine { home, database: Some(database) }, state, revision))
}

/// Opens a file to restore into. Documents of an unfinished restore cannot be there: a restore is one
/// transaction.
pub(crate) fn open_empty(place: Place) -> Result<(Engine, Revision, u64), OpenError> {
    let home = Home::prepare(place)?;
    let database = home.open_or_create(Formats::RELEASE.current)?;
    let meta = read_meta(&home, &database)?;
    Formats::RELEASE.steps(&home.to_string(), &meta)?;
    let revision = stored_revision(&database).map_err(|e| home.failure("read the revision", e))?;
    let count = count_documents(&database).map_err(|e| home.failure("count documents", e))?;
    Ok((Engine { home, database: Some(database) }, revision, count))
}

impl Engine {
    /// Makes a group durable.
    fn commit(&self, operations: &BTreeMap<String, Operation>, revision: Revision) -> Result<(), Cause> {
        let Some(database) = &self.database else {
            return Err("the file is not open since the last failure".into());
        };
        guarded(|| {
            let write = database.begin_write()?;
            put_all(&write, operations)?;
            put_revision(&write, revision)?;
            Ok(write.commit()?)
        })
    }

    /// Closes the file and opens it again; gives the revision of the last group in it.
    fn reopen(&mut self) -> Result<Revision, Cause> {
        self.database = None;
        let database = self.home.reopen()?;
        let revision = stored_revision(&database)?;
        self.database = Some(database);
        Ok(revision)
    }

    fn is_open(&self) -> bool {
        self.database.is_some()
    }

    /// Fills an empty store in one transaction.
    pub fn fill<E>(
        &self,
        fill: impl FnOnce(&mut dyn FnMut(&str, &[u8]) -> Result<(), Cause>) -> Result<Revision, E>,
    ) -> Result<Result<(), E>, Cause> {
        let database = self.database.as_ref().ok_or("the file is not open")?;
        let write = database.begin_write()?;
        let filled = {
            let mut docs = write.open_table(DOCS)?;
            fill(&mut |key, value| {
                docs.insert(key, value)?;
                Ok(())
            })
        };
        match filled {
            Ok(revision) => {
                put_revision(&write, revision)?;
                write.commit()?;
                Ok(Ok(()))
            }
            Err(error) => {
                write.abort()?;
                Ok(Err(error))
            }
        }
    }

    /// Where the file is, for messages.
    pub fn place(&self) -> String {
        self.home.to_string()
    }
}

/// redb checks its own structures with panics in places; a damaged file must not take the process down.
fn guarded<T>(work: impl FnOnce() -> Result<T, Cause>) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_message(panic.as_ref()).into()))
}

fn put_all(write: &WriteTransaction, operations: &BTreeMap<String, Operation>) -> Result<(), Cause> {
    let mut docs = write.open_table(DOCS)?;
    for (key, operation) in operations {
        match operation {
            Operation::Put(value) => docs.insert(key.as_str(), value.as_slice())?,
            Operation::Delete => docs.remove(key.as_str())?,
        };
    }
    Ok(())
}

fn put_revision(write: &WriteTransaction, revision: Revision) -> Result<(), Cause> {
    let mut meta = write.open_table(META)?;
    meta.insert(META_REVISION, revision.to_le_bytes().as_slice())?;
    Ok(())
}

/// Makes a new file ours.
fn initialise(database: &Database, format: u32) -> Result<(), Cause> {
    let write = database.begin_write()?;
    write.open_table(DOCS)?;
    write.open_table(META)?.insert(META_STORE, Meta::new(format).to_bytes().as_slice())?;
    put_revision(&write, 0)?;
    Ok(write.commit()?)
}

fn read_meta(home: &Home, database: &Database) -> Result<Meta, OpenError> {
    let foreign = |why: String| OpenError::Foreign { place: home.to_string(), why };
    let read = guarded(|| {
        let read = database.begin_read()?;
        let table = match read.open_table(META) {
            Ok(table) => table,
            Err(redb::TableError::Storage(error)) => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(bytes) = table.get(META_STORE)? else { return Ok(Err("no meta record".to_owned())) };
        Ok(Ok(bytes.value().to_vec()))
    });
    let bytes = read.map_err(|e| home.failure("read the meta record", e))?.map_err(foreign)?;
    Meta::parse(&bytes).map_err(foreign)
}

fn stored_revision(database: &Database) -> Result<Revision, Cause> {
    guarded(|| {
        let table = database.begin_read()?.open_table(META)?;
        let bytes = table.get(META_REVISION)?.ok_or("no revision is stored")?;
        let bytes = bytes.value().try_into().map_err(|_| "the stored revision is not eight bytes")?;
        Ok(Revision::from_le_bytes(bytes))
    })
}

fn count_documents(database: &Database) -> Result<u64, Cause> {
    guarded(|| Ok(database.begin_read()?.open_table(DOCS)?.len()?))
}

fn for_each_document(database: &Database, each: &mut dyn FnMut(load::Raw) -> bool) -> Result<(), Cause> {
    guarded(|| {
        let docs = database.begin_read()?.open_table(DOCS)?;
        for entry in docs.iter()? {
            let (key, value) = entry?;
            if !each((key.value().to_owned(), value.value().to_vec())) {
                break;
            }
        }
        Ok(())
    })
}

/// Applies all steps in one transaction, so that a failure leaves the old format.
fn migrate_all(
    home: &Home,
    database: &Database,
    mut meta: Meta,
    steps: &[&migrate::Migration],
) -> Result<(), OpenError> {
    let failed = |e: Cause| home.failure("migrate the store", e);
    let write = database.begin_write().map_err(|e| failed(e.into()))?;
    let mut rewritten = BTreeMap::new();
    {
        let docs = write.open_table(DOCS).map_err(|e| failed(e.into()))?;
        for entry in docs.iter().map_err(|e| failed(e.into()))? {
            let (key, value) = entry.map_err(|e| failed(e.into()))?;
            if let Some(new) = rewrite(&home.to_string(), steps, key.value(), value.value())? {
                rewritten.insert(key.value().to_owned(), Operation::Put(new));
            }
        }
    }
    for step in steps {
        tracing::info!(from = meta.format, to = step.to, documents = rewritten.len(), "migrating the store");
        (meta.format, meta.oldest_reader) = (step.to, step.oldest_reader);
    }
    let finish = || -> Result<(), Cause> {
        put_all(&write, &rewritten)?;
        write.open_table(META)?.insert(META_STORE, meta.to_bytes().as_slice())?;
        Ok(write.commit()?)
    };
    finish().map_err(failed)
}
