//! Successful answers: small ones in one piece, long lists and streams of changes piece by piece.
//!
//! A long list is written by a blocking thread in chunks while the first ones are already on their way; the reader's
//! pace holds the writer back, and a reader that goes away ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use metal_plan::Snapshot;
use metal_runtime::TaskTree;
use metal_store::Published;
use serde::Serialize;
use tokio::sync::mpsc;

/// Media type of nearly everything.
pub const JSON: &str = "application/json";
/// Media type of streams of changes.
pub const EVENTS: &str = "text/event-stream";
/// Entries of a list written at once; a list this short is sent in one piece.
const CHUNK: usize = 128;

/// Bytes set aside for each entry of a list: a machine with a full inventory.
const ITEM: usize = 3 * 1024;
/// Chunks that may wait for the reader.
const AHEAD: usize = 4;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Full(Option<Bytes>),
    /// Piece by piece, until the writer is done.
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body {
    /// A body in one piece.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }

    /// A body that is still being written.
    pub fn channel(ahead: usize) -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(ahead);
        (sender, Self::Pieces(receiver))
    }

    /// The bytes, when they are all there.
    pub fn as_full(&self) -> Option<&Bytes> {
        match self {
            Self::Full(bytes) => bytes.as_ref(),
            Self::Pieces(_) => None,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => {
                pieces.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type; none for an empty body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Body,
}

impl Reply {
    /// One object.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let bytes =
            serde_json::to_vec(value).expect("wire models have string keys only and always serialise");
        Self { status, content_type: Some(JSON), body: Body::full(bytes) }
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: None, body: Body::full(Bytes::new()) }
    }

    /// A list, written while it is sent when it is long. `view` turns some of the items into what is written; it must
    /// not fail, because half a list cannot be taken back.
    pub fn list<D, R>(
        tasks: &TaskTree,
        published: Arc<Published<Snapshot>>,
        items: Vec<Arc<D>>,
        view: impl Fn(&Snapshot, &[Arc<D>]) -> Vec<R> + Send + 'static,
    ) -> Self
    where
        D: Send + Sync + 'static,
        R: Serialize,
    {
        if items.len() <= CHUNK {
            let mut bytes = Vec::with_capacity(items.len() * ITEM + 2);
            bytes.push(b'[');
            append(&mut bytes, &view(&published.state, &items), true);
            bytes.push(b']');
            return Self { status: 200, content_type: Some(JSON), body: Body::full(bytes) };
        }
        let (pieces, body) = Body::channel(AHEAD);
        tasks.spawn_blocking("list", move || {
            for (number, chunk) in items.chunks(CHUNK).enumerate() {
                let is_first = number == 0;
                let mut bytes = Vec::with_capacity(CHUNK * ITEM);
                if is_first {
                    bytes.push(b'[');
                }
                append(&mut bytes, &view(&published.state, chunk), is_first);
                // The reader has gone: nobody wants the rest.
                if pieces.blocking_send(bytes.into()).is_err() {
                    return;
                }
            }
            let _ = pieces.blocking_send(Bytes::from_static(b"]"));
        });
        Self { status: 200, content_type: Some(JSON), body }
    }
}

fn append<R: Serialize>(to: &mut Vec<u8>, items: &[R], is_first: bool) {
    for (number, item) in items.iter().enumerate() {
        if !(is_first && number == 0) {
            to.push(b',');
        }
        serde_json::to_writer(&mut *to, item)
            .expect("wire models always serialise, and memory does not fail to be written");
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn listed(count: u32) -> Vec<u32> {
        let tasks = TaskTree::root("test");
        let published = Arc::new(Published { revision: 1, state: Snapshot::default() });
        let items: Vec<Arc<u32>> = (0..count).map(Arc::new).collect();
        let reply =
            Reply::list(&tasks, published, items, |_, some| some.iter().map(|number| **number).collect());
        let bytes = reply.body.collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn lists_of_any_length_are_whole() {
        for count in [0, 1, 2, 127, 128, 129, 255, 256, 257, 1000] {
            assert_eq!(listed(count).await, (0..count).collect::<Vec<_>>(), "{count}");
        }
    }
}
