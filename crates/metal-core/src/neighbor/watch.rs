//! The task that speaks and listens on all ports.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use metal_linux::lldp::Frame;
use metal_runtime::{TaskTree, clock};
use tokio::sync::{mpsc, watch};

use super::phone_home::PhoneHomes;
use super::place::Places;
use super::port::Port;
use super::table::Table;
use super::{Identity, Neighbor, Pace, PhoneHome, Ports};

/// How often the directory of namespaces is looked at, which tells of no changes by itself.
const LOOK: Duration = Duration::from_millis(500);

/// How often everything is read again although nothing seems to have changed.
const DISTRUST: Duration = Duration::from_secs(30);

/// How many phone-homes may wait to be taken; more are told with a later frame.
const WAITING: usize = 256;

/// Speaks and listens on all ports.
#[derive(Debug)]
pub struct NeighborWatch {
    pace: Pace,
    ports: watch::Receiver<Ports>,
    identity: watch::Receiver<Identity>,
    neighbors: watch::Sender<BTreeMap<String, Neighbor>>,
    calls: mpsc::Sender<PhoneHome>,
}

/// The other side of a [`NeighborWatch`].
#[derive(Debug)]
pub struct NeighborHandle {
    /// Which ports to serve; may be changed at any time.
    pub ports: watch::Sender<Ports>,
    /// Who we say we are; may be changed at any time, and is then said at once.
    pub identity: watch::Sender<Identity>,
    /// The neighbours by port.
    pub neighbors: watch::Receiver<BTreeMap<String, Neighbor>>,
    /// Machines that phone home: new ones at once, repeated ones once in a while.
    pub phone_homes: mpsc::Receiver<PhoneHome>,
}

struct State {
    pace: Pace,
    ports: BTreeMap<String, (String, Port)>,
    places: Places,
    table: Table,
    calls: PhoneHomes,
    distrust_at: Instant,
}

impl NeighborWatch {
    /// Prepares to serve these ports under this identity.
    #[must_use]
    pub fn new(pace: Pace, ports: Ports, identity: Identity) -> (Self, NeighborHandle) {
        let (port_setter, ports) = watch::channel(ports);
        let (identity_setter, identity) = watch::channel(identity);
        let (neighbors, neighbor_reader) = watch::channel(BTreeMap::new());
        let (calls, phone_homes) = mpsc::channel(WAITING);
        let handle = NeighborHandle {
            ports: port_setter,
            identity: identity_setter,
            neighbors: neighbor_reader,
            phone_homes,
        };
        (Self { pace, ports, identity, neighbors, calls }, handle)
    }

    /// Starts the task; it ends with the tree, saying goodbye to the neighbours.
    pub fn run(self, tree: &TaskTree) {
        let watched = tree.clone();
        tree.spawn_essential("neighbors", async move { self.serve(&watched).await });
    }

    async fn serve(mut self, tree: &TaskTree) {
        let mut state = State {
            pace: self.pace,
            ports: BTreeMap::new(),
            places: Places::default(),
            table: Table::default(),
            calls: PhoneHomes::default(),
            distrust_at: clock::monotonic() + DISTRUST,
        };
        state.set_ports(&self.ports.borrow_and_update());
        loop {
            state.look();
            state.speak(&self.identity.borrow());
            self.tell(&state.table);
            let wake = tokio::time::Instant::from_std(state.next());
            tokio::select! {
                () = tree.cancelled() => break,
                () = tokio::time::sleep_until(wake) => {}
                heard = poll_fn(|context| state.poll(context)) => self.take(&mut state, heard),
                Ok(()) = self.ports.changed() => state.set_ports(&self.ports.borrow_and_update()),
                Ok(()) = self.identity.changed() => state.hurry(),
            }
        }
        let identity = self.identity.borrow();
        for (name, (description, port)) in &state.ports {
            port.say_goodbye(name, description, &identity);
        }
    }

    fn take(&self, state: &mut State, heard: Vec<(String, Frame)>) {
        let now = clock::monotonic();
        for (name, frame) in heard {
            if state.table.hear(&name, &frame, now, clock::now())
                && let Some((_, port)) = state.ports.get_mut(&name)
            {
                port.hurry(now);
            }
            if let Some(call) = state.calls.consider(&name, &frame, now, state.pace.repeat)
                && self.calls.try_send(call.clone()).is_ok()
            {
                state.calls.told(call, now);
            }
        }
    }

    fn tell(&self, table: &Table) {
        let neighbors = table.neighbors();
        self.neighbors.send_if_modified(|before| {
            let has_changed = *before != neighbors;
            if has_changed {
                *before = neighbors;
            }
            has_changed
        });
    }
}

impl State {
    fn set_ports(&mut self, wanted: &Ports) {
        let now = clock::monotonic();
        let mut before = std::mem::take(&mut self.ports);
        for (name, description) in wanted {
            let port = before.remove(name).map(|(_, port)| port).unwrap_or_default();
            self.ports.insert(name.clone(), (description.clone(), port));
        }
        before.keys().for_each(|name| self.table.lose_link(name, now));
        self.places.distrust();
    }

    /// Reads what changed, in a few milliseconds at most, and settles the ports accordingly.
    fn look(&mut self) {
        let now = clock::monotonic();
        if self.distrust_at <= now {
            self.distrust_at = now + DISTRUST;
            self.places.distrust();
        }
        if self.places.refresh() {
            for (name, (_, port)) in &mut self.ports {
                if port.settle(name, &self.places, now) {
                    self.table.lose_link(name, now);
                }
            }
        }
        self.table.age(now);
    }

    fn speak(&mut self, identity: &Identity) {
        let now = clock::monotonic();
        for (name, (description, port)) in &mut self.ports {
            port.speak(description, name, identity, &self.pace, now);
        }
    }

    fn hurry(&mut self) {
        let now = clock::monotonic();
        self.ports.values_mut().for_each(|(_, port)| port.hurry(now));
    }

    fn next(&self) -> Instant {
        let look = clock::monotonic() + LOOK;
        let ports = self.ports.values().filter_map(|(_, port)| port.next());
        ports.chain(self.table.next()).fold(look, Instant::min)
    }

    /// What was heard; ready with nothing if links changed.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Vec<(String, Frame)>> {
        let has_changed = self.places.poll_changed(context).is_ready();
        let mut heard = Vec::new();
        for (name, (_, port)) in &mut self.ports {
            if let Poll::Ready(frames) = port.poll_hear(context) {
                heard.extend(frames.into_iter().map(|frame| (name.clone(), frame)));
            }
        }
        if has_changed || !heard.is_empty() { Poll::Ready(heard) } else { Poll::Pending }
    }
}
