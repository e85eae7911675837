//! Lists that go on: print what there is, then each row that changes. Where the server streams changes they come at
//! once, elsewhere the list is asked for again every two seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use metal_client::{Client, Watch};
use metal_model::v1::{IpResponse, MachineResponse, NetworkResponse, SwitchResponse};
use metal_runtime::clock;
use serde::Serialize;

use crate::app::App;
use crate::arg::SortArgs;
use crate::print::{self, Row};

/// Time between two lists where changes are not streamed.
const POLL: Duration = Duration::from_secs(2);
/// Changes within this time are shown together.
const GATHER: Duration = Duration::from_millis(150);

/// Which stream tells that a list has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// None; the list is asked for again.
    Poll,
    /// Machines.
    Machine,
    /// Networks.
    Network,
    /// Addresses.
    Ip,
    /// Switches.
    Switch,
}

enum Stream {
    Machine(Watch<MachineResponse>),
    Network(Watch<NetworkResponse>),
    Ip(Watch<IpResponse>),
    Switch(Watch<SwitchResponse>),
    None,
}

impl Stream {
    async fn start(feed: Feed, client: &Client) -> Self {
        // A server that does not stream is asked again and again instead.
        match feed {
            Feed::Poll => Self::None,
            Feed::Machine => client.machine().watch(None).await.map_or(Self::None, Self::Machine),
            Feed::Network => client.network().watch(None).await.map_or(Self::None, Self::Network),
            Feed::Ip => client.ip().watch(None).await.map_or(Self::None, Self::Ip),
            Feed::Switch => client.switch().watch(None).await.map_or(Self::None, Self::Switch),
        }
    }

    /// Waits for a change; false when the stream has ended.
    async fn changed(&mut self) -> bool {
        match self {
            Self::Machine(watch) => watch.next().await.is_some_and(|e| e.is_ok()),
            Self::Network(watch) => watch.next().await.is_some_and(|e| e.is_ok()),
            Self::Ip(watch) => watch.next().await.is_some_and(|e| e.is_ok()),
            Self::Switch(watch) => watch.next().await.is_some_and(|e| e.is_ok()),
            Self::None => false,
        }
    }
}

/// Prints a list and, if told to, goes on with what changes.
pub async fn list<T: Row + Serialize>(
    app: &App,
    args: &SortArgs,
    feed: Feed,
    client: &Client,
    mut fetch: impl AsyncFnMut(&Client) -> Result<Vec<T>>,
) -> Result<()> {
    if !args.watch {
        return app.printer.list(&fetch(client).await?, &args.sort_by);
    }
    let mut stream = Stream::start(feed, client).await;
    let items = fetch(client).await?;
    let mut widths = Vec::new();
    app.printer.list_aligned(&items, &args.sort_by, &mut widths)?;
    let mut known = by_id(&items)?;
    loop {
        if stream.changed().await {
            while tokio::time::timeout(GATHER, stream.changed()).await == Ok(true) {}
        } else {
            tokio::time::sleep(POLL).await;
            if feed != Feed::Poll {
                stream = Stream::start(feed, client).await;
            }
        }
        let items = fetch(client).await?;
        let now = by_id(&items)?;
        let changed: Vec<T> = items
            .into_iter()
            .filter(|item| identity(item).is_ok_and(|(id, text)| known.get(&id) != Some(&text)))
            .collect();
        if !changed.is_empty() {
            app.printer.at(clock::now()).without_headers().list_aligned(
                &changed,
                &args.sort_by,
                &mut widths,
            )?;
        }
        for id in known.keys().filter(|id| !now.contains_key(*id)) {
            print::emit(&format!("{id}  deleted\n"))?;
        }
        known = now;
    }
}

fn by_id<T: Serialize>(items: &[T]) -> Result<BTreeMap<String, String>> {
    items.iter().map(identity).collect()
}

/// What an item is known by, and its whole content.
fn identity<T: Serialize>(item: &T) -> Result<(String, String)> {
    let value = serde_json::to_value(item)?;
    let places = [&value["id"], &value["ipaddress"], &value["meta"]["id"], &value["name"], &value["rqid"]];
    let id = places.iter().find_map(|v| v.as_str().filter(|t| !t.is_empty())).unwrap_or_default().to_owned();
    Ok((id, value.to_string()))
}
