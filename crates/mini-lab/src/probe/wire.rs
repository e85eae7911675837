//! Trying it on the wire: packets with a run's number in them are sent, every routing table of every node listens, and
//! whoever gets one says so. What arrives is recorded where it arrives, so that a one-way leak is seen although no answer
//! can come back.
//!
//! A packet may be lost and be none the worse: what must arrive is sent again before it is called blocked. What must
//! not arrive is sent twice, and one arrival is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};
use metal_runtime::clock;
use tokio::time::{Instant, sleep};

use super::place::{Manner, Place};

const MAGIC: &[u8; 8] = b"metalprb";
const HEAD: usize = 8 + 1 + 8 + 4;
/// Longer than any packet we send.
const LONGEST: usize = 9216;
/// Between two looks at all sockets.
const LOOK: Duration = Duration::from_millis(2);
/// How long a packet may be under way at first; a round later, longer.
const PATIENCE: Duration = Duration::from_millis(250);
/// So often what must arrive is sent.
const TRIES: u32 = 4;
/// So often what must not arrive is sent: addresses of the next hops are resolved with the first.
const FORBIDDEN_TRIES: u32 = 2;
/// Packets sent between two looks, so that no buffer overflows.
const BURST: usize = 24;

/// A packet to be sent.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Index of the place it leaves from.
    pub from: usize,
    pub to: IpAddr,
    /// The link of a link-local address.
    pub scope: u32,
    pub manner: Manner,
    /// Octets of payload; the least if 0.
    pub size: usize,
    /// Whether it is sent until it is answered; otherwise twice.
    pub must: bool,
    /// Whether an answer is wanted, which only packets sent in the plain manner can have: nobody listens for one on the
    /// other sockets, and one to a forged source would go to somebody who has not asked.
    pub answer: bool,
}

impl Shot {
    /// A quiet one that need not arrive, sent as the place would send it.
    pub fn to(from: usize, to: IpAddr) -> Self {
        Self { from, to, scope: 0, manner: Manner::default(), size: 0, must: false, answer: false }
    }
}

/// What became of a packet, all tries together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Places it arrived at, by index.
    pub arrived: BTreeSet<usize>,
    /// Where it came from, as the receiver saw it.
    pub sources: BTreeSet<IpAddr>,
    /// Places whose answer came back.
    pub answered: BTreeSet<usize>,
    /// Why it was not sent, if it never was.
    pub unsent: Option<String>,
}

impl Hit {
    fn is_settled(&self, shot: &Shot) -> bool {
        if shot.answer { !self.answered.is_empty() } else { !self.arrived.is_empty() }
    }
}

/// Sockets in all places.
#[derive(Debug)]
pub struct Wire {
    run: u64,
    port: u16,
    places: Vec<Place>,
    sockets: Vec<[UdpSocket; 2]>,
    hits: BTreeMap<u32, Hit>,
    next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Wants an answer.
    Call,
    /// Wants none.
    Quiet,
    /// From the place that was called.
    Answer,
}

