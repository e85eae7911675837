//! Files that take effect through systemd: a unit checks a file, another one carries it out.
//!
//! So SONiC and Cumulus switches are configured. A file is exchanged whole or not at all; when its reload fails the one
//! before is put back and reloaded, and a mark beside it tells the next run if this one was interrupted in between.

mod command;
mod escape;
mod file;

#[cfg(test)]
pub(super) mod recorder;

pub use command::{CommandError, Commands, Processes};
pub use escape::{escape_path, instance};
pub use file::{Installed, Reload, UnitFile};
