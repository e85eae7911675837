//! The switch's packet filter: nft is asked what it has of our table, checks a transaction, and carries it out. It works on
//! the network namespace of the calling thread.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use metal_netconf::nftables::{FAMILY, NAME, Outline, OutlineError};

use crate::frr::process::{self, Failure};

/// It answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a packet filter was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// There is no nft.
    #[error("start {}: it is not there; install nftables on the switch", .0.display())]
    Missing(PathBuf),
    /// It did not start.
    #[error("start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not end and was killed.
    #[error("nft {arguments} did not end within {} s", PATIENCE.as_secs())]
    TimedOut {
        /// What it was told.
        arguments: String,
    },
    /// It refused.
    #[error("nft {arguments} failed: {said}")]
    Refused {
        /// What it was told.
        arguments: String,
        /// What it said.
        said: String,
    },
    /// What it listed was not understood.
    #[error(transparent)]
    Outline(#[from] OutlineError),
}

/// The program.
#[derive(Debug, Clone)]
pub struct Nft {
    program: PathBuf,
}

impl Nft {
    /// This program.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<String, NftError> {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        let words = || arguments.join(" ");
        match process::run(command, input, PATIENCE) {
            Ok(said) if said.is_success => Ok(said.text),
            Ok(said) => Err(NftError::Refused { arguments: words(), said: said.summary() }),
            Err(Failure::TimedOut) => Err(NftError::TimedOut { arguments: words() }),
            Err(Failure::Start(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(NftError::Missing(self.program.clone()))
            }
            Err(Failure::Start(source)) => Err(NftError::Start { program: self.program.clone(), source }),
        }
    }

    /// Our table; nothing if there is none. A switch without nft has none, and needs none as long as it has no machines.
    ///
    /// # Errors
    /// Fails if nft fails, or says what is not understood.
    pub fn outline(&self) -> Result<Option<Outline>, NftError> {
        // A table that is not there is listed with an error in words, so all names of tables are asked for first.
        let tables = match self.run(&["-j", "list", "tables", FAMILY], None) {
            Err(NftError::Missing(_)) => return Ok(None),
            other => other?,
        };
        if Outline::parse(&tables)?.is_none() {
            return Ok(None);
        }
        Ok(Outline::parse(&self.run(&["-j", "list", "table", FAMILY, NAME], None)?)?)
    }

    /// Asks whether a transaction would be carried out, changing nothing.
    ///
    /// # Errors
    /// Fails if not.
    pub fn check(&self, transaction: &str) -> Result<(), NftError> {
        self.run(&["-c", "-f", "-"], Some(transaction)).map(drop)
    }

    /// Carries out a transaction, all of it or nothing.
    ///
    /// # Errors
    /// Fails if nft refuses it.
    pub fn apply(&self, transaction: &str) -> Result<(), NftError> {
        self.run(&["-f", "-"], Some(transaction)).map(drop)
    }
}

impl Default for Nft {
    fn default() -> Self {
        Self::new("/usr/sbin/nft")
    }
}
