//! One intent, all or nothing: prepare, apply, confirm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use metal_netconf::intent::Switch;
use metal_runtime::chain;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::device::Device;
use super::engine::{Settings, Wanted};
use crate::driver::{DriverError, Session};

/// Pauses between looks whether a change shows: short at first.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// Uplinks' sessions have this long on top of the hold time to come back.
const SESSION_MARGIN: Duration = Duration::from_secs(5);

/// Why an intent is not in effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The intent contradicts itself.
    #[error("the intent contradicts itself: {}", .0.join(", "))]
    Contradiction(Vec<String>),
    /// Nothing was changed.
    #[error("the configuration was refused, nothing was changed")]
    Prepare(#[source] DriverError),
    /// Something may have been changed.
    #[error("the configuration could not be applied")]
    Apply(#[source] DriverError),
    /// It was applied and does not show.
    #[error("the configuration was applied and is not in effect: {}", .0.join(", "))]
    Confirm(Vec<String>),
    /// Something else is wanted meanwhile.
    #[error("something else is wanted meanwhile")]
    Superseded,
}

impl Failure {
    /// Whether the device is surely as it was.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Contradiction(_) | Self::Prepare(_))
    }
}

/// What a transaction works with.
pub(super) struct Transaction<'a> {
    pub device: &'a Device,
    pub settings: &'a Settings,
    pub wanted: &'a watch::Receiver<Option<Arc<Wanted>>>,
    /// What was wanted when the run began.
    pub run: &'a Wanted,
    /// Uplinks that had a session before the first change of this run.
    pub owed: &'a mut BTreeSet<String>,
}

impl Transaction<'_> {
    /// Carries out an intent; answers how many changes that took.
    pub async fn run(&mut self, intent: &Arc<Switch>) -> Result<usize, Failure> {
        let faults = intent.faults();
        if !faults.is_empty() {
            return Err(Failure::Contradiction(faults));
        }
        let prepared = self.device.prepare(intent).await.map_err(Failure::Prepare)?;
        let changes = prepared.len();
        if changes > 0 {
            for step in prepared.describe() {
                tracing::debug!(step, "planned");
            }
            if let Ok(sessions) = self.device.sessions().await {
                self.owed.extend(established(intent, &sessions));
            }
            self.device.apply(prepared).await.map_err(Failure::Apply)?;
        }
        self.confirm(intent, changes).await.map(|()| changes)
    }

    async fn confirm(&mut self, intent: &Arc<Switch>, changes: usize) -> Result<(), Failure> {
        let started = Instant::now();
        let sessions_limit = Duration::from_secs(intent.bgp.hold.into()) + SESSION_MARGIN;
        let mut look = FIRST_LOOK;
        loop {
            let deviations = match self.device.deviations(intent).await {
                Ok(deviations) => deviations,
                Err(error) => vec![chain(&error)],
            };
            let lost = if changes > 0 { self.lost(intent).await } else { Vec::new() };
            if deviations.is_empty() && lost.is_empty() {
                return Ok(());
            }
            let waited = started.elapsed();
            if !deviations.is_empty() && waited >= self.settings.confirm {
                return Err(Failure::Confirm(deviations));
            }
            if !lost.is_empty() && waited >= self.settings.confirm.max(sessions_limit) {
                return Err(Failure::Confirm(lost));
            }
            if self.is_superseded() {
                return Err(Failure::Superseded);
            }
            sleep(look).await;
            look = (look * 2).min(LONGEST_LOOK);
        }
    }

    fn is_superseded(&self) -> bool {
        self.wanted.borrow().as_ref().is_some_and(|now| now.intent != self.run.intent)
    }

    /// Sessions that were there before the change and are not now.
    async fn lost(&self, intent: &Switch) -> Vec<String> {
        let owed = self.owed.iter().filter(|port| {
            intent.uplinks.iter().any(|uplink| uplink.as_str() == **port && intent.is_up(uplink))
        });
        let owed: Vec<&String> = owed.collect();
        if owed.is_empty() {
            return Vec::new();
        }
        match self.device.sessions().await {
            Ok(sessions) => {
                let now = established(intent, &sessions);
                let missing = owed.into_iter().filter(|port| !now.contains(*port));
                missing.map(|port| format!("uplink {port} has lost its session")).collect()
            }
            Err(error) => vec![chain(&error)],
        }
    }
}

/// Uplinks with an established session.
fn established(intent: &Switch, sessions: &[Session]) -> BTreeSet<String> {
    let is_uplink = |port: &str| intent.uplinks.iter().any(|uplink| uplink.as_str() == port);
    sessions
        .iter()
        .filter(|session| session.state == "Established" && is_uplink(&session.port))
        .map(|session| session.port.clone())
        .collect()
}
