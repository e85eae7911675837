//! Being woken when links of a namespace change, by a descriptor that an event loop can wait for.
//!
//! What changed is not told: whoever is woken looks at the links, which is right also when notices were lost.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;

use super::SocketError;
use crate::namespace::Namespace;

/// The kernel's group for changes of links.
const LINKS: u32 = 1;

/// A descriptor that is readable when links changed.
#[derive(Debug)]
pub struct LinkWatch {
    socket: Socket,
}

impl LinkWatch {
    /// Begins to watch the links of a namespace, or of the caller's own.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered or there is no socket to be had.
    pub fn open(namespace: Option<&Namespace>) -> Result<Self, SocketError> {
        let subscribe = || -> io::Result<Self> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, LINKS))?;
            socket.set_non_blocking(true)?;
            Ok(Self { socket })
        };
        super::socket::inside(namespace, "watch links of", subscribe)
    }

    /// Forgets all notices so far. An error is a notice, too: the kernel had more than would fit.
    pub fn drain(&self) {
        // Netlink messages do not continue in the next read, so a small buffer takes a whole one away each time.
        let mut buffer = [0_u8; 64];
        while let Ok(_) | Err(Errno::NOBUFS | Errno::INTR) = rustix::io::read(self, &mut buffer) {}
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for LinkWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
