//! Being told when links change.

use std::io;
use std::time::Duration;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{Cause, NetlinkError, messages, receive};
use crate::namespace::Namespace;

/// The kernel's group for changes of links.
const LINKS: u32 = 1;

/// A subscription to changes of the links of one namespace.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    name: String,
}

impl Monitor {
    /// Subscribes, in the given namespace or the caller's own.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered or there is no socket to be had.
    pub fn open(namespace: Option<&Namespace>) -> Result<Self, NetlinkError> {
        let subscribe = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, LINKS))?;
            Ok(socket)
        };
        let name = namespace.map_or("own", Namespace::name).to_owned();
        let opened = match namespace {
            None => subscribe().map_err(Cause::Socket),
            Some(namespace) => match namespace.enter(subscribe) {
                Ok(socket) => socket.map_err(Cause::Socket),
                Err(error) => Err(error.into()),
            },
        };
        match opened {
            Ok(socket) => Ok(Self { socket, name }),
            Err(source) => Err(NetlinkError { action: "watch links in namespace", object: name, source }),
        }
    }

    /// Waits for a change, at most this long, and names the links that changed; none if the time is up, or if so much
    /// changed that the kernel could not tell: then look at all of them, as after every change.
    ///
    /// # Errors
    /// Fails if the socket does.
    pub fn wait(&self, at_most: Duration) -> Result<Change, NetlinkError> {
        let failed =
            |source| NetlinkError { action: "watch links in namespace", object: self.name.clone(), source };
        let timeout = Timespec {
            tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
        match rustix::event::poll(&mut ready, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Change::None),
            Ok(_) => {}
            Err(errno) => return Err(failed(Cause::Socket(errno.into()))),
        }
        let bytes = match receive(&self.socket) {
            Ok(bytes) => bytes,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(Change::Any),
            Err(error) => return Err(failed(Cause::Socket(error))),
        };
        let mut names = Vec::new();
        for message in messages(&bytes).map_err(failed)? {
            let NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link),
            ) = message.payload
            else {
                continue;
            };
            names.extend(link.attributes.into_iter().filter_map(|attribute| match attribute {
                netlink_packet_route::link::LinkAttribute::IfName(name) => Some(name),
                _ => None,
            }));
        }
        Ok(if names.is_empty() { Change::None } else { Change::Links(names) })
    }
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing within the time.
    None,
    /// These links.
    Links(Vec<String>),
    /// More than the kernel could tell.
    Any,
}
