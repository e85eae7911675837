//! Streams of changes, as server-sent events: first everything there is (or what changed since a revision), then
//! each change within moments.
//!
//! An event carries the revision to resume after, in its body and as the event's id; the last of several events of
//! one commit carries the commit's revision and the ones before it the revision before, so that a client which lost
//! its connection in between gets the rest again. Objects are shown as they are now, not as they were: a client
//! that is behind skips what is past.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metal_model::doc::{Doc, Document};
use metal_model::machine::Machine;
use metal_model::network::{Ip, Network};
use metal_model::switch::Switch;
use metal_model::v1::operation as op;
use metal_model::v1::{WatchEvent, WatchKind};
use metal_plan::{Snapshot, ip, machine, network, switch};
use metal_store::{Commit, Feed, FeedError, Published, WatchError};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::app::App;
use crate::rest::{Body, Call, EVENTS, Fault, Reply, Routes};

/// Longest silence on a stream; proxies close what is silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events that may wait for a slow client before it holds its stream up.
const AHEAD: usize = 64;

pub(crate) fn routes(routes: &mut Routes) {
    routes
        .on(&op::WATCH_MACHINES, watch::<Machine>)
        .on(&op::WATCH_NETWORKS, watch::<Network>)
        .on(&op::WATCH_IPS, watch::<Ip>)
        .on(&op::WATCH_SWITCHES, watch::<Switch>);
}

/// What can be watched.
trait Watched: Document {
    /// What the resource's read operation answers.
    type View: Serialize + Send;

    /// All ids.
    fn ids(snapshot: &Snapshot) -> Vec<String>;
    /// The object; none when it is gone.
    fn view(snapshot: &Snapshot, id: &str) -> Option<Self::View>;
    /// The id of the object this document is part of, beside the object's own document.
    fn part_of(_doc: &Doc) -> Option<String> {
        None
    }
}

impl Watched for Machine {
    type View = metal_model::v1::MachineResponse;

    fn ids(snapshot: &Snapshot) -> Vec<String> {
        snapshot.machines.rows().map(|(id, _)| id.to_string()).collect()
    }

    fn view(snapshot: &Snapshot, id: &str) -> Option<Self::View> {
        Some(machine::list_response(snapshot, snapshot.machines.get(id)?))
    }

    fn part_of(doc: &Doc) -> Option<String> {
        match doc {
            Doc::EventLog(log) => Some(log.machine.to_string()),
            _ => None,
        }
    }
}

impl Watched for Network {
    type View = metal_model::v1::NetworkResponse;

    fn ids(snapshot: &Snapshot) -> Vec<String> {
        snapshot.networks.rows().map(|(id, _)| id.to_string()).collect()
    }

    fn view(snapshot: &Snapshot, id: &str) -> Option<Self::View> {
        Some(network::list_response(snapshot, snapshot.networks.get(id)?))
    }
}

impl Watched for Ip {
    type View = metal_model::v1::IpResponse;

    fn ids(snapshot: &Snapshot) -> Vec<String> {
        snapshot.ips.rows().map(|(id, _)| id.to_string()).collect()
    }

    fn view(snapshot: &Snapshot, id: &str) -> Option<Self::View> {
        Some(ip::list_response(snapshot, snapshot.ips.get(id)?))
    }
}

impl Watched for Switch {
    type View = metal_model::v1::SwitchResponse;

    fn ids(snapshot: &Snapshot) -> Vec<String> {
        snapshot.switches.rows().map(|(id, _)| id.to_string()).collect()
    }

    fn view(snapshot: &Snapshot, id: &str) -> Option<Self::View> {
        Some(switch::list_response(snapshot, snapshot.switches.get(id)?))
    }

    fn part_of(doc: &Doc) -> Option<String> {
        match doc {
            Doc::SwitchStatus(status) => Some(status.id.to_string()),
            Doc::SwitchObservation(seen) => Some(seen.id.to_string()),
            _ => None,
        }
    }
}

/// The revision a client saw last, where it tells one.
fn start(call: &Call) -> Result<Option<u64>, Fault> {
    let wrong = |text: &str| Fault::invalid("after", format!("{text:?} is not a revision"));
    // A browser that reconnects repeats the URL it began with; what it saw last is newer.
    match call.last_event_id.as_deref().or_else(|| call.text("after")).filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map(Some).map_err(|_| wrong(text)),
        None => Ok(None),
    }
}

