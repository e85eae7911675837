//! The first process of a sandbox: it reaps orphans, and its end is everyone's end.
//!
//! It needs no signal handlers. The kernel delivers to the first process of a process-id namespace no signal it has
//! not asked for, except the kill from outside.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::{Attempt as _, SandboxError};

/// How long a dead orphan may stay in the process table.
const REAP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Reaps orphans until standard input ends, which it does when the owner of the sandbox closes it or dies. The caller
/// then returns from `main`, and the kernel kills whatever else lives in the namespace.
///
/// # Errors
/// Fails when standard input cannot be waited for or children cannot be reaped.
pub fn run_init() -> Result<(), SandboxError> {
    let stdin = std::io::stdin();
    let mut buffer = [0_u8; 64];
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&REAP)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => match rustix::io::read(&stdin, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error).attempt("read", "standard input"),
            },
            Err(error) => return Err(error).attempt("wait for", "standard input"),
        }
        reap()?;
    }
}

fn reap() -> Result<(), SandboxError> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).attempt("reap", "children"),
        }
    }
}
