//! A further process inside an existing node, for a person at a shell or a capture.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};

use super::{Attempt as _, SandboxError};

/// Starts a program in all namespaces of the process `pid`, with its root directory. It stays in the caller's
/// process group, so it may use the terminal.
///
/// # Errors
/// Fails when the process does not exist, may not be entered, or the program does not start. The program is looked up
/// in the node's root directory.
pub fn enter(pid: u32, command: Command) -> Result<Child, SandboxError> {
    // The children of a thread are born in the process-id namespace it last chose, so a thread is spent on it.
    let outcome = std::thread::scope(|scope| scope.spawn(|| enter_here(pid, command)).join());
    outcome.unwrap_or_else(|_| Err(io::Error::other("the thread panicked")).attempt("enter", pid))
}

#[expect(unsafe_code, reason = "the closure run between fork and exec")]
fn enter_here(pid: u32, mut command: Command) -> Result<Child, SandboxError> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or(io::Error::from(io::ErrorKind::InvalidInput)).attempt("enter process", pid)?;
    let process = pidfd_open(number, PidfdFlags::empty()).attempt("open process", pid)?;
    let inside = File::open(format!("/proc/{pid}/ns/pid")).attempt("open the namespace of process", pid)?;
    move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::ProcessID))
        .attempt("enter the process-id namespace of", pid)?;
    let namespaces = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION;
    // SAFETY: between fork and exec the closure makes one system call and does not allocate.
    unsafe {
        command.pre_exec(move || {
            move_into_thread_name_spaces(process.as_fd(), namespaces).map_err(io::Error::from)
        });
    }
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().attempt("start inside the node", program)
}
