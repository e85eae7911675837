//! The way out when FRR has locked itself.
//!
//! FRR 10's management daemon keeps the lock on its configuration for minutes when another daemon's connection to it breaks in
//! the middle of a commit; until then it refuses every change. It holds nothing that is not on disk or in the other daemons,
//! so it is ended, and FRR's watchdog starts it again. What the daemons then disagree about, the next plan finds.

use std::path::Path;
use std::thread;
use std::time::Duration;

use metal_runtime::clock;
use rustix::process::{Pid, Signal, kill_process};

use super::Frr;

/// What mgmtd says when somebody else has the lock.
pub(super) const LOCKED: &str = "could not lock running DS";
/// What it says when it is about to keep the lock.
const BROKEN: &str = "Backend daemon disconnected";
/// Where it tells its process, as every daemon of FRR does.
const PROCESS: &str = "/run/frr/mgmtd.pid";
/// How long its watchdog may take to start it again.
const RETURN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(200);

impl Frr {
    /// Ends the management daemon if the answer to a command shows that it is stuck, and waits until it is back. Does nothing
    /// where FRR runs out of our reach, in a container.
    pub(super) fn free_if_stuck(&self, answer: &str) {
        let is_stuck = answer.contains(LOCKED) || answer.contains(BROKEN);
        if !is_stuck || !self.arguments.is_empty() {
            return;
        }
        let Some(process) = process(Path::new(PROCESS)) else { return };
        tracing::warn!(reason = answer, "FRR's mgmtd is stuck, ending it");
        if kill_process(process, Signal::KILL).is_err() {
            return;
        }
        let since = clock::monotonic();
        while since.elapsed() < RETURN {
            thread::sleep(LOOK);
            if self.is_running().is_ok_and(|is_running| is_running) {
                return;
            }
        }
    }
}

/// The process of the file, if it is what the file says.
fn process(file: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(file).ok()?;
    let number: i32 = text.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
    if name.trim() == "mgmtd" { Pid::from_raw(number) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_really_the_daemon_is_ended() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "no number", "-5", &std::process::id().to_string()] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(process(file.path()), None, "{text:?}");
        }
    }
}
