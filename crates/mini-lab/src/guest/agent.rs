//! The guest's first program once its system is mounted: runs the one command and tells the host how it went.
//!
//! It is the init of the guest, so it reaps every orphan; and it never returns, because the kernel would panic. The
//! host ends the guest when it has heard the exit code. What goes wrong before there is a line to the host is printed,
//! which puts it on the console, and the panic that follows ends the guest.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::mount::{MountFlags, mount, mount_bind};
use rustix::process::{Resource, Rlimit, WaitOptions, setrlimit, wait};

use super::qemu::{LINE, PROGRAMS, Share};
use super::wire::{Decoder, Frame, Request};

/// Where the first stage put our programs and the system without its writable layer.
const MOUNTED_PROGRAMS: &str = "/programs";
const PRISTINE: &str = "/rootfs";
/// How long output may still come from what the command has left behind.
const LINGER: Duration = Duration::from_millis(300);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Serves one command; returns only when it cannot even tell the host what failed.
///
/// # Errors
/// Fails when there is no line to the host or no request on it.
pub fn run() -> anyhow::Result<()> {
    mount_system()?;
    let mut line = open_line()?;
    line.write_all(&Frame::Hello.encode()).context("call the host")?;
    let request = receive(&mut line)?;
    let last = match serve(&request, &line) {
        Ok(code) => Frame::Exited(code),
        Err(error) => Frame::Failed(format!("{error:#}")),
    };
    line.write_all(&last.encode()).context("tell the host the outcome")?;
    loop {
        std::thread::park();
    }
}

fn mount_system() -> anyhow::Result<()> {
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    let mounts = [
        ("tmpfs", "/run", c"mode=755"),
        ("tmpfs", "/tmp", c"mode=1777"),
        ("tmpfs", "/dev/shm", c"mode=1777"),
        ("devpts", "/dev/pts", c"ptmxmode=666,mode=620,gid=5"),
        ("cgroup2", "/sys/fs/cgroup", c""),
    ];
    for (kind, target, options) in mounts {
        // sysfs makes its own.
        let _ = fs::create_dir_all(target);
        let flags = if target.starts_with("/dev") { MountFlags::NOSUID } else { plain };
        mount(kind, target, kind, flags, options).with_context(|| format!("mount {target}"))?;
    }
    for (to, link) in [("fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")] {
        let _ = std::os::unix::fs::symlink(format!("/proc/self/{to}"), Path::new("/dev").join(link));
    }
    fs::create_dir_all("/run/lock").context("make /run/lock")?;
    rustix::system::sethostname(b"guest").context("set the host name")?;
    if !Path::new("/etc/hosts").exists() {
        fs::write("/etc/hosts", "127.0.0.1 localhost guest\n::1 localhost guest\n")
            .context("write /etc/hosts")?;
    }
    // The kernel's usual 1024 and 4096 are too few for a lab of many processes' worth of sockets.
    let files = Rlimit { current: Some(16 << 10), maximum: Some(1 << 20) };
    setrlimit(Resource::Nofile, files).context("allow more open files")?;
    let status = Command::new("ip").env("PATH", PATH).args(["link", "set", "lo", "up"]).status();
    status.context("run ip")?.success().then_some(()).context("set the loopback device up")
}

/// The serial line with our name.
fn open_line() -> anyhow::Result<File> {
    let ports = Path::new("/sys/class/virtio-ports");
    for port in fs::read_dir(ports).context("list the serial lines")? {
        let port = port.context("list the serial lines")?;
        let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
        if name.trim() == LINE {
            let device = Path::new("/dev").join(port.file_name());
            let line = OpenOptions::new().read(true).write(true).open(&device);
            return line.with_context(|| format!("open {}", device.display()));
        }
    }
    bail!("there is no serial line named {LINE}")
}

