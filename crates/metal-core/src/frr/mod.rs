//! FRR on this device, asked and told through `vtysh`.
//!
//! Nothing is remembered: what runs is read from the daemons each time. Every call has an end, because a daemon that hangs
//! makes `vtysh` hang; it is then killed with all it started. No shell is involved, and nothing FRR answers is taken for
//! anything but data. All calls block.

mod apply;
mod parts;
pub(crate) mod process;
mod save;
mod state;
mod stuck;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metal_netconf::frr::{Plan, Tree};

use self::parts::complete;
pub use state::{Tunnel, sessions_in};

/// Longest a question may take. A busy device with hundreds of tables answers within a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why FRR could not be asked or told something.
#[derive(Debug, thiserror::Error)]
pub enum FrrError {
    /// `vtysh` did not start.
    #[error("start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("FRR did not finish \"{question}\" within {} s", patience.as_secs())]
    TimedOut {
        /// What was asked.
        question: String,
        /// How long was waited.
        patience: Duration,
    },
    /// It answered, but with an error.
    #[error("FRR failed at \"{question}\": {answer}")]
    Failed {
        /// What was asked.
        question: String,
        /// What it said.
        answer: String,
    },
    /// It answered something that cannot be read.
    #[error("read FRR's answer to \"{question}\"")]
    Answer {
        /// What was asked.
        question: String,
        /// Why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
    /// Some daemons do not run.
    #[error("FRR's {missing} does not run")]
    Incomplete {
        /// Their names.
        missing: String,
    },
    /// The configuration has errors.
    #[error("FRR does not accept the configuration: {answer}")]
    Invalid {
        /// FRR's words, with the numbers of the lines.
        answer: String,
    },
    /// A command was refused; those before it took effect.
    #[error("FRR refused \"{command}\": {answer}")]
    Refused {
        /// The command with its context.
        command: String,
        /// FRR's words.
        answer: String,
    },
    /// The configuration could not be kept for the next start.
    #[error("write {}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// FRR on this device.
#[derive(Debug, Clone)]
pub struct Frr {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    patience: Duration,
}

impl Frr {
    /// FRR that is reached with this `vtysh` and starts from `/etc/frr/frr.conf`.
    #[must_use]
    pub fn new(vtysh: impl Into<PathBuf>) -> Self {
        Self {
            program: vtysh.into(),
            arguments: Vec::new(),
            directory: PathBuf::from("/etc/frr"),
            patience: PATIENCE,
        }
    }

    /// Says these arguments before its own: for a `vtysh` that is reached through another program, such as `docker`.
    #[must_use]
    pub fn with_arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps the configuration in another directory.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Waits for answers no longer than this.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The file FRR starts from.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("frr.conf")
    }

    /// Has FRR check the grammar of a whole configuration. No daemon needs to run, nothing changes.
    ///
    /// # Errors
    /// [`FrrError::Invalid`] with FRR's words, or when it cannot be asked.
    pub fn validate(&self, text: &str) -> Result<(), FrrError> {
        // By standard input there is no file another process could read or exchange.
        let said =
            self.vtysh(&["-C", "-f", "/dev/stdin"], Some(text), "check the configuration", self.patience)?;
        if said.is_success {
            return Ok(());
        }
        let is_telling = |line: &&str| line.starts_with("line ") || line.starts_with('%');
        let telling: Vec<&str> = said.text.lines().map(str::trim).filter(is_telling).collect();
        let answer = if telling.is_empty() { said.text.trim().to_owned() } else { telling.join("; ") };
        Err(FrrError::Invalid { answer })
    }

    /// What runs now.
    ///
    /// # Errors
    /// Fails when a daemon does not run, since its part would be missing, or when FRR cannot be asked.
    pub fn running(&self) -> Result<Tree, FrrError> {
        Ok(self.parts()?.all())
    }

    /// What is to be said so that this runs. Daemons may disagree, see [`metal_netconf::frr::Running`].
    ///
    /// # Errors
    /// As [`Frr::running`].
    pub fn plan(&self, wanted: &Tree) -> Result<Plan, FrrError> {
        Ok(self.parts()?.plan(wanted))
    }

    /// Whether all daemons answer.
    ///
    /// # Errors
    /// Fails when FRR cannot be asked at all; a daemon that does not run is no error.
    pub fn is_running(&self) -> Result<bool, FrrError> {
        match self.ask(&["show daemons", "show version"]) {
            Ok(text) => Ok(complete(&text).is_ok()),
            // So vtysh ends when it finds no daemon.
            Err(FrrError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks questions in one go and gives the answers as one text.
    pub(super) fn ask(&self, questions: &[&str]) -> Result<String, FrrError> {
        let arguments: Vec<&str> = questions.iter().flat_map(|question| ["-c", question]).collect();
        let question = questions.join("; ");
        let said = self.vtysh(&arguments, None, &question, self.patience)?;
        if said.is_success {
            Ok(said.text)
        } else {
            Err(FrrError::Failed { question, answer: said.summary() })
        }
    }

    fn vtysh(
        &self,
        arguments: &[&str],
        input: Option<&str>,
        question: &str,
        patience: Duration,
    ) -> Result<process::Said, FrrError> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        process::run(command, input, patience).map_err(|failure| match failure {
            process::Failure::Start(source) => FrrError::Start { program: self.program.clone(), source },
            process::Failure::TimedOut => FrrError::TimedOut { question: question.to_owned(), patience },
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}
