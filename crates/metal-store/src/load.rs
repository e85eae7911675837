//! Brings all stored documents into memory when a store is opened. Decoding is most of the work and spreads
//! over the cores; building the indexes is done by one thread while the others decode.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use metal_model::document::{Revision, State};

use crate::error::OpenError;
use crate::stored;

/// A stored key and value.
pub(crate) type Raw = (String, Vec<u8>);
type Decoded<D> = Result<Vec<(String, Revision, D)>, OpenError>;

/// Documents handed from thread to thread at a time.
const BATCH: usize = 512;

/// Reads one stored value.
pub(crate) fn decode<S: State>(key: &str, value: &[u8]) -> Result<(Revision, S::Doc), OpenError> {
    let malformed = |why| OpenError::Value { key: key.to_owned(), why };
    let (revision, document) = stored::split(value).map_err(malformed)?;
    Ok((revision, S::decode(key, document).map_err(OpenError::Document)?))
}

/// Builds the state from what `read` passes to its argument. `read` stops when told `false`.
pub(crate) fn load<S: State>(
    read: impl FnOnce(&mut dyn FnMut(Raw) -> bool) -> Result<(), OpenError> + Send,
) -> Result<S, OpenError> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (raw_tx, raw_rx) = sync_channel::<Vec<Raw>>(workers * 2);
    let (doc_tx, doc_rx) = sync_channel::<Decoded<S::Doc>>(workers * 2);
    let raw_rx = Mutex::new(raw_rx);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read_batches(read, &raw_tx));
        for _ in 0..workers {
            let (raw_rx, doc_tx) = (&raw_rx, doc_tx.clone());
            scope.spawn(move || decode_batches::<S>(raw_rx, &doc_tx));
        }
        drop(doc_tx);
        let mut state = S::default();
        let mut failed = None;
        // Drained to the end also after a failure, so that nobody is left waiting for room.
        for batch in doc_rx {
            match batch {
                Ok(documents) if failed.is_none() => {
                    documents.into_iter().for_each(|(key, revision, doc)| state.put(&key, revision, doc));
                }
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let read = reader.join().unwrap_or_else(|_| {
            let source = "the reader has panicked: its file is probably damaged".into();
            Err(OpenError::Engine { doing: "read all documents".to_owned(), source })
        });
        read.and(failed.map_or(Ok(state), Err))
    })
}

fn read_batches(
    read: impl FnOnce(&mut dyn FnMut(Raw) -> bool) -> Result<(), OpenError>,
    to: &SyncSender<Vec<Raw>>,
) -> Result<(), OpenError> {
    let mut batch = Vec::with_capacity(BATCH);
    read(&mut |raw| {
        batch.push(raw);
        batch.len() < BATCH || to.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_ok()
    })?;
    // A failed send means that the workers have died, which their scope reports.
    let _ = to.send(batch);
    Ok(())
}

fn decode_batches<S: State>(from: &Mutex<Receiver<Vec<Raw>>>, to: &SyncSender<Decoded<S::Doc>>) {
    loop {
        let Ok(batch) = from.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
        let decode =
            |(key, value): Raw| decode::<S>(&key, &value).map(|(revision, doc)| (key, revision, doc));
        if to.send(batch.into_iter().map(decode).collect()).is_err() {
            return;
        }
    }
}
