//! Pings: a leaf takes nothing from machines of nobody but DHCP and ICMP, so only an echo shows that it is there for them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context as _;
use metal_runtime::clock;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::{Instant, sleep};

use super::expectation::Check;
use super::outcome::{Finding, Verdict};
use super::place::Place;
use super::wire::Wire;

/// How long an answer may take at first; a round later, longer.
const PATIENCE: Duration = Duration::from_millis(250);
const TRIES: u32 = 4;
const LOOK: Duration = Duration::from_millis(2);
const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// Type, code, checksum, identifier, sequence number.
const HEAD: usize = 8;

/// Asks each, again until it is answered; says which were. All are IPv4.
pub async fn ping(wire: &Wire, checks: &[Check]) -> anyhow::Result<Vec<bool>> {
    let run = u16::from_le_bytes(clock::random::<2>());
    let mut asked = Vec::new();
    for (check, number) in checks.iter().zip(0..) {
        let place = wire.place_of(&check.from).map(|place| &wire.places()[place]);
        let place = place.with_context(|| format!("{} is no node", check.from))?;
        let socket = open(place).with_context(|| format!("open a socket for pings in {}", place.label()))?;
        asked.push((socket, check.to, number, false));
    }
    for round in 0..TRIES {
        for (socket, to, number, _) in asked.iter().filter(|(.., is_answered)| !is_answered) {
            // One that cannot be sent is not answered either.
            let _ = socket.send_to(&request(run, *number), SocketAddr::new(*to, 0));
        }
        let end = Instant::now() + PATIENCE * (round + 1);
        while asked.iter().any(|(.., is_answered)| !is_answered) && Instant::now() < end {
            sleep(LOOK).await;
            for (socket, to, number, is_answered) in &mut asked {
                *is_answered |= is_there(socket, *to, run, *number);
            }
        }
    }
    Ok(asked.into_iter().map(|(.., is_answered)| is_answered).collect())
}

/// What an answer or none says.
pub fn judge(check: &Check, is_answered: bool) -> (Verdict, Option<Finding>) {
    let verdict = match (is_answered, check.expectation.must) {
        (true, _) => Verdict::Reached,
        (false, false) => Verdict::Apart,
        (false, true) => Verdict::Blocked,
    };
    let only: Vec<&str> = check.expectation.only.iter().map(String::as_str).collect();
    let finding = (verdict == Verdict::Blocked).then(|| Finding {
        at: clock::now(),
        part: "ping".to_owned(),
        from: check.from.clone(),
        to: check.to,
        happened: "was not answered".to_owned(),
        expected: format!("to be answered by {}", only.join(" or ")),
        why: check.why.to_owned(),
    });
    (verdict, finding)
}

fn open(place: &Place) -> io::Result<UdpSocket> {
    let raw = Type::RAW.nonblocking().cloexec();
    let entered = place.network.enter(|| Socket::new(Domain::IPV4, raw, Some(Protocol::ICMPV4)));
    // The type offers what is needed; the kernel does not care which socket it is.
    Ok(UdpSocket::from(entered.map_err(io::Error::other)??))
}

fn request(run: u16, number: u16) -> [u8; HEAD] {
    let mut packet = [0; HEAD];
    packet[0] = REQUEST;
    packet[4..6].copy_from_slice(&run.to_be_bytes());
    packet[6..8].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn checksum(packet: &[u8; HEAD]) -> u16 {
    let words = packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("carries are added twice")
}

/// Whether the answer is among what has come; a raw socket gets everybody's.
fn is_there(socket: &UdpSocket, to: IpAddr, run: u16, number: u16) -> bool {
    let mut buffer = [0; 256];
    let mut is_there = false;
    // Bounded, so that a socket that only ever fails holds up nobody.
    for _ in 0..1024 {
        match socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                is_there |= answer(&buffer[..length])
                    .is_some_and(|(source, id, sequence)| (to, run, number) == (source.into(), id, sequence));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => {}
        }
    }
    is_there
}

/// Who answers which request, from a packet with its IP header.
fn answer(packet: &[u8]) -> Option<(Ipv4Addr, u16, u16)> {
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let icmp = packet.get(usize::from(packet[0] & 0x0f) * 4..)?;
    let word = |at: usize| Some(u16::from_be_bytes(icmp.get(at..at + 2)?.try_into().ok()?));
    (icmp.first() == Some(&REPLY)).then_some(())?;
    Some((source.into(), word(4)?, word(6)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_sums_up_to_nothing_and_its_answer_is_known() {
        let packet = request(0xfffe, 0x0102);
        assert_eq!(packet[2..4], [0xf6, 0xfe], "the one's complement of 0x0800 + 0xfffe + 0x0102");
        let mut answered = vec![0x45; 12];
        answered.extend([10, 0, 1, 1]);
        answered.extend([10, 0, 1, 100]);
        answered.extend(packet);
        assert_eq!(answer(&answered), None, "a request is no answer");
        answered[20] = REPLY;
        assert_eq!(answer(&answered), Some((Ipv4Addr::new(10, 0, 1, 1), 0xfffe, 0x0102)));
        assert_eq!(answer(&answered[..26]), None);
    }
}
