//! A change of both files, as one transaction.

use std::sync::Arc;

use crate::driver::units::{Commands, Installed, UnitFile};
use crate::driver::{DriverError, Prepared};

/// What is to be written, in this order.
pub(super) struct CumulusPrepared {
    /// FRR without neighbours that leave.
    pub withdrawal: Option<String>,
    /// The interfaces with the stanzas that change.
    pub interfaces: Option<(String, Vec<String>)>,
    /// FRR as it shall be.
    pub frr: Option<String>,
    /// The files of interfaces and of FRR.
    pub files: (UnitFile, UnitFile),
    pub commands: Arc<dyn Commands>,
}

impl CumulusPrepared {
    fn steps(&self) -> impl Iterator<Item = (&UnitFile, &str)> {
        let (interfaces, frr) = &self.files;
        let withdrawal = self.withdrawal.iter().map(move |text| (frr, text.as_str()));
        let middle = self.interfaces.iter().map(move |(text, _)| (interfaces, text.as_str()));
        let last = self.frr.iter().map(move |text| (frr, text.as_str()));
        withdrawal.chain(middle).chain(last)
    }

    /// Has the device check all texts.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        self.steps().try_for_each(|(file, text)| file.check(text, self.commands.as_ref()))
    }
}

impl Prepared for CumulusPrepared {
    fn len(&self) -> usize {
        let stanzas = self.interfaces.as_ref().map_or(0, |(_, changes)| changes.len().max(1));
        stanzas + usize::from(self.withdrawal.is_some()) + usize::from(self.frr.is_some())
    }

    fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.withdrawal.iter().map(|_| "withdraw leaving neighbours from FRR".to_owned()));
        if let Some((_, changes)) = &self.interfaces {
            lines.extend(changes.iter().cloned());
            if changes.is_empty() {
                lines.push("reload interfaces".to_owned());
            }
        }
        lines.extend(self.frr.iter().map(|_| "reload FRR".to_owned()));
        lines
    }

    fn apply(&self) -> Result<(), DriverError> {
        let mut done: Vec<Installed<'_>> = Vec::new();
        for (file, text) in self.steps() {
            match file.install(text, self.commands.as_ref()) {
                Ok(installed) => done.push(installed),
                Err(error) => {
                    for installed in done.iter().rev() {
                        // The first error is the one to tell; what could not be put back shows in the next run.
                        if let Err(again) = installed.restore(self.commands.as_ref()) {
                            tracing::warn!(
                                error = metal_runtime::chain(&again),
                                "a file could not be put back"
                            );
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
