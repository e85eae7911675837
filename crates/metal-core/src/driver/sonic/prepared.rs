//! A change of rows and of FRR's file.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metal_netconf::sonic::{Fact, Step};

use super::device::Databases;
use super::redis::{Connection, RedisError};
use crate::driver::units::{Commands, UnitFile};
use crate::driver::{DriverError, Prepared};

/// How long and how often the hardware is asked whether something is gone.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often it is asked.
    pub attempts: u32,
    /// The first pause; each one after it is twice as long, up to two seconds.
    pub first: Duration,
}

const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 10, first: Duration::from_millis(50) }
    }
}

/// What is to be done, in this order.
pub(super) struct SonicPrepared {
    /// FRR without neighbours and tables that leave.
    pub withdrawal: Option<String>,
    /// Changes of rows.
    pub steps: Vec<Step>,
    /// FRR as it shall be.
    pub frr: Option<String>,
    pub frr_file: UnitFile,
    pub databases: Databases,
    pub patience: Patience,
    pub commands: Arc<dyn Commands>,
}

impl SonicPrepared {
    /// Has the device check FRR's texts.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        let texts = self.withdrawal.iter().chain(&self.frr);
        texts.into_iter().try_for_each(|text| self.frr_file.check(text, self.commands.as_ref()))
    }

    fn follow(&self, config: &mut Connection, step: &Step) -> Result<(), DriverError> {
        match step {
            Step::Set { key, fields } => {
                let key = key.to_string();
                let fields: Vec<(&str, &str)> =
                    fields.iter().map(|(field, value)| (*field, value.as_str())).collect();
                set(config, &key, fields).map_err(|error| DriverError::new("set", key, error))
            }
            Step::Delete { key } => {
                let key = key.to_string();
                config.delete(&key).map_err(|error| DriverError::new("delete", key, error))
            }
            Step::WaitGone { what } => self.wait(what),
        }
    }

    fn wait(&self, what: &Fact) -> Result<(), DriverError> {
        let mut pause = self.patience.first;
        for attempt in 1..=self.patience.attempts {
            let hardware = self.databases.hardware()?;
            let (Fact::BridgePort(port) | Fact::RouterInterface(port)) = what;
            let is_there = match what {
                Fact::BridgePort(_) => hardware.bridged.contains(port),
                Fact::RouterInterface(_) => hardware.routed.contains(port),
            };
            if !is_there {
                return Ok(());
            }
            if attempt < self.patience.attempts {
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        let why = format!("the switch has not removed it, asked {} times", self.patience.attempts);
        Err(DriverError::new("wait for the end of", format!("the {what}"), why))
    }
}

/// A row without fields cannot be kept in the database: by convention it has one that says so.
fn set(config: &mut Connection, key: &str, fields: Vec<(&str, &str)>) -> Result<(), RedisError> {
    let fields = if fields.is_empty() { vec![("NULL", "NULL")] } else { fields };
    config.set(key, fields)
}

impl Prepared for SonicPrepared {
    fn len(&self) -> usize {
        self.steps.len() + usize::from(self.withdrawal.is_some()) + usize::from(self.frr.is_some())
    }

    fn describe(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.withdrawal.iter().map(|_| "withdraw leaving neighbours from FRR".to_owned()).collect();
        lines.extend(self.steps.iter().map(ToString::to_string));
        lines.extend(self.frr.iter().map(|_| "reload FRR".to_owned()));
        lines
    }

    fn apply(&self) -> Result<(), DriverError> {
        if let Some(text) = &self.withdrawal {
            self.frr_file.install(text, self.commands.as_ref())?;
        }
        if !self.steps.is_empty() {
            let mut config = self.databases.open("CONFIG_DB")?;
            self.steps.iter().try_for_each(|step| self.follow(&mut config, step))?;
        }
        if let Some(text) = &self.frr {
            self.frr_file.install(text, self.commands.as_ref())?;
        }
        Ok(())
    }
}
