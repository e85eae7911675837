//! The task that passes messages on.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metal_netboot::dhcp::{CLIENT_PORT, Direction, Message, SERVER_PORT};
use metal_netboot::relay::{self, Decision, Destination};
use metal_runtime::{TaskTree, chain, clock};
use tokio::time::MissedTickBehavior;

use super::limit::Limiter;
use super::socket::{Sockets, read_interface};
use super::{Counters, RelaySettings};

/// How often the interface is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Messages are smaller than this on any link.
const LARGEST: usize = 4096;

/// The relay.
#[derive(Debug)]
pub struct Relay {
    settings: RelaySettings,
    counters: Arc<Counters>,
}

struct State {
    settings: RelaySettings,
    counters: Arc<Counters>,
    limiter: Limiter,
    sockets: Option<Sockets>,
    /// What was last complained about, so that a lasting trouble is told once.
    complaint: Option<String>,
}

/// A message and which side it came from.
struct Heard {
    length: usize,
    from: SocketAddr,
    is_clients_side: bool,
}

impl Relay {
    /// Prepares to relay; needs no interface yet.
    #[must_use]
    pub fn new(settings: RelaySettings) -> Self {
        Self { settings, counters: Arc::default() }
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Starts the task; it ends with the tree.
    pub fn run(self, tree: &TaskTree) {
        let watched = tree.clone();
        let state = State {
            settings: self.settings,
            counters: self.counters,
            limiter: Limiter::default(),
            sockets: None,
            complaint: None,
        };
        tree.spawn_essential("dhcp-relay", async move { state.serve(&watched).await });
    }
}

impl State {
    async fn serve(mut self, tree: &TaskTree) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = vec![0; LARGEST];
        loop {
            let heard = tokio::select! {
                () = tree.cancelled() => return,
                _ = look.tick() => {
                    self.follow();
                    continue;
                }
                heard = hear(self.sockets.as_ref(), &mut buffer) => heard,
            };
            match heard {
                Ok(heard) => self.relay(&buffer[..heard.length], &heard).await,
                // The interface went away, or a server was not reachable: the next look tells.
                Err(error) => {
                    self.complain(&chain(&error));
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Opens the sockets anew if the interface is not what it was.
    fn follow(&mut self) {
        let interface = match read_interface(&self.settings.interface) {
            Ok(interface) => interface,
            Err(error) => return self.complain(&chain(&error)),
        };
        if interface == self.sockets.as_ref().map(|sockets| sockets.interface) {
            return;
        }
        self.sockets = None;
        let Some(interface) = interface else {
            return self.complain("the interface is missing or has no IPv4 address");
        };
        match Sockets::open(&self.settings.interface, interface) {
            Ok(sockets) => {
                let address = interface.address.to_string();
                tracing::info!(interface = self.settings.interface, address, "dhcp relay ready");
                self.sockets = Some(sockets);
                self.complaint = None;
            }
            Err(error) => self.complain(&chain(&error)),
        }
    }

    fn complain(&mut self, error: &str) {
        if self.complaint.as_deref() != Some(error) {
            tracing::warn!(interface = self.settings.interface, error, "dhcp relay in trouble");
            self.complaint = Some(error.to_owned());
        }
    }

    async fn relay(&mut self, packet: &[u8], heard: &Heard) {
        let Some(sockets) = &self.sockets else { return };
        let decisions = relay::RelaySettings {
            address: sockets.interface.address,
            circuit_id: self.settings.interface.clone(),
            remote_id: self.settings.remote_id.clone(),
            most_hops: self.settings.most_hops,
        };
        // A server may be on the machines' side, too, and then its replies arrive there.
        let is_server = matches!(heard.from.ip(), IpAddr::V4(from) if self.settings.servers.contains(&from));
        let message = match Message::parse(packet) {
            Ok(message) => message,
            Err(error) => return self.counters.refuse(relay::Refusal::Malformed(error)),
        };
        if message.direction() == Direction::Request {
            if !heard.is_clients_side {
                return self.counters.refuse(relay::Refusal::WrongSide);
            }
            if !self.limiter.allow(message.hardware_address(), clock::monotonic()) {
                return Counters::count(&self.counters.too_fast);
            }
            match relay::to_server(packet, &decisions) {
                Decision::Forward(bytes) => self.ask(&bytes).await,
                Decision::Drop(refusal) => self.counters.refuse(refusal),
            }
        } else if is_server {
            match relay::to_client(packet, &decisions) {
                Decision::Forward((bytes, destination)) => self.answer(&bytes, destination).await,
                Decision::Drop(refusal) => self.counters.refuse(refusal),
            }
        } else if heard.is_clients_side {
            self.counters.refuse(relay::Refusal::WrongSide);
        } else {
            Counters::count(&self.counters.stranger);
        }
    }

    async fn ask(&mut self, bytes: &[u8]) {
        let Some(sockets) = &self.sockets else { return };
        let mut failure = None;
        for server in &self.settings.servers {
            match sockets.servers.send_to(bytes, (*server, SERVER_PORT)).await {
                Ok(_) => Counters::count(&self.counters.requests),
                Err(error) => {
                    Counters::count(&self.counters.unsendable);
                    failure = Some(format!("send to server {server}: {}", chain(&error)));
                }
            }
        }
        self.settle(failure);
    }

    async fn answer(&mut self, bytes: &[u8], destination: Destination) {
        let Some(sockets) = &self.sockets else { return };
        let to = match destination {
            Destination::Broadcast => Ipv4Addr::BROADCAST,
            Destination::Client(address) => address,
        };
        let outcome = sockets.clients.send_to(bytes, (to, CLIENT_PORT)).await;
        let counter = if outcome.is_ok() { &self.counters.replies } else { &self.counters.unsendable };
        Counters::count(counter);
        self.settle(outcome.err().map(|error| format!("send to client {to}: {}", chain(&error))));
    }

    /// Remembers how sending went.
    fn settle(&mut self, failure: Option<String>) {
        match failure {
            Some(failure) => self.complain(&failure),
            None => self.complaint = None,
        }
    }
}

/// The next message of either side; none as long as there are no sockets.
async fn hear(sockets: Option<&Sockets>, buffer: &mut [u8]) -> io::Result<Heard> {
    let Some(sockets) = sockets else { return pending().await };
    loop {
        let is_clients_side = tokio::select! {
            ready = sockets.clients.readable() => ready.map(|()| true)?,
            ready = sockets.servers.readable() => ready.map(|()| false)?,
        };
        let socket = if is_clients_side { &sockets.clients } else { &sockets.servers };
        match socket.try_recv_from(buffer) {
            Ok((length, from)) => return Ok(Heard { length, from, is_clients_side }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
