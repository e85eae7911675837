//! Filling an empty store from a dump, whatever engine it came from. Documents keep their revisions and the
//! store continues after the dump's.

use std::io::BufRead;

use metal_model::document::{Revision, State};

use crate::config::{EngineConfig, EtcdConfig, Limits, OPERATION_OVERHEAD, Options};
use crate::dump::{Dumped, Reader};
use crate::embedded::{self, Place};
use crate::error::{Cause, OpenError, RestoreError};
use crate::etcd::fill::Filling;
use crate::stored;

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreSummary {
    /// Revision the store continues after.
    pub revision: Revision,
    /// Documents restored.
    pub documents: u64,
}

/// Reads a dump into an empty store, which must not be open. Every document is checked to be readable as `S`.
///
/// For a command line, not for a server: the stream is read where the future is polled.
pub async fn restore<S: State>(
    config: EngineConfig,
    from: impl BufRead,
) -> Result<RestoreSummary, RestoreError> {
    let reader = Reader::new(from)?;
    match config {
        EngineConfig::Embedded { dir } => into_embedded::<S>(Place::Directory(dir), reader),
        EngineConfig::Memory => {
            Err(OpenError::Config("a store in memory would be gone after the restore".to_owned()).into())
        }
        EngineConfig::Etcd(config) => into_etcd::<S>(&config, reader).await,
    }
}

fn check<S: State>(dumped: &Dumped) -> Result<(), RestoreError> {
    S::decode(&dumped.key, &dumped.document).map(|_| ()).map_err(RestoreError::Document)
}

fn into_embedded<S: State>(
    place: Place,
    mut reader: Reader<impl BufRead>,
) -> Result<RestoreSummary, RestoreError> {
    let (engine, revision, documents) = embedded::open_empty(place)?;
    if revision > 0 || documents > 0 {
        return Err(RestoreError::NotEmpty { place: engine.place(), revision });
    }
    let failed = |source: Cause| RestoreError::Engine { doing: format!("fill {}", engine.place()), source };
    let filled = engine.fill::<RestoreError>(|put| {
        while let Some(dumped) = reader.next()? {
            check::<S>(&dumped)?;
            put(&dumped.key, &stored::encode(dumped.revision, &dumped.document)).map_err(failed)?;
        }
        Ok(reader.revision)
    });
    filled.map_err(failed)??;
    Ok(RestoreSummary { revision: reader.revision, documents: reader.documents() })
}

async fn into_etcd<S: State>(
    config: &EtcdConfig,
    mut reader: Reader<impl BufRead>,
) -> Result<RestoreSummary, RestoreError> {
    let mut filling = Filling::begin(config, &Options::default()).await?;
    while let Some(dumped) = reader.next()? {
        check::<S>(&dumped)?;
        let value = stored::encode(dumped.revision, &dumped.document);
        let bytes = OPERATION_OVERHEAD + dumped.key.len() + value.len();
        if bytes > Limits::ETCD.bytes {
            return Err(RestoreError::TooLarge { key: dumped.key, bytes });
        }
        filling.put(&dumped.key, value).await?;
    }
    tracing::info!(
        place = filling.place(),
        documents = reader.documents(),
        "the dump is complete; finishing"
    );
    filling.finish(reader.revision).await?;
    Ok(RestoreSummary { revision: reader.revision, documents: reader.documents() })
}
