//! Streams of changes, as server-sent events. The stream ends when the connection does; the caller starts another
//! one after the last revision it has seen.

use std::marker::PhantomData;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use metal_model::v1::{WatchEvent, json};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::request::{Request, transport};

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// A running stream of changes.
pub struct Watch<T> {
    chunks: Chunks,
    lines: Lines,
    url: String,
    data: String,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Default> Watch<T> {
    pub(crate) async fn start(request: Request<'_>, after: Option<u64>) -> Result<Self, Error> {
        let (response, url) = request.query_some("after", after.as_ref()).start(None).await?;
        let chunks = response.bytes_stream().boxed();
        Ok(Self { chunks, lines: Lines::default(), url, data: String::new(), of: PhantomData })
    }

    /// The next change; none when the server has closed the stream.
    pub async fn next(&mut self) -> Option<Result<WatchEvent<T>, Error>> {
        loop {
            while let Some(line) = self.lines.next() {
                if let Some(event) = self.line(&line) {
                    return Some(event);
                }
            }
            match self.chunks.next().await? {
                Ok(chunk) => self.lines.push(&chunk),
                Err(e) => return Some(Err(transport(e, &self.url, std::time::Duration::ZERO))),
            }
        }
    }

    /// Takes one line; an empty one ends the event whose data came before.
    fn line(&mut self, line: &str) -> Option<Result<WatchEvent<T>, Error>> {
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            return None;
        }
        if !line.is_empty() || self.data.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.data);
        Some(json::decode(data.as_bytes()).map_err(|source| Error::Decode { url: self.url.clone(), source }))
    }
}

/// Cuts bytes into lines, wherever they were cut on the way.
#[derive(Default)]
struct Lines {
    rest: BytesMut,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|b| *b == b'\n')?;
        let line = self.rest.split_to(end + 1);
        let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use metal_model::v1::{IpResponse, WatchKind};

    use super::*;

    #[tokio::test]
    async fn events_are_put_together_from_any_cut() {
        let text = ": hello\n\nid: 7\nevent: added\ndata: {\"revision\":7,\"kind\":\"added\",\"id\":\"10.0.0.1\",\
                    \"object\":{\"ipaddress\":\"10.0.0.1\",\"name\":null}}\r\n\r\n\
                    data: {\"revision\":8,\"kind\":\"deleted\",\ndata: \"id\":\"10.0.0.1\",\"object\":null}\n\n";
        for size in [1, 2, 7, 1000] {
            let chunks: Vec<_> =
                text.as_bytes().chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            let mut watch = Watch::<IpResponse> {
                chunks: futures::stream::iter(chunks).boxed(),
                lines: Lines::default(),
                url: String::new(),
                data: String::new(),
                of: PhantomData,
            };
            let added = watch.next().await.unwrap().unwrap();
            assert_eq!((added.revision, added.kind), (7, WatchKind::Added));
            assert_eq!(added.object.unwrap().ipaddress, "10.0.0.1");
            let deleted = watch.next().await.unwrap().unwrap();
            assert_eq!((deleted.revision, deleted.kind, deleted.object), (8, WatchKind::Deleted, None));
            assert!(watch.next().await.is_none());
        }
    }
}
