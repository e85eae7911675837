//! The process-id namespace all processes of one sandbox live in.
//!
//! A thread that has left for a new process-id namespace cannot start threads any more and its children are born
//! inside; so one thread does nothing but this, and takes what is to be started from a channel.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::process::SharedChild;
use super::{Attempt as _, Process, SandboxError};

/// A process-id namespace; dropping it kills every process in it and waits for their end.
#[derive(Debug)]
pub struct PidNamespace {
    requests: Option<mpsc::Sender<Request>>,
    spawner: Option<JoinHandle<()>>,
    init: u32,
}

/// Which namespaces a process gets of its own; all others it shares with its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unshare {
    /// Network devices, addresses, routes.
    pub net: bool,
    /// Mounts. They are a copy of the owner's until the process changes them.
    pub mount: bool,
    /// The host's name.
    pub uts: bool,
    /// System V objects and POSIX message queues.
    pub ipc: bool,
}

impl Unshare {
    /// Everything: a switch or a machine.
    pub const ALL: Self = Self { net: true, mount: true, uts: true, ipc: true };

    fn flags(self) -> UnshareFlags {
        let mut flags = UnshareFlags::empty();
        flags.set(UnshareFlags::NEWNET, self.net);
        flags.set(UnshareFlags::NEWNS, self.mount);
        flags.set(UnshareFlags::NEWUTS, self.uts);
        flags.set(UnshareFlags::NEWIPC, self.ipc);
        flags
    }
}

struct Request {
    command: Command,
    unshare: Unshare,
    answer: mpsc::SyncSender<io::Result<Process>>,
}

impl PidNamespace {
    /// Makes the namespace. `init` is its first process and has to call [`run_init`](super::run_init) and nothing
    /// else; its standard input is set here.
    ///
    /// # Errors
    /// Fails when the namespace is refused (it takes root) or the first process does not start.
    pub fn new(init: Command) -> Result<Self, SandboxError> {
        let (requests, inbox) = mpsc::channel();
        let (started, is_started) = mpsc::sync_channel(1);
        let spawner = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || serve(init, &started, &inbox))
            .attempt("start", "the thread that spawns")?;
        let init = is_started.recv().unwrap_or_else(|_| Err(gone()).attempt("start", "the first process"))?;
        Ok(Self { requests: Some(requests), spawner: Some(spawner), init })
    }

    /// The process id of the first process, as seen from here.
    #[must_use]
    pub fn init(&self) -> u32 {
        self.init
    }

    /// Starts a process in this namespace, in a process group of its own (a key press at the owner's terminal does not
    /// reach it), and with the namespaces asked for.
    ///
    /// # Errors
    /// Fails when the program does not start, or the namespace has ended.
    pub fn spawn(&self, command: Command, unshare: Unshare) -> Result<Process, SandboxError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let (answer, answered) = mpsc::sync_channel(1);
        let request = Request { command, unshare, answer };
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        let outcome = if sent { answered.recv().unwrap_or_else(|_| Err(gone())) } else { Err(gone()) };
        outcome.attempt("start in the sandbox", program)
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(spawner) = self.spawner.take() {
            // It does not panic, and if it did the pipe to the first process would still be closed.
            let _ = spawner.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the sandbox has ended")
}

fn serve(
    init: Command,
    started: &mpsc::SyncSender<Result<u32, SandboxError>>,
    inbox: &mpsc::Receiver<Request>,
) {
    let mut init = match start_init(init) {
        Ok(init) => init,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let mut children = Vec::new();
    if started.send(Ok(init.id())).is_ok() {
        while let Ok(Request { command, unshare, answer }) = inbox.recv() {
            children.retain(|child: &SharedChild| !matches!(child.lock().try_wait(), Ok(Some(_))));
            // The kernel would say that it is out of memory.
            let has_ended = matches!(init.try_wait(), Ok(Some(_)));
            let outcome =
                if has_ended { Err(gone()) } else { start(command, unshare).and_then(Process::new) };
            let _ = answer.send(outcome.map(|(process, child)| {
                children.push(child);
                process
            }));
        }
    }
    end(&mut init, &children);
}

/// Kills everything. The first process cannot finish dying before its namespace is empty, and a child of ours that is
/// dead but not reaped is still in it.
fn end(init: &mut Child, children: &[SharedChild]) {
    drop(init.stdin.take());
    let _ = init.kill();
    for child in children {
        let _ = child.lock().wait();
    }
    let _ = init.wait();
}

#[expect(unsafe_code, reason = "unsharing can be unsound, though not this way")]
fn start_init(mut init: Command) -> Result<Child, SandboxError> {
    // SAFETY: no file descriptors are unshared, only the namespace of children to come.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.attempt("make", "a process-id namespace")?;
    init.stdin(Stdio::piped());
    start(init, Unshare::default()).attempt("start", "the first process of the sandbox")
}

#[expect(unsafe_code, reason = "the closure run between fork and exec")]
fn start(mut command: Command, unshare: Unshare) -> io::Result<Child> {
    let flags = unshare.flags();
    command.process_group(0);
    // SAFETY: between fork and exec the closure makes one system call, does not allocate, and unshares no file
    // descriptors.
    unsafe { command.pre_exec(move || unshare_unsafe(flags).map_err(io::Error::from)) };
    command.spawn()
}