async fn watch<W: Watched>(call: Call) -> Result<Reply, Fault> {
    let after = start(&call)?;
    let room = call.app.streams.clone().try_acquire_owned();
    let room = room.map_err(|_| Fault::new(503, "too many streams of changes, please retry later"))?;
    let published = call.snapshot().await?;
    let feed =
        call.app.store.watch(Some(after.unwrap_or(published.revision))).map_err(|error| gone(&error))?;
    let (events, body) = Body::channel(AHEAD);
    let app = call.app.clone();
    let stream = Stream::<W> { app: call.app.clone(), events, seen: feed.revision(), _room: room, _of: [] };
    app.metrics.streams.inc();
    call.app.edges.spawn("watch", async move {
        let whole = if after.is_none() { stream.everything(&published).await } else { Some(stream) };
        drop(published);
        if let Some(stream) = whole {
            stream.follow(feed).await;
        }
        app.metrics.streams.dec();
    });
    Ok(Reply { status: 200, content_type: Some(EVENTS), body })
}

fn gone(error: &WatchError) -> Fault {
    match error {
        WatchError::TooOld { .. } | WatchError::Ahead { .. } => {
            Fault::new(410, format!("{error}; watch without a revision to begin anew"))
        }
    }
}

/// One client's stream.
struct Stream<W: Watched> {
    app: Arc<App>,
    events: mpsc::Sender<Bytes>,
    /// Revision everything up to which has been sent.
    seen: u64,
    _room: OwnedSemaphorePermit,
    _of: [W; 0],
}

impl<W: Watched> Stream<W> {
    /// Sends all objects there are. Nothing is given back when the client has gone.
    async fn everything(self, published: &Published<Snapshot>) -> Option<Self> {
        let ids = W::ids(&published.state);
        let last = ids.len().checked_sub(1);
        if last.is_none() {
            self.mark().await?;
        }
        for (number, id) in ids.iter().enumerate() {
            // Whoever stops in the middle has to begin anew; 0 is a revision nobody can resume after for long.
            let revision = if Some(number) == last { published.revision } else { 0 };
            self.send(&published.state, revision, WatchKind::Added, id).await?;
        }
        Some(self)
    }

    /// Sends changes until the client goes away, falls behind too far, or the server ends.
    async fn follow(mut self, mut feed: Feed<Snapshot>) {
        let tasks = self.app.edges.clone();
        let events = self.events.clone();
        let work = async {
            loop {
                match tokio::time::timeout(HEARTBEAT, feed.next()).await {
                    Ok(Ok(commit)) => self.commit(&commit).await?,
                    Ok(Err(FeedError::Lagged { .. })) => {
                        tracing::debug!("watcher fell behind");
                        return None::<Infallible>;
                    }
                    Ok(Err(FeedError::Closed)) => return None,
                    Err(_) => self.mark().await?,
                }
            }
        };
        tokio::select! {
            _ = work => {}
            () = events.closed() => {}
            () = tasks.cancelled() => {}
        }
    }

    /// Sends what a commit changed; nothing when the client has gone.
    async fn commit(&mut self, commit: &Commit<Doc>) -> Option<()> {
        let changed = changes::<W>(commit);
        let last = changed.len().checked_sub(1);
        let published = self.app.store.snapshot();
        for (number, (id, kind)) in changed.iter().enumerate() {
            let revision = if Some(number) == last { commit.revision } else { self.seen };
            self.send(&published.state, revision, *kind, id).await?;
        }
        self.seen = commit.revision;
        Some(())
    }

    /// Tells the client up to where it has seen everything, and that the stream lives.
    async fn mark(&self) -> Option<()> {
        self.events.send(format!(": alive\nid: {}\n\n", self.seen).into()).await.ok()
    }

    async fn send(&self, snapshot: &Snapshot, revision: u64, kind: WatchKind, id: &str) -> Option<()> {
        let object = if kind == WatchKind::Deleted { None } else { W::view(snapshot, id) };
        if object.is_none() && kind != WatchKind::Deleted {
            // It has been deleted since, and that will be told. The client must not miss the revision.
            return if revision > self.seen {
                self.events.send(format!(": passed\nid: {revision}\n\n").into()).await.ok()
            } else {
                Some(())
            };
        }
        let event = WatchEvent { revision, kind, id: id.to_owned(), object };
        let data = serde_json::to_string(&event).expect("wire models always serialise");
        let id = if revision > 0 { format!("id: {revision}\n") } else { String::new() };
        self.events.send(format!("{id}data: {data}\n\n").into()).await.ok()
    }
}

/// Which objects a commit changed, and how.
fn changes<W: Watched>(commit: &Commit<Doc>) -> BTreeMap<String, WatchKind> {
    let mut changed = BTreeMap::new();
    for change in &commit.changes {
        let own = change.key.strip_prefix(W::KIND).and_then(|rest| rest.strip_prefix('/'));
        if let Some(id) = own {
            let kind = match (&change.old, &change.new) {
                (_, None) => WatchKind::Deleted,
                (None, Some(_)) => WatchKind::Added,
                (Some(_), Some(_)) => WatchKind::Changed,
            };
            changed.insert(id.to_owned(), kind);
        } else if let Some(id) = change.new.as_ref().and_then(W::part_of) {
            changed.entry(id).or_insert(WatchKind::Changed);
        }
    }
    changed
}
