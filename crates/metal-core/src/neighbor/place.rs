//! Where ports are: the links of our own namespace and of all named ones.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::task::{Context, Poll};

use metal_linux::lldp::{LinkWatch, Socket, register};
use metal_linux::namespace::{DIRECTORY, Namespace};
use metal_linux::netlink::Netlink;
use metal_runtime::chain;
use tokio::io::unix::AsyncFd;

/// For how many looks a change of the directory of names is not yet over.
const UNSETTLED: u8 = 6;

/// A namespace: our own, or a named one.
pub(super) type PlaceName = Option<String>;

/// One device at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) place: PlaceName,
    pub(super) index: u32,
    pub(super) mac: [u8; 6],
    pub(super) is_running: bool,
}

/// All namespaces, and where in them the ports are.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: BTreeMap<PlaceName, Place>,
    /// When the directory of names last changed, as far as read.
    directory: Option<(i64, i64)>,
    /// How often to read the names again although the directory did not change: a file is there a moment before the
    /// namespace is.
    unsettled: u8,
    /// How often each namespace could not be watched, so that each is complained about once, and one that is just being
    /// made not at all.
    unreadable: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct Place {
    /// Which namespace bears the name; the name may be given to another one.
    identity: u64,
    watch: AsyncFd<LinkWatch>,
    is_stale: bool,
    links: BTreeMap<String, Location>,
}

impl Places {
    /// Whether links changed anywhere; if so they are read at the next [`Places::refresh`].
    pub(super) fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut outcome = Poll::Pending;
        for place in self.places.values_mut() {
            while let Poll::Ready(Ok(mut ready)) = place.watch.poll_read_ready(context) {
                ready.get_inner().drain();
                ready.clear_ready();
                place.is_stale = true;
                outcome = Poll::Ready(());
            }
        }
        outcome
    }

    /// Marks everything as to be read again.
    pub(super) fn distrust(&mut self) {
        self.places.values_mut().for_each(|place| place.is_stale = true);
        self.directory = None;
    }

    /// Reads what may have changed; true if anything was read.
    pub(super) fn refresh(&mut self) -> bool {
        let mut has_changed = self.refresh_names();
        for (name, place) in &mut self.places {
            if std::mem::take(&mut place.is_stale) {
                has_changed = true;
                match read_links(name) {
                    Ok(links) => place.links = links,
                    // It is on its way out, or the next change tells.
                    Err(error) => {
                        tracing::debug!(
                            namespace = name.as_deref(),
                            error = chain(&*error),
                            "links not read"
                        );
                        place.links.clear();
                    }
                }
            }
        }
        has_changed
    }

    /// Where a port is; the one that runs, should two namespaces have a device of that name.
    pub(super) fn find(&self, port: &str) -> Option<&Location> {
        let found = self.places.values().filter_map(|place| place.links.get(port));
        found.max_by_key(|location| location.is_running)
    }

    fn refresh_names(&mut self) -> bool {
        let directory = std::fs::metadata(DIRECTORY).ok().map(|it| (it.mtime(), it.mtime_nsec()));
        if directory != self.directory {
            self.unsettled = UNSETTLED;
        } else if self.unsettled == 0 && !self.places.is_empty() {
            return false;
        }
        self.unsettled = self.unsettled.saturating_sub(1);
        self.directory = directory;
        let names = Namespace::names().unwrap_or_default();
        let wanted: BTreeSet<PlaceName> = names.into_iter().map(Some).chain([None]).collect();
        let before = self.places.len();
        self.places.retain(|name, place| wanted.contains(name) && identity(name) == Some(place.identity));
        let mut unreadable = BTreeMap::new();
        for name in wanted.into_iter().filter(|name| !self.places.contains_key(name)).collect::<Vec<_>>() {
            match Place::open(&name) {
                Ok(place) => {
                    self.places.insert(name, place);
                }
                Err(error) => {
                    // The file appears before the namespace does: look again.
                    self.directory = None;
                    let shown = name.unwrap_or_default();
                    let failures = self.unreadable.get(&shown).map_or(1, |before| before.saturating_add(1));
                    if failures == 2 {
                        tracing::warn!(namespace = shown, error = chain(&*error), "links not watched");
                    }
                    unreadable.insert(shown, failures);
                }
            }
        }
        self.unreadable = unreadable;
        self.places.len() != before || self.places.values().any(|place| place.is_stale)
    }
}

impl Place {
    fn open(name: &PlaceName) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let namespace = open(name)?;
        let identity = identity(name).ok_or("it is gone")?;
        let watch = register(LinkWatch::open(namespace.as_ref())?)?;
        Ok(Self { identity, watch, is_stale: true, links: BTreeMap::new() })
    }
}

/// Opens a socket where a device is.
pub(super) fn open_socket(
    location: &Location,
) -> Result<AsyncFd<Socket>, Box<dyn std::error::Error + Send + Sync>> {
    let namespace = open(&location.place)?;
    Ok(register(Socket::open(namespace.as_ref(), location.index)?)?)
}

fn open(name: &PlaceName) -> Result<Option<Namespace>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(name.as_deref().map(Namespace::named).transpose()?)
}

fn identity(name: &PlaceName) -> Option<u64> {
    match name {
        None => Some(0),
        Some(name) => std::fs::metadata(Path::new(DIRECTORY).join(name)).ok().map(|it| it.ino()),
    }
}

fn read_links(
    name: &PlaceName,
) -> Result<BTreeMap<String, Location>, Box<dyn std::error::Error + Send + Sync>> {
    let namespace = open(name)?;
    let links = Netlink::open(namespace.as_ref())?.links()?;
    let located = links.into_iter().filter_map(|link| {
        let mac = parse_mac(&link.mac)?;
        let location = Location { place: name.clone(), index: link.index, mac, is_running: link.is_running };
        Some((link.name, location))
    });
    Ok(located.collect())
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut parts = text.split(':').map(|part| u8::from_str_radix(part, 16).ok());
    let mut mac = [0; 6];
    for byte in &mut mac {
        *byte = parts.next()??;
    }
    parts.next().is_none().then_some(mac)
}
