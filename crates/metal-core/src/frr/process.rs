//! Runs a program that might never end.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use metal_runtime::clock;
use rustix::process::{Pid, Signal, kill_process_group};

/// What a program said.
pub(crate) struct Said {
    /// Whether it ended with success.
    pub(crate) is_success: bool,
    /// Standard output and, after it, standard error.
    pub(crate) text: String,
}

impl Said {
    /// The lines that say something, as one.
    pub(crate) fn summary(&self) -> String {
        let lines: Vec<&str> = self.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let shown: String = lines.join("; ").chars().take(500).collect();
        if shown.is_empty() { "without a word".to_owned() } else { shown }
    }
}

/// Why nothing was said.
pub(crate) enum Failure {
    /// It did not start.
    Start(io::Error),
    /// It was killed.
    TimedOut,
}

/// Runs a program to its end, and no longer than `patience`: then it is killed with everything it started.
pub(crate) fn run(mut command: Command, input: Option<&str>, patience: Duration) -> Result<Said, Failure> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(Failure::Start)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A program that ends early does not read on; what it says tells why.
        scope.spawn(move || stdin.zip(input).map(|(mut to, text)| to.write_all(text.as_bytes())));
        let output = scope.spawn(move || read(stdout));
        let errors = scope.spawn(move || read(stderr));
        let ended = wait(&mut child, patience);
        let mut text = output.join().unwrap_or_default();
        text.push_str(&errors.join().unwrap_or_default());
        ended.map(|is_success| Said { is_success, text })
    })
}

fn read(from: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // What was read until an error is all there is.
    let _ = from.map(|mut from| from.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, patience: Duration) -> Result<bool, Failure> {
    let start = clock::monotonic();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if start.elapsed() < patience => thread::sleep(pause),
            Ok(None) | Err(_) => break,
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    // It may have ended between the question and the blow.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
    Err(Failure::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sleep 1000"]);
        assert!(matches!(run(command, None, Duration::from_millis(50)), Err(Failure::TimedOut)));
    }

    #[test]
    fn much_goes_in_and_out_at_once() {
        let text = "line\n".repeat(200_000);
        let Ok(said) = run(Command::new("cat"), Some(&text), Duration::from_secs(60)) else {
            panic!("cat failed")
        };
        assert!(said.is_success && said.text == text);
    }

    #[test]
    fn a_program_that_does_not_read_is_heard() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no >&2; exit 2"]);
        let Ok(said) = run(command, Some(&"x".repeat(1 << 20)), Duration::from_secs(60)) else {
            panic!("sh failed")
        };
        assert!(!said.is_success && said.summary() == "no");
    }
}
