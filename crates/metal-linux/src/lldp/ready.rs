//! Waiting for our sockets in an event loop.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::unix::AsyncFd;

use super::{LinkWatch, Socket};

/// Sockets that own one descriptor, never replace it, and close it only when they are dropped.
pub trait Steady: AsRawFd + sealed::Sealed {}

impl Steady for Socket {}
impl Steady for LinkWatch {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Socket {}
    impl Sealed for super::LinkWatch {}
}

/// Hands a socket to the event loop of the runtime this is called in.
///
/// # Errors
/// Fails if the event loop cannot watch one more.
pub fn register<T: Steady>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the trait is implemented here only, for types that keep one open descriptor for as long as they live.
    #[expect(unsafe_code, reason = "the runtime has to trust that the descriptor stays the same")]
    let registered = unsafe { AsyncFd::register(socket) };
    registered.map_err(io::Error::from)
}
