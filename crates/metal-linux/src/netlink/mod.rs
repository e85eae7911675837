//! A small blocking client of rtnetlink: one socket, one request at a time.
//!
//! The kernel answers rtnetlink requests within the call, so there is nothing to wait for and nothing to run beside it.
//! A socket belongs to the namespace it was opened in for as long as it lives; [`Netlink::open`] opens it there. Links are
//! addressed by index, because a name can change its bearer between two calls.

mod address;
mod change;
mod create;
mod link;
mod monitor;
mod table;
mod vlan;

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::namespace::{Namespace, NamespaceError};

pub use self::address::{Address, Route};
pub use self::create::{BridgeOptions, VxlanOptions};
pub use self::link::{BridgePort, Link, LinkKind, Settings};
pub use self::monitor::{Change, Monitor};
pub use self::vlan::BridgeVlan;

/// Larger than any message the kernel builds for a dump when it is given room, which it never makes more than 32 KiB.
const BUFFER: usize = 64 << 10;
/// How often a dump is repeated when the kernel says that things changed meanwhile.
const DUMP_ATTEMPTS: usize = 8;

/// Why a request to the kernel failed: what was tried on what; the source has the kernel's word.
#[derive(Debug, thiserror::Error)]
#[error("{action} {object}")]
pub struct NetlinkError {
    /// For example `set master of link`.
    pub action: &'static str,
    /// For example `swp1`.
    pub object: String,
    /// Why.
    #[source]
    pub source: Cause,
}

impl NetlinkError {
    /// The kernel's error number, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match &self.source {
            Cause::Refused { source, .. } | Cause::Socket(source) => source.raw_os_error(),
            Cause::Namespace(_) | Cause::Answer(_) | Cause::Missing => None,
        }
    }

    /// Whether it failed because the object does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.source, Cause::Missing)
            || matches!(self.errno(), Some(libc::ENODEV | libc::ENOENT | libc::ESRCH))
    }
}

/// The reason of a [`NetlinkError`].
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The kernel refused, with a hint if it gave one.
    #[error("the kernel refused{}", hint.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The kernel's own explanation.
        hint: Option<String>,
        /// The error number.
        #[source]
        source: io::Error,
    },
    /// The socket failed.
    #[error("use the netlink socket")]
    Socket(#[source] io::Error),
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel's answer could not be understood.
    #[error("cannot understand the kernel's answer: {0}")]
    Answer(String),
    /// There is no such object.
    #[error("there is none")]
    Missing,
}

/// A connection to the kernel's network configuration in one namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Connects, in the given namespace or the caller's own.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered or there is no socket to be had.
    pub fn open(namespace: Option<&Namespace>) -> Result<Self, NetlinkError> {
        let object = namespace.map_or("own", Namespace::name);
        let opened = match namespace {
            None => connect().map_err(Cause::Socket),
            Some(namespace) => match namespace.enter(connect) {
                Ok(socket) => socket.map_err(Cause::Socket),
                Err(error) => Err(error.into()),
            },
        };
        let failed =
            |source| NetlinkError { action: "open netlink in namespace", object: object.to_owned(), source };
        Ok(Self { socket: opened.map_err(failed)?, sequence: 0 })
    }

    /// Sends a request that changes something and waits for the kernel's yes or no.
    fn request(
        &mut self,
        action: &'static str,
        object: &str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NetlinkError> {
        self.exchange(message, NLM_F_REQUEST | NLM_F_ACK | flags, &mut |_| {})
            .map_err(|source| NetlinkError { action, object: object.to_owned(), source })
            .map(drop)
    }

    /// Asks for all objects of a kind. Repeats if they changed while the kernel went through them.
    fn dump(
        &mut self,
        action: &'static str,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let failed = |source| NetlinkError { action, object: "in the kernel".to_owned(), source };
        let mut all = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            all.clear();
            let was_interrupted = self
                .exchange(message.clone(), NLM_F_REQUEST | NLM_F_DUMP, &mut |each| all.push(each))
                .map_err(failed)?;
            if !was_interrupted {
                return Ok(all);
            }
        }
        // Something changes all the time: the last answer is as true as any.
        Ok(all)
    }

    /// One request and everything the kernel answers to it. Tells whether a dump was interrupted by changes.
    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        each: &mut dyn FnMut(RouteNetlinkMessage),
    ) -> Result<bool, Cause> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(Cause::Socket)?;
        let mut was_interrupted = false;
        loop {
            let answer = receive(&self.socket).map_err(Cause::Socket)?;
            for message in messages(&answer)? {
                // Left over from a request that failed half way through its answers.
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                was_interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => each(inner),
                    NetlinkPayload::Done(_) => return Ok(was_interrupted),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(was_interrupted),
                    NetlinkPayload::Error(error) => {
                        return Err(Cause::Refused { hint: hint(&error.header), source: error.to_io() });
                    }
                    NetlinkPayload::Overrun(_) => return Err(Cause::Answer("it was cut off".to_owned())),
                    _ => {}
                }
            }
        }
    }
}

fn connect() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    // Errors in words, and without the request repeated before them.
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    loop {
        let mut bytes = Vec::with_capacity(BUFFER);
        match socket.recv(&mut bytes, 0) {
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes a datagram apart.
fn messages(mut bytes: &[u8]) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, Cause> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes)
            .map_err(|error| Cause::Answer(error.to_string()))?;
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(1).next_multiple_of(4);
        all.push(message);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(all)
}

/// The kernel's explanation of an error: attribute 1 behind the header of the refused request.
fn hint(after_code: &[u8]) -> Option<String> {
    const HEADER: usize = 16;
    const MESSAGE: u16 = 1;
    let mut rest = after_code.get(HEADER..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(0..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        if kind == MESSAGE {
            let text = String::from_utf8_lossy(rest.get(4..length)?);
            return Some(text.trim_end_matches('\0').to_owned());
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}
