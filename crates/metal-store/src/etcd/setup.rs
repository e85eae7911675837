//! Before a replica runs: the meta record is created or checked, old formats are brought up to date, and all
//! documents are listed as of one etcd revision.

use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use metal_model::document::Revision;

use super::Keys;
use super::head::Head;
use super::members::{Fault, Members};
use crate::error::OpenError;
use crate::load::Raw;
use crate::migrate::{Formats, Migration, rewrite};
use crate::stored::Meta;

/// Keys fetched at a time; at three kilobytes a machine about a megabyte.
const PAGE: i64 = 400;
/// Documents rewritten by one transaction of a migration, and their bytes.
const STEP: usize = 100;
const STEP_BYTES: usize = 1 << 20;

/// All documents as of one etcd revision.
pub(crate) struct Listing {
    pub head: Head,
    pub head_modified: i64,
    /// The etcd revision.
    pub revision: i64,
    pub documents: Vec<Raw>,
}

/// The meta record as found.
pub(crate) struct Found {
    pub meta: Meta,
    pub modified: i64,
}

/// Creates the store when there is none, and brings it to the current format.
pub(crate) async fn ensure(members: &Members, keys: &Keys, formats: Formats) -> Result<(), OpenError> {
    let failed = |fault| fault_to_open(members, "look at the store", fault);
    let found = match members.insist(|| read_meta(members, keys)).await.map_err(failed)? {
        Some(Ok(found)) => found,
        Some(Err(why)) => return Err(OpenError::Foreign { place: keys.place(), why }),
        None => match create(members, keys, formats).await? {
            Some(found) => found,
            None => return Ok(()),
        },
    };
    let steps = formats.steps(&keys.place(), &found.meta)?;
    if steps.is_empty() { Ok(()) } else { migrate(members, keys, found, &steps).await }
}

/// The meta record; `Some(Err(why))` when it is not one of ours.
pub(crate) async fn read_meta(
    members: &Members,
    keys: &Keys,
) -> Result<Option<Result<Found, String>>, Fault> {
    let answer = members.get(keys.meta(), GetOptions::new()).await?;
    let Some(kv) = answer.kvs().first() else { return Ok(None) };
    Ok(Some(Meta::parse(kv.value()).map(|meta| Found { meta, modified: kv.mod_revision() })))
}

/// Makes a new store. `Some` when another replica was faster.
async fn create(members: &Members, keys: &Keys, formats: Formats) -> Result<Option<Found>, OpenError> {
    let failed = |fault| fault_to_open(members, "create the store", fault);
    let anything = GetOptions::new().with_prefix().with_limit(1).with_keys_only();
    let found = members.insist(|| members.get(keys.all(), anything.clone())).await.map_err(failed)?;
    // A meta record may have come in between; anything else without one is not ours.
    if let Some(kv) = found.kvs().first()
        && members.insist(|| read_meta(members, keys)).await.map_err(failed)?.is_none()
    {
        let why = format!("it holds {:?} and no meta record", String::from_utf8_lossy(kv.key()));
        return Err(OpenError::Foreign { place: keys.place(), why });
    }
    let meta = Meta::new(formats.current);
    let make = || {
        let txn = Txn::new()
            .when([
                Compare::create_revision(keys.meta(), CompareOp::Equal, 0),
                Compare::create_revision(keys.head(), CompareOp::Equal, 0),
            ])
            .and_then([
                TxnOp::put(keys.meta(), meta.to_bytes(), None),
                TxnOp::put(keys.head(), Head::at(0).to_bytes(), None),
            ]);
        members.txn(txn)
    };
    let made = members.insist(make).await.map_err(failed)?;
    if made.succeeded() {
        return Ok(None);
    }
    // Somebody was faster, or it was us and the first answer was lost.
    match members.insist(|| read_meta(members, keys)).await.map_err(failed)? {
        Some(Ok(found)) => Ok(Some(found)),
        Some(Err(why)) => Err(OpenError::Foreign { place: keys.place(), why }),
        None => {
            Err(OpenError::Foreign { place: keys.place(), why: "a head without a meta record".to_owned() })
        }
    }
}

/// Lists all documents as of one etcd revision.
pub(crate) async fn list(members: &Members, keys: &Keys) -> Result<Listing, OpenError> {
    let failed = |fault| fault_to_open(members, "list all documents", fault);
    // A compaction may overtake the listing; then it starts over.
    for _ in 0..5 {
        let head = members.insist(|| members.read_head(keys)).await.map_err(failed)?;
        let Some(head) = head else {
            let why = "there is a meta record and no head".to_owned();
            return Err(OpenError::Foreign { place: keys.place(), why });
        };
        match documents_at(members, keys, head.cluster).await {
            Ok(documents) => {
                let (revision, head_modified) = (head.cluster, head.modified);
                return Ok(Listing { head: head.head, head_modified, revision, documents });
            }
            Err(Fault::Refused { source, .. }) if source.to_string().contains("compacted") => {}
            Err(fault) => return Err(failed(fault)),
        }
    }
    Err(failed(Fault::Unexpected("its history was compacted five times while it was read".to_owned())))
}