impl Wire {
    /// Listens in all places, on one port that is free in each.
    pub fn open(places: Vec<Place>) -> anyhow::Result<Self> {
        for _ in 0..16 {
            let port = 20_000 + u16::from_le_bytes(clock::random::<2>()) % 10_000;
            let sockets: io::Result<Vec<[UdpSocket; 2]>> = places
                .iter()
                .map(|place| {
                    let open = |is_v4| place.socket(is_v4, port, &Manner::default()).map(UdpSocket::from);
                    Ok([open(true)?, open(false)?])
                })
                .collect();
            match sockets {
                Ok(sockets) => {
                    let run = u64::from_le_bytes(clock::random::<8>());
                    return Ok(Self { run, port, places, sockets, hits: BTreeMap::new(), next: 0 });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error).context("listen in all nodes"),
            }
        }
        bail!("find a port that is free in all nodes")
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The place that is a node's own table.
    pub fn place_of(&self, node: &str) -> Option<usize> {
        self.places.iter().position(|place| place.node == node && place.table.is_empty())
    }

    /// Names of the nodes behind places.
    pub fn nodes(&self, places: &BTreeSet<usize>) -> BTreeSet<String> {
        places.iter().map(|place| self.places[*place].node.clone()).collect()
    }

    /// Sends everything as often as it takes; one hit for each shot.
    pub async fn fire(&mut self, shots: &[Shot]) -> anyhow::Result<Vec<Hit>> {
        let first = self.next;
        let count = u32::try_from(shots.len()).context("count the packets")?;
        self.next = first.checked_add(count).context("count the packets")?;
        self.hits.clear();
        self.hits.extend((first..self.next).map(|number| (number, Hit::default())));
        for round in 0..TRIES {
            let wanted: Vec<(u32, &Shot)> =
                (first..)
                    .zip(shots)
                    .filter(|(number, shot)| {
                        if shot.must { !self.hits[number].is_settled(shot) } else { round < FORBIDDEN_TRIES }
                    })
                    .collect();
            if wanted.is_empty() {
                break;
            }
            self.send_all(&wanted)?;
            self.listen(&wanted, PATIENCE * (round + 1)).await;
        }
        Ok(std::mem::take(&mut self.hits).into_values().collect())
    }

    fn send_all(&mut self, wanted: &[(u32, &Shot)]) -> anyhow::Result<()> {
        // A socket of its own for each manner, one after the other, so that few are open at once.
        let mut held: Option<(usize, bool, Manner, UdpSocket)> = None;
        for (index, (number, shot)) in wanted.iter().enumerate() {
            if index % BURST == 0 {
                self.sweep();
            }
            let is_v4 = shot.to.is_ipv4();
            let sent = if shot.manner == Manner::default() {
                self.send(&self.sockets[shot.from][usize::from(!is_v4)], *number, shot)
            } else {
                let fits = |(from, family, manner, _): &(usize, bool, Manner, UdpSocket)| {
                    (*from, *family, manner) == (shot.from, is_v4, &shot.manner)
                };
                if !held.as_ref().is_some_and(fits) {
                    let place = &self.places[shot.from];
                    let socket = place.socket(is_v4, 0, &shot.manner);
                    let socket = socket.with_context(|| format!("open a socket in {}", place.label()))?;
                    held = Some((shot.from, is_v4, shot.manner.clone(), socket.into()));
                }
                let (.., socket) = held.as_ref().expect("it was just opened");
                self.send(socket, *number, shot)
            };
            let hit = self.hits.get_mut(number).expect("every number has a hit");
            match sent {
                Ok(()) => hit.unsent = None,
                Err(error) => hit.unsent = Some(error.to_string()),
            }
        }
        Ok(())
    }

    fn send(&self, socket: &UdpSocket, number: u32, shot: &Shot) -> io::Result<()> {
        let kind = if shot.answer { Kind::Call } else { Kind::Quiet };
        let mut packet = encode(kind, self.run, number);
        packet.resize(shot.size.max(HEAD), 0);
        let to = match shot.to {
            IpAddr::V6(to) if shot.scope != 0 => SocketAddrV6::new(to, self.port, 0, shot.scope).into(),
            to => SocketAddr::new(to, self.port),
        };
        socket.send_to(&packet, to).map(drop)
    }

    /// Collects until nothing is missing or patience ends.
    async fn listen(&mut self, wanted: &[(u32, &Shot)], patience: Duration) {
        let end = Instant::now() + patience;
        let has_forbidden = wanted.iter().any(|(_, shot)| !shot.must);
        loop {
            self.sweep();
            let is_settled = || wanted.iter().all(|(number, shot)| self.hits[number].is_settled(shot));
            if Instant::now() >= end || (!has_forbidden && is_settled()) {
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Takes what has arrived anywhere.
    fn sweep(&mut self) {
        // Calls first: their answers may be there already when their sender is looked at again.
        let sockets = std::mem::take(&mut self.sockets);
        for (place, pair) in sockets.iter().enumerate() {
            for socket in pair {
                self.drain(place, socket);
            }
        }
        self.sockets = sockets;
    }

    fn drain(&mut self, place: usize, socket: &UdpSocket) {
        let mut buffer = [0; LONGEST];
        // Bounded, so that a socket that only ever fails holds up nobody.
        for _ in 0..4096 {
            let (length, source) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Somebody said by ICMP that an earlier packet did not get through; there may be more behind it.
                Err(_) => continue,
            };
            let Some((kind, run, number)) = decode(&buffer[..length]) else { continue };
            let Some(hit) = self.hits.get_mut(&number).filter(|_| run == self.run) else { continue };
            match kind {
                Kind::Answer => {
                    let by =
                        buffer.get(HEAD..HEAD + 4).and_then(|by| by.try_into().ok()).map(u32::from_le_bytes);
                    hit.answered.extend(by.and_then(|by| usize::try_from(by).ok()));
                }
                Kind::Call | Kind::Quiet => {
                    hit.arrived.insert(place);
                    hit.sources.insert(source.ip());
                }
            }
            if kind == Kind::Call {
                let mut answer = encode(Kind::Answer, run, number);
                answer.extend(u32::try_from(place).unwrap_or(u32::MAX).to_le_bytes());
                // The way back may be missing; then the asker finds out.
                let _ = socket.send_to(&answer, source);
            }
        }
    }
}

fn encode(kind: Kind, run: u64, number: u32) -> Vec<u8> {
    let mut packet = MAGIC.to_vec();
    packet.push(match kind {
        Kind::Call => b'c',
        Kind::Quiet => b'q',
        Kind::Answer => b'a',
    });
    packet.extend(run.to_le_bytes());
    packet.extend(number.to_le_bytes());
    packet
}

fn decode(packet: &[u8]) -> Option<(Kind, u64, u32)> {
    let rest = packet.strip_prefix(MAGIC)?;
    let kind = match rest.first()? {
        b'c' => Kind::Call,
        b'q' => Kind::Quiet,
        b'a' => Kind::Answer,
        _ => return None,
    };
    let run = u64::from_le_bytes(rest.get(1..9)?.try_into().ok()?);
    let number = u32::from_le_bytes(rest.get(9..13)?.try_into().ok()?);
    Some((kind, run, number))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
