//! A socket that speaks LLDP on one device.
//!
//! It is bound to the device's number in the namespace it was opened in. When the device moves to another namespace the
//! socket is dead ([`Socket::receive`] fails once with `ENETDOWN` and never hears anything again) and a new one has to be
//! opened there; when the device is only switched off it fails likewise, and works again when the device does.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Frame;
use crate::namespace::Namespace;

/// The Ethernet type.
const ETHERTYPE: u16 = 0x88cc;

/// The group that bridges keep to themselves: never forwarded, so only the other end of the cable hears it.
const NEAREST_BRIDGE: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0x0e];

/// Network control: before everything else in the queue.
const PRIORITY: libc::c_int = 7;

/// Larger than a standard Ethernet frame; the rest of a longer one is cut off and fails to parse.
const LARGEST: usize = 2048;

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{action} {object}")]
pub struct SocketError {
    /// What was tried.
    pub action: &'static str,
    /// On what.
    pub object: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Does something in a namespace, or here.
pub(super) fn inside<T: Send>(
    namespace: Option<&Namespace>,
    action: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, SocketError> {
    let object = namespace.map_or("our own namespace", Namespace::name).to_owned();
    let outcome = match namespace {
        None => work().map_err(Into::into),
        Some(namespace) => match namespace.enter(work) {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(error) => Err(error.into()),
        },
    };
    outcome.map_err(|source| SocketError { action, object, source })
}

/// An LLDP socket on one device. It never blocks.
#[derive(Debug)]
pub struct Socket {
    file: OwnedFd,
    index: i32,
}

impl Socket {
    /// Opens one on the device with this number (`Link::index`) in the given namespace, or in the caller's own.
    ///
    /// # Errors
    /// Fails if there is no such device, or without the right to (root's).
    pub fn open(namespace: Option<&Namespace>, index: u32) -> Result<Self, SocketError> {
        inside(namespace, "open an LLDP socket in", || {
            let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            let socket = Self { file: make()?, index };
            socket.configure()?;
            Ok(socket)
        })
    }

    fn configure(&self) -> io::Result<()> {
        let mut group = membership();
        group.mr_ifindex = self.index;
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &group)?;
        self.set(libc::SOL_SOCKET, libc::SO_PRIORITY, &PRIORITY)?;
        self.bind()
    }

    /// Says it. A device that is switched off says nothing and fails with `ENETDOWN`.
    ///
    /// # Errors
    /// Fails if the device is off or gone.
    pub fn send(&self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.encode();
        let to = self.address();
        let length = address_length();
        // SAFETY: both pointers are to live values of the lengths given.
        #[expect(unsafe_code, reason = "the safe wrappers do not know packet sockets' addresses")]
        let sent = unsafe {
            let to = (&raw const to).cast::<libc::sockaddr>();
            libc::sendto(self.file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0, to, length)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// What has been heard next; nothing if there is nothing. What is malformed is skipped.
    ///
    /// # Errors
    /// Fails once each time the device goes off or away.
    pub fn receive(&self) -> io::Result<Option<Frame>> {
        let mut buffer = [0_u8; LARGEST];
        loop {
            match rustix::io::read(&self.file, &mut buffer) {
                Ok(length) => {
                    if let Ok(frame) = Frame::parse(&buffer[..length]) {
                        return Ok(Some(frame));
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until there is something to receive, at most this long; for programs without an event loop.
    ///
    /// # Errors
    /// Fails if the operating system does.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let seconds = i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: at_most.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn address(&self) -> libc::sockaddr_ll {
        let mut address = empty_address();
        address.sll_family = u16::try_from(libc::AF_PACKET).expect("a small constant");
        address.sll_protocol = ETHERTYPE.to_be();
        address.sll_ifindex = self.index;
        address.sll_halen = 6;
        address.sll_addr[..6].copy_from_slice(&NEAREST_BRIDGE);
        address
    }

    fn bind(&self) -> io::Result<()> {
        let address = self.address();
        let length = address_length();
        // SAFETY: the pointer is to a live value of the length given.
        #[expect(unsafe_code, reason = "the safe wrappers do not know packet sockets' addresses")]
        let outcome = unsafe {
            libc::bind(self.file.as_raw_fd(), (&raw const address).cast::<libc::sockaddr>(), length)
        };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn set<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
        let length = libc::socklen_t::try_from(mem::size_of::<T>()).expect("options are small");
        // SAFETY: the pointer is to a live value of the length given, and the kernel only reads it.
        #[expect(unsafe_code, reason = "the safe wrappers do not know packet sockets' options")]
        let outcome = unsafe {
            let value = std::ptr::from_ref(value).cast();
            libc::setsockopt(self.file.as_raw_fd(), level, option, value, length)
        };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The kernel adds and removes the Ethernet header. No protocol yet: until it is bound it shall hear nothing, else it
/// would hear the frames of all devices.
fn make() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes no pointers; a descriptor it returns is new and nobody else's.
    #[expect(unsafe_code, reason = "the safe wrappers cannot open a packet socket without a protocol")]
    unsafe {
        let file = libc::socket(libc::AF_PACKET, kind, 0);
        if file < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(file)) }
    }
}

fn address_length() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<libc::sockaddr_ll>()).expect("addresses are small")
}

fn empty_address() -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: 0,
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

fn membership() -> libc::packet_mreq {
    let mut address = [0; 8];
    address[..6].copy_from_slice(&NEAREST_BRIDGE);
    let kind = u16::try_from(libc::PACKET_MR_MULTICAST).expect("a small constant");
    libc::packet_mreq { mr_ifindex: 0, mr_type: kind, mr_alen: 6, mr_address: address }
}
