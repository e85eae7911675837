//! The DHCPv4 message (RFC 2131), as far as one who passes it on has to understand it.
//!
//! The fixed part is changed in place and the options are copied as they are, so that nothing a relay does not know is
//! lost or reordered. Every access is checked against the length; a message of a stranger can be anything.

use std::net::Ipv4Addr;

/// The port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;

/// The length of the fixed part with the magic number.
const FIXED: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Some old clients discard messages that are shorter.
const SHORTEST: usize = 300;

const PAD: u8 = 0;
const END: u8 = 255;
const MESSAGE_TYPE: u8 = 53;
const RELAY_INFORMATION: u8 = 82;

const HARDWARE_LENGTH: usize = 2;
const HOPS: usize = 3;
const FLAGS: usize = 10;
const CIADDR: usize = 12;
const YIADDR: usize = 16;
const GIADDR: usize = 24;
const HARDWARE: usize = 28;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A client.
    Request,
    /// A server.
    Reply,
}

/// Why bytes are not a DHCPv4 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Shorter than the fixed part.
    #[error("it is shorter than the fixed part")]
    Short,
    /// BOOTP without DHCP, or something else.
    #[error("the magic number is missing")]
    Magic,
    /// Neither request nor reply.
    #[error("it is neither a request nor a reply")]
    Direction,
    /// A hardware address that is longer than its field.
    #[error("the hardware address is too long")]
    Hardware,
    /// An option says it is longer than what follows.
    #[error("option {0} is cut off")]
    Option(u8),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    fixed: [u8; FIXED],
    direction: Direction,
    /// In order, without padding and end.
    options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// Reads a UDP payload. A missing end option is tolerated.
    ///
    /// # Errors
    /// Fails when it is no well-formed DHCPv4 message.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED>().ok_or(MessageError::Short)?;
        let direction = match fixed[0] {
            1 => Direction::Request,
            2 => Direction::Reply,
            _ => return Err(MessageError::Direction),
        };
        if fixed[HARDWARE_LENGTH] > 16 {
            return Err(MessageError::Hardware);
        }
        if fixed[FIXED - 4..] != MAGIC {
            return Err(MessageError::Magic);
        }
        let mut options = Vec::new();
        while let Some((&code, after)) = rest.split_first() {
            match code {
                PAD => rest = after,
                END => break,
                _ => {
                    let (&length, after) = after.split_first().ok_or(MessageError::Option(code))?;
                    let value = after.split_at_checked(length.into()).ok_or(MessageError::Option(code))?;
                    options.push((code, value.0.to_vec()));
                    rest = value.1;
                }
            }
        }
        Ok(Self { fixed: *fixed, direction, options })
    }

    /// The UDP payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.fixed.to_vec();
        for (code, value) in &self.options {
            let length = u8::try_from(value.len()).expect("options come from a byte of length");
            bytes.extend([*code, length]);
            bytes.extend_from_slice(value);
        }
        bytes.push(END);
        bytes.resize(bytes.len().max(SHORTEST), PAD);
        bytes
    }

    /// Who speaks.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// How many relays it has passed.
    #[must_use]
    pub fn hops(&self) -> u8 {
        self.fixed[HOPS]
    }

    /// Counts a relay.
    pub fn add_hop(&mut self) {
        self.fixed[HOPS] = self.fixed[HOPS].saturating_add(1);
    }

    /// The client's address, if it has one and can answer for it.
    #[must_use]
    pub fn client_address(&self) -> Ipv4Addr {
        self.address(CIADDR)
    }

    /// The address the server gives the client.
    #[must_use]
    pub fn your_address(&self) -> Ipv4Addr {
        self.address(YIADDR)
    }

    /// The first relay's address; unspecified before the first relay.
    #[must_use]
    pub fn relay_address(&self) -> Ipv4Addr {
        self.address(GIADDR)
    }

    /// Sets the relay's address.
    pub fn set_relay_address(&mut self, address: Ipv4Addr) {
        self.fixed[GIADDR..GIADDR + 4].copy_from_slice(&address.octets());
    }

    /// Whether the client wants the answer by broadcast.
    #[must_use]
    pub fn wants_broadcast(&self) -> bool {
        self.fixed[FLAGS] & 0x80 != 0
    }

    /// The client's hardware address.
    #[must_use]
    pub fn hardware_address(&self) -> &[u8] {
        let length = usize::from(self.fixed[HARDWARE_LENGTH]).min(16);
        &self.fixed[HARDWARE..HARDWARE + length]
    }

    /// The message type of option 53 (1 discover, 2 offer, 3 request, 5 ack, 6 nak ...), if there is one.
    #[must_use]
    pub fn kind(&self) -> Option<u8> {
        self.option(MESSAGE_TYPE).and_then(|value| value.first().copied())
    }

    /// What relays have added (option 82).
    #[must_use]
    pub fn relay_information(&self) -> Option<&[u8]> {
        self.option(RELAY_INFORMATION)
    }

    /// Adds what we have to add as a relay, last as RFC 3046 asks.
    pub fn set_relay_information(&mut self, information: &[u8]) {
        self.strip_relay_information();
        let length = information.len().min(255);
        self.options.push((RELAY_INFORMATION, information[..length].to_vec()));
    }

    /// Takes it away again.
    pub fn strip_relay_information(&mut self) {
        self.options.retain(|(code, _)| *code != RELAY_INFORMATION);
    }

    fn option(&self, wanted: u8) -> Option<&[u8]> {
        self.options.iter().find(|(code, _)| *code == wanted).map(|(_, value)| value.as_slice())
    }

    fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::new(self.fixed[at], self.fixed[at + 1], self.fixed[at + 2], self.fixed[at + 3])
    }
}
