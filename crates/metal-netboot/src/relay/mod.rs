//! What a DHCPv4 relay does with a message: RFC 1542 section 4 and RFC 3046, as decisions.
//!
//! Clients are machines that may be hostile. A request that claims to have passed a relay, or carries what only a relay
//! may add, is dropped: the only thing behind our interface is machines. A reply is passed on only if it says that it
//! came through us.

#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use crate::dhcp::{Direction, Message, MessageError};

const CIRCUIT_ID: u8 = 1;
const REMOTE_ID: u8 = 2;

/// The relay's properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// The address of the interface towards the clients: where servers send replies to.
    pub address: Ipv4Addr,
    /// Where clients are attached, for the server; at most 100 bytes count.
    pub circuit_id: String,
    /// Who we are, for the server; at most 100 bytes count.
    pub remote_id: String,
    /// A request that has passed this many relays is dropped; 1 to 16.
    pub most_hops: u8,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To everybody on the interface; the client has no address it could be reached at.
    Broadcast,
    /// To the client's own address.
    Client(Ipv4Addr),
}

/// Why a message is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no DHCPv4 message.
    #[error("it is malformed")]
    Malformed(#[source] MessageError),
    /// A reply from the clients' side, or a request from the servers'.
    #[error("it comes from the wrong side")]
    WrongSide,
    /// It has passed too many relays.
    #[error("it has passed too many relays")]
    TooManyHops,
    /// A client pretends to be a relay.
    #[error("the client claims to be a relay")]
    Forged,
    /// A reply to a request that came not through us.
    #[error("the reply is for another relay")]
    NotOurs,
}

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// Send this.
    Forward(T),
    /// Nothing, for this reason.
    Drop(Refusal),
}

/// A client's message, for all servers.
#[must_use]
pub fn to_server(packet: &[u8], settings: &RelaySettings) -> Decision<Vec<u8>> {
    decide(request(packet, settings))
}

/// A server's message, for a client.
#[must_use]
pub fn to_client(packet: &[u8], settings: &RelaySettings) -> Decision<(Vec<u8>, Destination)> {
    decide(reply(packet, settings))
}

fn decide<T>(outcome: Result<T, Refusal>) -> Decision<T> {
    match outcome {
        Ok(bytes) => Decision::Forward(bytes),
        Err(refusal) => Decision::Drop(refusal),
    }
}

fn request(packet: &[u8], settings: &RelaySettings) -> Result<Vec<u8>, Refusal> {
    let mut message = Message::parse(packet).map_err(Refusal::Malformed)?;
    if message.direction() != Direction::Request {
        return Err(Refusal::WrongSide);
    }
    if message.hops() >= settings.most_hops {
        return Err(Refusal::TooManyHops);
    }
    if !message.relay_address().is_unspecified() || message.relay_information().is_some() {
        return Err(Refusal::Forged);
    }
    message.add_hop();
    message.set_relay_address(settings.address);
    message.set_relay_information(&information(settings));
    Ok(message.encode())
}

fn reply(packet: &[u8], settings: &RelaySettings) -> Result<(Vec<u8>, Destination), Refusal> {
    let mut message = Message::parse(packet).map_err(Refusal::Malformed)?;
    if message.direction() != Direction::Reply {
        return Err(Refusal::WrongSide);
    }
    let echo = message.relay_information();
    // A server may leave out what it does not understand, but not send back something else.
    if message.relay_address() != settings.address || echo.is_some_and(|it| it != information(settings)) {
        return Err(Refusal::NotOurs);
    }
    message.strip_relay_information();
    let client = message.client_address();
    let has_address = !client.is_unspecified() && !client.is_broadcast() && !client.is_multicast();
    // A refusal is broadcast: the client's address is the one it must no longer use.
    let is_nak = message.kind() == Some(6);
    let destination =
        if has_address && !is_nak { Destination::Client(client) } else { Destination::Broadcast };
    Ok((message.encode(), destination))
}

fn information(settings: &RelaySettings) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, text) in [(CIRCUIT_ID, &settings.circuit_id), (REMOTE_ID, &settings.remote_id)] {
        let value = &text.as_bytes()[..text.len().min(100)];
        bytes.extend([code, u8::try_from(value.len()).expect("at most 100")]);
        bytes.extend_from_slice(value);
    }
    bytes
}
