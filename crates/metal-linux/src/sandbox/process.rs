//! A process of a sandbox, held by its owner.
//!
//! The sandbox keeps a second hold on it: a process-id namespace cannot end before its owner has reaped those of its
//! own children that lived there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process in a sandbox. Dropping it does not end it; the sandbox does.
#[derive(Debug)]
pub struct Process {
    child: SharedChild,
    id: u32,
    pidfd: OwnedFd,
    /// The write end of its standard input, if that was to be a pipe.
    pub stdin: Option<ChildStdin>,
    /// The read end of its standard output, if that was to be a pipe.
    pub stdout: Option<ChildStdout>,
    /// The read end of its standard error, if that was to be a pipe.
    pub stderr: Option<ChildStderr>,
}

/// The child, of which the sandbox and the caller each have a hold.
#[derive(Debug, Clone)]
pub(super) struct SharedChild(Arc<Mutex<Child>>);

impl SharedChild {
    pub(super) fn lock(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    pub(super) fn new(mut child: Child) -> io::Result<(Self, SharedChild)> {
        let id = child.id();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Not reaped by anyone but us, so the number is still this child's.
        let pidfd = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.into());
            }
        };
        let child = SharedChild(Arc::new(Mutex::new(child)));
        Ok((Self { child: child.clone(), id, pidfd, stdin, stdout, stderr }, child))
    }

    /// Its process id, as its owner sees it; inside it has another.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Fails when the operating system does.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], None) {
                Ok(_) => return self.child.lock().wait(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How it ended; nothing while it lives.
    ///
    /// # Errors
    /// Fails when the operating system does.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.child.lock().try_wait()
    }

    /// Kills it with SIGKILL; what it has started lives on until the sandbox ends.
    ///
    /// # Errors
    /// Fails when the operating system does; a process that has ended already is no error.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Sends it SIGTERM.
    ///
    /// # Errors
    /// As for [`Process::kill`].
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The process's descriptor, readable once it has ended: for a runtime that waits for many things.
impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