fn receive(line: &mut File) -> anyhow::Result<Request> {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match line.read(&mut buffer).context("wait for the command")? {
            // The host's end is not open yet.
            0 => std::thread::sleep(Duration::from_millis(20)),
            count => decoder.push(&buffer[..count]),
        }
        match decoder.next().context("understand the host")? {
            None => {}
            Some(Frame::Request(json)) => {
                return serde_json::from_slice(&json).context("understand the command");
            }
            Some(other) => bail!("the host sent {other:?} instead of a command"),
        }
    }
}

/// Mounts what is shared, runs the command to its end, and answers its exit code.
fn serve(request: &Request, line: &File) -> anyhow::Result<u8> {
    for share in &request.shares {
        mount_share(share).with_context(|| format!("mount {}", share.path))?;
    }
    let programs = request.shares.iter().find(|share| share.tag == PROGRAMS);
    let path = programs.map_or(PATH.to_owned(), |share| format!("{PATH}:{}", share.path));
    let (program, arguments) = request.command.split_first().context("there is no command")?;
    let directory = Path::new(&request.directory);
    let directory = if directory.is_dir() { directory } else { Path::new("/root") };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/root")
        .env("METAL_FRR_ROOT", PRISTINE);
    command.envs(&request.environment).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {program}"))?;
    let (sender, frames) = mpsc::sync_channel(16);
    let (output, error) = (child.stdout.take(), child.stderr.take());
    pump("output", output.context("there is no output")?, Frame::Output, sender.clone())?;
    pump("errors", error.context("there is no error output")?, Frame::Error, sender)?;
    let ended = wait_in_background(child.id())?;
    relay(&frames, &ended, line)
}

fn mount_share(share: &Share) -> anyhow::Result<()> {
    let target = PathBuf::from(&share.path);
    fs::create_dir_all(&target).context("make the directory")?;
    if share.tag == PROGRAMS {
        return mount_bind(MOUNTED_PROGRAMS, &target).context("bind our programs");
    }
    let options = c"trans=virtio,version=9p2000.L,msize=512000,cache=loose";
    mount(share.tag.as_str(), &target, "9p", MountFlags::RDONLY, options).context("over 9p")
}

fn pump(
    name: &str,
    mut from: impl Read + Send + 'static,
    frame: fn(Vec<u8>) -> Frame,
    to: mpsc::SyncSender<Frame>,
) -> anyhow::Result<()> {
    let copy = move || {
        let mut buffer = vec![0; 32 << 10];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || to.send(frame(buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(copy);
    thread.map(drop).with_context(|| format!("start the thread that copies {name}"))
}

/// Reaps everything that ends; the answer comes when it is the command.
fn wait_in_background(command: u32) -> anyhow::Result<mpsc::Receiver<u8>> {
    let (sender, ended) = mpsc::channel();
    let reap = move || {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == command => {
                    let _ = sender.send(code_of(ExitStatus::from_raw(status.as_raw())));
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                // No children: more can come only from the command, which has ended.
                Err(_) => std::thread::sleep(LINGER),
            }
        }
    };
    std::thread::Builder::new().name("reaper".to_owned()).spawn(reap).context("start the reaper")?;
    Ok(ended)
}

/// Sends output to the host until the command has ended and its output has too, or nothing more comes.
fn relay(frames: &mpsc::Receiver<Frame>, ended: &mpsc::Receiver<u8>, mut line: &File) -> anyhow::Result<u8> {
    let mut code = None;
    loop {
        code = code.or_else(|| ended.try_recv().ok());
        match frames.recv_timeout(LINGER) {
            Ok(frame) => line.write_all(&frame.encode()).context("send output to the host")?,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(code) = code {
                    return Ok(code);
                }
            }
            Err(RecvTimeoutError::Disconnected) => match code {
                Some(code) => return Ok(code),
                None => return ended.recv().context("wait for the command"),
            },
        }
    }
}

/// As a shell counts: the code, or 128 and the signal that ended it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_as_a_shell_does() {
        assert_eq!(code_of(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of(ExitStatus::from_raw(9)), 137);
    }
}
