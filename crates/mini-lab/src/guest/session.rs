//! One guest's life as the host sees it: start, request, output, end.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use metal_linux::sandbox::{PidNamespace, Process, Unshare};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::Instant;

use super::qemu;
use super::wire::{Decoder, Frame, Request};

/// A guest that has not called by then does not boot. Translated, on a machine with other work, half a minute is usual.
const BOOT: Duration = Duration::from_secs(240);
/// What of the console is kept to explain a failure, in bytes.
const CONSOLE: usize = 16 << 10;
/// The exit code of a command that took too long, as that of timeout(1).
const TIMED_OUT: u8 = 124;
/// The exit code of a command that could not be run, as a shell's.
const NOT_STARTED: u8 = 127;

/// A running QEMU, which ends when this does: its sandbox kills it.
#[derive(Debug)]
pub struct Emulator {
    /// What QEMU writes to its standard output.
    pub line: ChildStdout,
    input: ChildStdin,
    console: ChildStderr,
    process: Process,
    _sandbox: PidNamespace,
}

impl Emulator {
    /// Starts QEMU.
    ///
    /// # Errors
    /// Fails when there is no QEMU, or no sandbox, which takes root.
    pub fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut init = Command::new(std::env::current_exe().context("find this program")?);
        init.arg("init");
        let sandbox = PidNamespace::new(init).context("make the guest's sandbox (it takes root)")?;
        let mut command = Command::new(qemu::PROGRAM);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = sandbox.spawn(command, Unshare::default()).with_context(|| {
            format!("run {}: install it with `apt-get install {}`", qemu::PROGRAM, qemu::PACKAGE)
        })?;
        let missing = "QEMU was started with pipes";
        let line = ChildStdout::from_std(process.stdout.take().context(missing)?)?;
        let input = ChildStdin::from_std(process.stdin.take().context(missing)?)?;
        let console = ChildStderr::from_std(process.stderr.take().context(missing)?)?;
        Ok(Self { line, input, console, process, _sandbox: sandbox })
    }
}

/// Boots a guest, has it run the command, and answers the command's exit code. The guest is gone afterwards.
///
/// # Errors
/// As for [`run`](super::run).
pub async fn run(arguments: &[String], request: &Request, limit: Option<Duration>) -> anyhow::Result<u8> {
    let json = serde_json::to_vec(request).context("write the request")?;
    let mut session = Session {
        emulator: Emulator::start(arguments)?,
        decoder: Decoder::default(),
        console: Vec::new(),
        request: Some(json),
    };
    let outcome = session.until_exit(limit).await;
    outcome.map_err(|error| match session.last_words() {
        words if words.is_empty() => error,
        words => anyhow!("{error:#}; its last words:\n{words}"),
    })
}

struct Session {
    emulator: Emulator,
    decoder: Decoder,
    /// The end of what came over the console.
    console: Vec<u8>,
    /// Taken when it is sent.
    request: Option<Vec<u8>>,
}

impl Session {
    async fn until_exit(&mut self, limit: Option<Duration>) -> anyhow::Result<u8> {
        let start = Instant::now();
        let (mut output, mut words) = (vec![0; 64 << 10], vec![0; 4 << 10]);
        let mut has_console = true;
        loop {
            let allowed = if self.request.is_some() { Some(BOOT) } else { limit };
            let deadline = start + allowed.unwrap_or(Duration::MAX / 4).min(Duration::from_secs(1 << 30));
            tokio::select! {
                count = self.emulator.line.read(&mut output) => match count.context("read from QEMU")? {
                    0 => bail!(self.ended().await),
                    count => {
                        self.decoder.push(&output[..count]);
                        if let Some(code) = self.frames().await? {
                            return Ok(code);
                        }
                    }
                },
                count = self.emulator.console.read(&mut words), if has_console => {
                    let count = count.context("read the guest's console")?;
                    has_console = count > 0;
                    self.heard(&words[..count]);
                }
                () = tokio::time::sleep_until(deadline) => match self.request {
                    Some(_) => bail!("the guest did not boot within {} seconds", BOOT.as_secs()),
                    None => {
                        eprintln!("mini-lab: the command in the guest took longer than allowed");
                        return Ok(TIMED_OUT);
                    }
                },
            }
        }
    }

    /// Acts on what has arrived; answers the exit code once it is there.
    async fn frames(&mut self) -> anyhow::Result<Option<u8>> {
        while let Some(frame) = self.decoder.next().context("understand the guest")? {
            match frame {
                Frame::Hello => {
                    let request = self.request.take().context("the guest booted twice")?;
                    let bytes = Frame::Request(request).encode();
                    self.emulator.input.write_all(&bytes).await.context("send the command to the guest")?;
                    self.emulator.input.flush().await.context("send the command to the guest")?;
                }
                // Readers of ours that have gone end the guest, as they would end a command.
                Frame::Output(bytes) => show(&mut std::io::stdout(), &bytes).context("write the output")?,
                Frame::Error(bytes) => show(&mut std::io::stderr(), &bytes).context("write the errors")?,
                Frame::Exited(code) => return Ok(Some(code)),
                Frame::Failed(why) => {
                    eprintln!("mini-lab: the command cannot be run in the guest: {why}");
                    return Ok(Some(NOT_STARTED));
                }
                Frame::Request(_) => bail!("the guest asks instead of answering"),
            }
        }
        Ok(None)
    }

    fn heard(&mut self, words: &[u8]) {
        self.console.extend_from_slice(words);
        let surplus = self.console.len().saturating_sub(CONSOLE);
        self.console.drain(..surplus);
    }

    /// QEMU has closed its output; reads the rest of the console and says how it ended.
    async fn ended(&mut self) -> String {
        let mut rest = Vec::new();
        let reading = self.emulator.console.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
        self.heard(&rest);
        let status = self.emulator.process.try_wait();
        let status = status.ok().flatten().map_or(String::new(), |status| format!(" ({status})"));
        let when = if self.request.is_some() { "before it had booted" } else { "before the command did" };
        format!("the guest ended {when}{status}")
    }

    fn last_words(&self) -> String {
        String::from_utf8_lossy(&self.console).trim().replace('\r', "")
    }
}

fn show(to: &mut impl std::io::Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
