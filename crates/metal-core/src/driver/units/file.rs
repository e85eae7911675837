//! One file with the unit that checks it and the unit that carries it out.

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::command::Commands;
use super::escape::instance;
use crate::driver::DriverError;

/// How a file is made to take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// Start this unit, which ends when it is done.
    Start(String),
    /// Reload this unit, which runs.
    Reload(String),
}

/// A file that systemd units check and carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// The file.
    pub path: PathBuf,
    /// The template of the unit that checks a file.
    pub validation: String,
    /// What makes it take effect.
    pub reload: Reload,
}

/// A file that was exchanged, with what was there before.
#[derive(Debug)]
pub struct Installed<'a> {
    file: &'a UnitFile,
    previous: Option<String>,
}

impl UnitFile {
    /// What is in place; nothing if there is no file.
    ///
    /// # Errors
    /// Fails when it cannot be read.
    pub fn current(&self) -> Result<Option<String>, DriverError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("read", error)),
        }
    }

    /// Whether this text is in place and has taken effect.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn is_in_effect(&self, text: &str) -> Result<bool, DriverError> {
        Ok(!self.mark().exists() && self.current()?.as_deref() == Some(text))
    }

    /// Has the unit check a text; the file in place is not touched.
    ///
    /// # Errors
    /// Fails when the unit refuses it.
    pub fn check(&self, text: &str, commands: &dyn Commands) -> Result<(), DriverError> {
        let draft = self.beside("tmp");
        self.write(&draft, text)?;
        let unit = instance(&self.validation, &draft);
        let checked = commands.run(&["systemctl", "start", &unit]);
        let removed = fs::remove_file(&draft);
        checked.map_err(|error| self.error("check", error))?;
        removed.map_err(|error| self.error("remove the draft of", error))
    }

    /// Exchanges the file and makes it take effect; if that fails the one before is put back and reloaded.
    ///
    /// # Errors
    /// Fails when the file cannot be exchanged, or with the reload's error.
    pub fn install(&self, text: &str, commands: &dyn Commands) -> Result<Installed<'_>, DriverError> {
        let previous = self.current()?;
        let installed = Installed { file: self, previous };
        if let Err(error) = self.exchange(text, commands) {
            return Err(match installed.restore(commands) {
                Ok(()) => error,
                Err(again) => {
                    let both =
                        format!("{}; putting back the file before failed too", metal_runtime::chain(&error));
                    DriverError::new("reload", both, again)
                }
            });
        }
        Ok(installed)
    }

    fn exchange(&self, text: &str, commands: &dyn Commands) -> Result<(), DriverError> {
        self.write(&self.mark(), "")?;
        let draft = self.beside("tmp");
        self.write(&draft, text)?;
        fs::rename(&draft, &self.path).map_err(|error| self.error("replace", error))?;
        self.reload(commands)
    }

    fn reload(&self, commands: &dyn Commands) -> Result<(), DriverError> {
        let command = match &self.reload {
            Reload::Start(unit) => ["systemctl", "start", unit],
            Reload::Reload(unit) => ["systemctl", "reload", unit],
        };
        commands.run(&command).map_err(|error| self.error("reload", error))?;
        match fs::remove_file(self.mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error("unmark", error)),
            _ => Ok(()),
        }
    }

    /// Says that the file was exchanged and its reload has not succeeded yet.
    fn mark(&self) -> PathBuf {
        self.beside("reload-pending")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(suffix);
        name.into()
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), DriverError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let written = || {
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o644).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        written().map_err(|error: io::Error| DriverError::new("write", path.display().to_string(), error))
    }

    fn error(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> DriverError {
        DriverError::new(action, self.path.display().to_string(), source)
    }
}

impl Installed<'_> {
    /// Puts back what was there before and makes it take effect.
    ///
    /// # Errors
    /// Fails when that is not possible.
    pub fn restore(&self, commands: &dyn Commands) -> Result<(), DriverError> {
        let file = self.file;
        match &self.previous {
            Some(text) => file.exchange(text, commands),
            None => match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file.error("remove", error)),
                // Nothing to reload from; the next run sees that there is no file.
                _ => Ok(()),
            },
        }
    }
}
