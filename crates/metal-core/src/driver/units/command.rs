//! Programs the device brings: started with a list of arguments, never through a shell.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use metal_runtime::clock;
use rustix::process::{Pid, Signal, kill_process_group};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no program in an empty list.
    #[error("run an empty command")]
    Empty,
    /// It did not start.
    #[error("start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("{command} ended with {status}: {said}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said on standard error.
        said: String,
    },
    /// It did not end and was killed.
    #[error("{command} did not end within {} s", limit.as_secs())]
    TimedOut {
        /// The program and its arguments.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// Runs programs, or, in tests, writes down which would run.
pub trait Commands: Send + Sync {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// Fails when it cannot be started, fails or does not end.
    fn run(&self, command: &[&str]) -> Result<(), CommandError>;
}

/// Runs programs as child processes.
#[derive(Debug, Clone)]
pub struct Processes {
    /// Longest a program may take.
    pub limit: Duration,
}

impl Default for Processes {
    fn default() -> Self {
        // Reloading all interfaces of a large switch takes most of a minute.
        Self { limit: Duration::from_secs(120) }
    }
}

const LOOK: Duration = Duration::from_millis(10);

impl Commands for Processes {
    fn run(&self, command: &[&str]) -> Result<(), CommandError> {
        let (program, arguments) = command.split_first().ok_or(CommandError::Empty)?;
        let start = |source| CommandError::Start { program: (*program).to_owned(), source };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(start)?;
        let mut stderr = child.stderr.take().expect("it is piped");
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            // What cannot be read is not told.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let started = clock::monotonic();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(start)? {
                break status;
            }
            if started.elapsed() >= self.limit {
                let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                if let Some(group) = group {
                    // It may have ended just now.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                child.wait().map_err(start)?;
                return Err(CommandError::TimedOut { command: command.join(" "), limit: self.limit });
            }
            thread::sleep(LOOK);
        };
        if status.success() {
            return Ok(());
        }
        let said = said.join().unwrap_or_default();
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = lines[lines.len().saturating_sub(5)..].join("; ");
        Err(CommandError::Failed { command: command.join(" "), status: status.to_string(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_why_a_program_failed() {
        let commands = Processes { limit: Duration::from_secs(30) };
        commands.run(&["true"]).unwrap();
        let error = commands.run(&["sh", "-c", "echo no such unit >&2; exit 5"]).unwrap_err().to_string();
        assert!(error.ends_with("ended with exit status: 5: no such unit"), "{error}");
        let error = commands.run(&["/does/not/exist"]).unwrap_err().to_string();
        assert_eq!(error, "start /does/not/exist");
    }

    #[test]
    fn kills_what_does_not_end() {
        let commands = Processes { limit: Duration::from_millis(50) };
        let error = commands.run(&["sleep", "600"]).unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    }
}
