//! The LLDP data unit of IEEE 802.1AB, between bytes and values.
//!
//! What arrives was written by whoever is at the other end of the cable. What is unknown is skipped, what is malformed is
//! refused, and texts lose their control characters, because they end up in logs and on terminals.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const TTL: u8 = 3;
const PORT_DESCRIPTION: u8 = 4;
const SYSTEM_NAME: u8 = 5;
const SYSTEM_DESCRIPTION: u8 = 6;
const CAPABILITIES: u8 = 7;
const MANAGEMENT: u8 = 8;

/// The longest text or identifier the standard allows.
const LONGEST: usize = 255;

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which device speaks.
    pub chassis_id: ChassisId,
    /// On which of its ports.
    pub port_id: PortId,
    /// For how many seconds this holds; 0 takes back what was said before.
    pub ttl: u16,
    /// The port in words.
    pub port_description: Option<String>,
    /// The device's name.
    pub system_name: Option<String>,
    /// The device in words.
    pub system_description: Option<String>,
    /// What kind of device it is.
    pub capabilities: Option<Capabilities>,
    /// Where to manage it.
    pub management_address: Option<IpAddr>,
}

/// What a device can be and what it is, as bits of the standard (4 bridge, 16 router, 128 station).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What it can be.
    pub available: u16,
    /// What it is.
    pub enabled: u16,
}

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChassisId {
    /// One of its hardware addresses.
    Mac([u8; 6]),
    /// One of its interfaces.
    InterfaceName(String),
    /// A name of its own choice.
    Local(String),
    /// Another kind.
    Other {
        /// The standard's number for the kind.
        subtype: u8,
        /// As sent.
        value: Vec<u8>,
    },
}

/// Which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortId {
    /// By its hardware address.
    Mac([u8; 6]),
    /// By its name.
    InterfaceName(String),
    /// A name of the device's own choice.
    Local(String),
    /// Another kind.
    Other {
        /// The standard's number for the kind.
        subtype: u8,
        /// As sent.
        value: Vec<u8>,
    },
}

/// Why bytes are not an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An element says it is longer than what follows.
    #[error("an element of type {0} is cut off")]
    CutOff(u8),
    /// An element is shorter or longer than its type allows.
    #[error("an element of type {0} has a length that is not allowed")]
    Length(u8),
    /// The mandatory elements are not the first three, in order and once.
    #[error("chassis, port and time to live are not the first three elements")]
    Order,
}

impl Frame {
    /// An announcement with the mandatory elements only.
    #[must_use]
    pub fn new(chassis_id: ChassisId, port_id: PortId, ttl: u16) -> Self {
        Self {
            chassis_id,
            port_id,
            ttl,
            port_description: None,
            system_name: None,
            system_description: None,
            capabilities: None,
            management_address: None,
        }
    }

    /// The bytes after the Ethernet header. Texts that are too long are cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let (subtype, value) = self.chassis_id.parts();
        put(&mut bytes, CHASSIS, &[&[subtype], value]);
        let (subtype, value) = self.port_id.parts();
        put(&mut bytes, PORT, &[&[subtype], value]);
        put(&mut bytes, TTL, &[&self.ttl.to_be_bytes()]);
        let texts = [
            (PORT_DESCRIPTION, &self.port_description),
            (SYSTEM_NAME, &self.system_name),
            (SYSTEM_DESCRIPTION, &self.system_description),
        ];
        for (kind, text) in texts {
            if let Some(text) = text {
                put(&mut bytes, kind, &[cut(text, LONGEST)]);
            }
        }
        if let Some(Capabilities { available, enabled }) = self.capabilities {
            put(&mut bytes, CAPABILITIES, &[&available.to_be_bytes(), &enabled.to_be_bytes()]);
        }
        // Length, family, address; then the interface: unknown, number 0, no object identifier.
        match self.management_address {
            Some(IpAddr::V4(v4)) => {
                put(&mut bytes, MANAGEMENT, &[&[5, 1], &v4.octets(), &[1, 0, 0, 0, 0, 0]]);
            }
            Some(IpAddr::V6(v6)) => {
                put(&mut bytes, MANAGEMENT, &[&[17, 2], &v6.octets(), &[1, 0, 0, 0, 0, 0]]);
            }
            None => {}
        }
        put(&mut bytes, END, &[]);
        bytes
    }

    /// Reads what follows the Ethernet header. What comes after the end element is padding; a missing end element is
    /// tolerated.
    ///
    /// # Errors
    /// Fails when the mandatory elements are not there, or an element does not fit.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut elements = Elements { rest: bytes };
        let chassis_id = identifier(CHASSIS, elements.expect(CHASSIS)?)?;
        let port_id = identifier(PORT, elements.expect(PORT)?)?;
        let ttl = elements.expect(TTL)?.first_chunk().ok_or(FrameError::Length(TTL))?;
        let mut frame =
            Self::new(ChassisId::from(chassis_id), PortId::from(port_id), u16::from_be_bytes(*ttl));
        while let Some((kind, value)) = elements.next()? {
            match kind {
                END => break,
                CHASSIS | PORT | TTL => return Err(FrameError::Order),
                PORT_DESCRIPTION => frame.port_description = Some(text(value)),
                SYSTEM_NAME => frame.system_name = Some(text(value)),
                SYSTEM_DESCRIPTION => frame.system_description = Some(text(value)),
                CAPABILITIES => frame.capabilities = Some(capabilities(value)?),
                MANAGEMENT => {
                    frame.management_address = frame.management_address.or(management_address(value)?);
                }
                _ => {}
            }
        }
        Ok(frame)
    }
}

struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, FrameError> {
        let Some((header, rest)) = self.rest.split_first_chunk::<2>() else { return Ok(None) };
        let kind = header[0] >> 1;
        let length = usize::from(u16::from_be_bytes([header[0] & 1, header[1]]));
        let (value, rest) = rest.split_at_checked(length).ok_or(FrameError::CutOff(kind))?;
        self.rest = rest;
        Ok(Some((kind, value)))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], FrameError> {
        match self.next()? {
            Some((kind, value)) if kind == wanted => Ok(value),
            _ => Err(FrameError::Order),
        }
    }
}

/// What chassis and port identifiers have in common once the kind's number is known.
enum Identifier {
    Mac([u8; 6]),
    InterfaceName(String),
    Local(String),
    Other { subtype: u8, value: Vec<u8> },
}

/// The kinds have other numbers for a chassis than for a port.
fn identifier(element: u8, bytes: &[u8]) -> Result<Identifier, FrameError> {
    let (&subtype, value) = bytes.split_first().ok_or(FrameError::Length(element))?;
    if value.is_empty() || value.len() > LONGEST {
        return Err(FrameError::Length(element));
    }
    Ok(match (element, subtype) {
        (CHASSIS, 4) | (PORT, 3) => {
            Identifier::Mac(value.try_into().map_err(|_| FrameError::Length(element))?)
        }
        (CHASSIS, 6) | (PORT, 5) => Identifier::InterfaceName(text(value)),
        (_, 7) => Identifier::Local(text(value)),
        _ => Identifier::Other { subtype, value: value.to_vec() },
    })
}

impl From<Identifier> for ChassisId {
    fn from(identifier: Identifier) -> Self {
        match identifier {
            Identifier::Mac(mac) => Self::Mac(mac),
            Identifier::InterfaceName(name) => Self::InterfaceName(name),
            Identifier::Local(name) => Self::Local(name),
            Identifier::Other { subtype, value } => Self::Other { subtype, value },
        }
    }
}

impl From<Identifier> for PortId {
    fn from(identifier: Identifier) -> Self {
        match identifier {
            Identifier::Mac(mac) => Self::Mac(mac),
            Identifier::InterfaceName(name) => Self::InterfaceName(name),
            Identifier::Local(name) => Self::Local(name),
            Identifier::Other { subtype, value } => Self::Other { subtype, value },
        }
    }
}

impl ChassisId {
    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Mac(mac) => (4, mac),
            Self::InterfaceName(name) => (6, cut(name, LONGEST)),
            Self::Local(name) => (7, cut(name, LONGEST)),
            Self::Other { subtype, value } => (*subtype, &value[..value.len().min(LONGEST)]),
        }
    }
}

impl PortId {
    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Mac(mac) => (3, mac),
            Self::InterfaceName(name) => (5, cut(name, LONGEST)),
            Self::Local(name) => (7, cut(name, LONGEST)),
            Self::Other { subtype, value } => (*subtype, &value[..value.len().min(LONGEST)]),
        }
    }
}

/// Addresses as `02:00:00:00:00:01`, names as they are, anything else in hexadecimal.
impl fmt::Display for ChassisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => hexadecimal(f, mac, ":"),
            Self::InterfaceName(name) | Self::Local(name) => f.write_str(name),
            Self::Other { value, .. } => hexadecimal(f, value, ""),
        }
    }
}

/// As for [`ChassisId`].
impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => hexadecimal(f, mac, ":"),
            Self::InterfaceName(name) | Self::Local(name) => f.write_str(name),
            Self::Other { value, .. } => hexadecimal(f, value, ""),
        }
    }
}

fn hexadecimal(f: &mut fmt::Formatter<'_>, bytes: &[u8], between: &str) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        write!(f, "{}{byte:02x}", if at == 0 { "" } else { between })?;
    }
    Ok(())
}

fn capabilities(value: &[u8]) -> Result<Capabilities, FrameError> {
    let [a, b, c, d] = value.first_chunk().ok_or(FrameError::Length(CAPABILITIES))?;
    Ok(Capabilities { available: u16::from_be_bytes([*a, *b]), enabled: u16::from_be_bytes([*c, *d]) })
}

/// The address, if it is one of the internet protocol.
fn management_address(value: &[u8]) -> Result<Option<IpAddr>, FrameError> {
    let (&length, rest) = value.split_first().ok_or(FrameError::Length(MANAGEMENT))?;
    let address = rest.get(..usize::from(length)).ok_or(FrameError::Length(MANAGEMENT))?;
    Ok(match address.split_first() {
        Some((1, v4)) => <[u8; 4]>::try_from(v4).ok().map(|octets| Ipv4Addr::from(octets).into()),
        Some((2, v6)) => <[u8; 16]>::try_from(v6).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    })
}

/// A text of a stranger, safe to print: some senders also count a closing zero.
fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_end_matches('\0').chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most `most` bytes of a text, ending where a character ends.
fn cut(text: &str, most: usize) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(most)]
}

fn put(bytes: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u16::try_from(length).expect("no element is longer than 256 bytes");
    bytes.extend((u16::from(kind) << 9 | length).to_be_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
}