async fn documents_at(members: &Members, keys: &Keys, revision: i64) -> Result<Vec<Raw>, Fault> {
    let prefix = keys.documents();
    let mut end = prefix.clone().into_bytes();
    // The prefix ends in a slash, so the next byte is the end of its range.
    *end.last_mut().expect("a prefix is not empty") += 1;
    let mut start = prefix.clone();
    let mut documents = Vec::new();
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE).with_revision(revision);
        let mut page = members.insist(|| members.get(start.clone(), options.clone())).await?;
        let more = page.more();
        for kv in page.take_kvs() {
            let (key, value) = kv.into_key_value();
            let key = String::from_utf8(key).map_err(|e| Fault::Unexpected(format!("key {e}")))?;
            start = format!("{key}\0");
            documents.push((key[prefix.len()..].to_owned(), value));
        }
        if !more {
            return Ok(documents);
        }
    }
}

/// Rewrites values page by page under the head key, then the meta record. Replicas of the older release that
/// still run see the new values and stop. Interrupted, it starts over.
async fn migrate(
    members: &Members,
    keys: &Keys,
    mut found: Found,
    steps: &[&'static Migration],
) -> Result<(), OpenError> {
    let Listing { head, mut head_modified, documents, .. } = list(members, keys).await?;
    let last = steps.last().expect("only called with steps");
    tracing::info!(
        from = found.meta.format,
        to = last.to,
        documents = documents.len(),
        "migrating the store"
    );
    let conflict = || OpenError::Migration {
        place: keys.place(),
        to: last.to,
        why: "another replica writes: stop all replicas of the older release".to_owned(),
    };
    let mut pages = Pages::default();
    for (key, value) in &documents {
        if let Some(new) = rewrite(&keys.place(), steps, key, value)? {
            pages.push(keys.document(key), new);
        }
    }
    for page in pages.done {
        let puts = page.into_iter().map(|(key, value)| TxnOp::put(key, value, None)).collect();
        let written = members.write(keys, head_modified, puts, &head).await;
        head_modified =
            written.map_err(|f| fault_to_open(members, "migrate the store", f))?.map_err(|_| conflict())?;
    }
    (found.meta.format, found.meta.oldest_reader) = (last.to, last.oldest_reader);
    let txn = Txn::new()
        .when([
            Compare::mod_revision(keys.meta(), CompareOp::Equal, found.modified),
            Compare::mod_revision(keys.head(), CompareOp::Equal, head_modified),
        ])
        .and_then([TxnOp::put(keys.meta(), found.meta.to_bytes(), None)]);
    let done = members.txn(txn).await.map_err(|f| fault_to_open(members, "migrate the store", f))?;
    if done.succeeded() { Ok(()) } else { Err(conflict()) }
}

/// Values cut into pieces that fit into a transaction.
#[derive(Default)]
pub(crate) struct Pages {
    pub done: Vec<Vec<(String, Vec<u8>)>>,
    bytes: usize,
}

impl Pages {
    pub fn push(&mut self, key: String, value: Vec<u8>) {
        let size = key.len() + value.len();
        let fits = |page: &Vec<_>| page.len() < STEP && self.bytes + size <= STEP_BYTES;
        if self.done.last().is_none_or(|page| !fits(page)) {
            self.done.push(Vec::new());
            self.bytes = 0;
        }
        self.bytes += size;
        self.done.last_mut().expect("a page was pushed above").push((key, value));
    }
}

/// Revision of the store and number of its documents; for a restore.
pub(crate) async fn census(members: &Members, keys: &Keys) -> Result<(Revision, i64), Fault> {
    let head = members.insist(|| members.read_head(keys)).await?;
    let count = GetOptions::new().with_prefix().with_count_only();
    let counted = members.insist(|| members.get(keys.documents(), count.clone())).await?;
    Ok((head.map_or(0, |head| head.head.revision), counted.count()))
}

pub(crate) fn fault_to_open(members: &Members, doing: &str, fault: Fault) -> OpenError {
    match fault {
        Fault::NotSent { .. } | Fault::Lost { .. } | Fault::TimedOut { .. } => {
            OpenError::Unreachable { endpoints: members.endpoints(), source: fault.into() }
        }
        _ => OpenError::Engine { doing: doing.to_owned(), source: fault.into() },
    }
}
