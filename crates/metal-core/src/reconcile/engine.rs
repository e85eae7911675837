//! The loop: when to run, what to attempt, what to hold on to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;
use metal_runtime::{TaskTree, chain};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::backoff::Refusal;
use super::device::Device;
use super::fallback::{Findings, Search, compose, isolate, retreats};
use super::outcome::{Outcome, error_text};
use super::transaction::{Failure, Transaction};
use crate::desired::{self, StateError};
use crate::metrics::Metrics;

/// Whole transactions tried in one search; each may take as long as a confirmation.
const MOST_TRANSACTIONS: usize = 16;
/// Configurations prepared in one search.
const MOST_PREPARED: usize = 48;
/// So often an intent fails as a whole before its changes are tried one by one.
const PATIENCE: u32 = 2;

/// What shall be, and what of the wishes is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of the control plane's configuration; 0 if it has none to give.
    pub generation: u64,
    /// The stream it came on; see [`crate::desired::Desired::stream`].
    pub stream: u64,
    /// The whole intent.
    pub intent: Arc<Switch>,
    /// Ports that are cut off because their wish is not understood.
    pub faults: BTreeMap<String, String>,
}

/// The intent that was confirmed last, as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Applied {
    generation: u64,
    #[serde(skip)]
    stream: u64,
    intent: Arc<Switch>,
}

/// How the engine goes about it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether the device is changed at all.
    pub reconfigure: bool,
    /// Between runs when nothing happens.
    pub period: Duration,
    /// How long a change may take to show.
    pub confirm: Duration,
    /// Where the applied intent is kept.
    pub state_dir: PathBuf,
}

/// What the engine is connected to.
#[derive(Debug)]
pub struct Parts {
    /// The device.
    pub device: Device,
    /// What shall be; nothing until it is known.
    pub wanted: watch::Receiver<Option<Arc<Wanted>>>,
    /// Something happened to the device.
    pub wake: Arc<Notify>,
    /// Where each run's outcome goes.
    pub outcome: watch::Sender<Outcome>,
    /// Counters.
    pub metrics: Metrics,
}

/// Keeps the device as it shall be.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    device: Device,
    wanted: watch::Receiver<Option<Arc<Wanted>>>,
    wake: Arc<Notify>,
    outcome: watch::Sender<Outcome>,
    metrics: Metrics,
    good: Option<Applied>,
    /// Whether `good` has still to be written to disk and device.
    is_unsaved: bool,
    refusal: Option<Refusal>,
    owed: BTreeSet<String>,
}

impl Engine {
    /// An engine that knows what was in effect when it last ran.
    ///
    /// # Errors
    /// Fails when that is kept and cannot be read: going on would mean to roll back to nothing.
    pub fn try_new(settings: Settings, parts: Parts) -> Result<Self, StateError> {
        let good: Option<Applied> = desired::read(&settings.state_dir.join("applied.json"))?;
        Ok(Self {
            settings,
            device: parts.device,
            wanted: parts.wanted,
            wake: parts.wake,
            outcome: parts.outcome,
            metrics: parts.metrics,
            good,
            // The crash may have come between the two places where it is kept.
            is_unsaved: true,
            refusal: None,
            owed: BTreeSet::new(),
        })
    }

    /// Runs until cancelled; the device then stays as it is.
    pub async fn run(mut self, tree: TaskTree) {
        let mut is_urgent = false;
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let pause = match wanted {
                Some(wanted) => tokio::select! {
                    () = tree.cancelled() => return,
                    pause = self.once(&wanted, is_urgent) => pause,
                },
                None => self.settings.period,
            };
            let wake = Arc::clone(&self.wake);
            is_urgent = tokio::select! {
                () = tree.cancelled() => return,
                changed = self.wanted.changed() => match changed {
                    Ok(()) => false,
                    // Nobody can wish anything any more: the process is ending.
                    Err(_) => return tree.cancelled().await,
                },
                () = wake.notified() => true,
                () = tokio::time::sleep(pause) => false,
            };
        }
    }

    /// One run; answers how long to wait for the next.
    async fn once(&mut self, wanted: &Wanted, is_urgent: bool) -> Duration {
        if !self.settings.reconfigure {
            return self.observe(wanted).await;
        }
        let started = Instant::now();
        self.owed.clear();
        let known = self.refusal.take().filter(|refusal| refusal.intent == wanted.intent);
        let shortest = self.shortest_pause();
        let failure = match known {
            Some(refusal) if !refusal.is_due(started, shortest, is_urgent) => {
                self.hold(wanted, refusal).await
            }
            known => self.attempt(wanted, known).await,
        };
        let failure = match failure {
            Err(Failure::Superseded) => return Duration::ZERO,
            Err(failure) => Some(chain(&failure)),
            Ok(failure) => failure,
        };
        self.tell(wanted, failure.as_deref(), started.elapsed());
        let retry = self.refusal.as_ref().map(|refusal| refusal.remaining(Instant::now(), shortest));
        retry.unwrap_or(self.settings.period).min(self.settings.period)
    }

    fn shortest_pause(&self) -> Duration {
        self.settings.period.min(Duration::from_secs(1))
    }

    /// Only looks.
    async fn observe(&mut self, wanted: &Wanted) -> Duration {
        let started = Instant::now();
        let failure = match self.device.prepare(&wanted.intent).await {
            Ok(prepared) => {
                self.metrics.changes_pending(prepared.len());
                None
            }
            Err(error) => Some(chain(&error)),
        };
        self.tell(wanted, failure.as_deref(), started.elapsed());
        self.settings.period
    }

    fn tell(&mut self, wanted: &Wanted, failure: Option<&str>, duration: Duration) {
        let refused = self.refusal.iter().flat_map(|refusal| &refusal.refused);
        let mut port_faults = wanted.faults.clone();
        port_faults.extend(refused.map(|(port, why)| (port.to_string(), why.clone())));
        let error = error_text(failure, &port_faults);
        let (in_effect, stream) = self.good.as_ref().map_or((0, 0), |good| (good.generation, good.stream));
        self.metrics.run(duration, failure.is_some(), in_effect, wanted);
        self.outcome.send_modify(|outcome| {
            if outcome.error != error {
                match &error {
                    Some(error) => {
                        tracing::warn!(error, generation = wanted.generation, "switch is not as wanted");
                    }
                    None => tracing::info!(generation = wanted.generation, "switch is as wanted again"),
                }
            }
            let (runs, wanted) = (outcome.runs + 1, wanted.generation);
            *outcome = Outcome { runs, duration, error, port_faults, in_effect, stream, wanted };
        });
    }

    async fn transact(&mut self, wanted: &Wanted, intent: &Arc<Switch>) -> Result<usize, Failure> {
        let mut transaction = Transaction {
            device: &self.device,
            settings: &self.settings,
            wanted: &self.wanted,
            run: wanted,
            owed: &mut self.owed,
        };
        let done = transaction.run(intent).await;
        if let Ok(changes) = done
            && changes > 0
        {
            self.metrics.changed(changes);
            tracing::info!(changes, generation = wanted.generation, "switch configured");
        }
        done
    }

    /// Tries what is wanted, and falls back if it fails. The text is what is told about a run that ended in a safe place.
    async fn attempt(&mut self, wanted: &Wanted, known: Option<Refusal>) -> Result<Option<String>, Failure> {
        let failure = match self.transact(wanted, &wanted.intent).await {
            Ok(_) => return Ok(self.accept(&wanted.intent, of(wanted)).await),
            Err(Failure::Superseded) => return Err(Failure::Superseded),
            Err(failure) => failure,
        };
        let attempts = known.map_or(0, |known| known.attempts) + 1;
        let mut error = chain(&failure);
        tracing::warn!(error, attempt = attempts, generation = wanted.generation, "configuration failed");
        self.metrics.failed("switch-reconfiguration");
        let held = self.fall_back(wanted, failure.is_harmless(), attempts).await?;
        let is_held = matches!(held, Held::Without(_));
        let mut refused = BTreeMap::new();
        match held {
            Held::Without(ports) => refused = ports,
            Held::Nothing(Some(why)) => error = format!("{error}; and going back failed: {why}"),
            Held::Nothing(None) => {}
        }
        self.refusal = Some(Refusal {
            intent: Arc::clone(&wanted.intent),
            attempts,
            failed_at: Instant::now(),
            error: error.clone(),
            refused,
            is_held,
        });
        Ok(Some(error))
    }

    /// Between attempts: keeps what is safe as it is, or goes on looking for something safe.
    async fn hold(&mut self, wanted: &Wanted, mut refusal: Refusal) -> Result<Option<String>, Failure> {
        let error = refusal.error.clone();
        if !refusal.is_held {
            let held = self.fall_back(wanted, false, refusal.attempts).await?;
            refusal.is_held = matches!(held, Held::Without(_));
        } else if let Some(good) = self.good.clone() {
            match self.transact(wanted, &good.intent).await {
                Err(Failure::Superseded) => return Err(Failure::Superseded),
                Err(failure) => tracing::warn!(error = chain(&failure), "holding the configuration failed"),
                Ok(_) => {}
            }
        }
        self.refusal = Some(refusal);
        Ok(Some(error))
    }

    /// Looks for something safe to carry out instead. `is_harmless`: the device is still as it was.
    async fn fall_back(
        &mut self,
        wanted: &Wanted,
        is_harmless: bool,
        attempts: u32,
    ) -> Result<Held, Failure> {
        let good = self.good.clone();
        let good = good.as_ref().map(|good| good.intent.as_ref());
        if good == Some(wanted.intent.as_ref()) {
            return Ok(Held::Nothing(None));
        }
        if is_harmless
            && let Some(findings) = self.search_prepared(wanted).await
            && let Some(refused) = self.settle_findings(wanted, good, findings, attempts).await?
        {
            return Ok(Held::Without(refused));
        }
        let mut why = None;
        for intent in good.map(|good| retreats(good, &wanted.intent)).unwrap_or_default() {
            why = self.settle(wanted, intent, None).await?;
            if why.is_none() {
                let may_search = attempts >= PATIENCE && !is_harmless;
                let refused =
                    if may_search { self.search_applied(wanted, attempts).await? } else { BTreeMap::new() };
                return Ok(Held::Without(refused));
            }
        }
        Ok(Held::Nothing(why))
    }

    /// Carries out what was found possible. Those that are not wait where they are safe; once they have waited long enough
    /// they are cut off, so that they do not keep everything else from being reported as done.
    async fn settle_findings(
        &mut self,
        wanted: &Wanted,
        good: Option<&Switch>,
        findings: Findings,
        attempts: u32,
    ) -> Result<Option<BTreeMap<PortName, String>>, Failure> {
        let mut intent = compose(good, &wanted.intent, &findings.taken);
        let is_final = findings.is_complete && attempts >= PATIENCE;
        if is_final {
            intent = isolate(&intent, findings.refused.keys());
        }
        let done = self.settle(wanted, intent, is_final.then(|| of(wanted))).await?;
        Ok(done.is_none().then_some(findings.refused))
    }

    /// Carries out and keeps an intent that is not what is wanted; answers why not. Without a number it counts as the one
    /// in effect before.
    async fn settle(
        &mut self,
        wanted: &Wanted,
        intent: Switch,
        number: Option<Number>,
    ) -> Result<Option<String>, Failure> {
        let intent = Arc::new(intent);
        match self.transact(wanted, &intent).await {
            Ok(_) => {
                let before = || self.good.as_ref().map_or((0, 0), |good| (good.generation, good.stream));
                let number = number.unwrap_or_else(before);
                if let Some(error) = self.accept(&intent, number).await {
                    tracing::warn!(error, "the configuration that is held is not kept");
                }
                Ok(None)
            }
            Err(Failure::Superseded) => Err(Failure::Superseded),
            Err(failure) => Ok(Some(chain(&failure))),
        }
    }

    /// Finds what of the wanted can be prepared. Changes nothing.
    async fn search_prepared(&self, wanted: &Wanted) -> Option<Findings> {
        let good = self.good.as_ref().map(|good| good.intent.as_ref());
        self.prepares(&compose(good, &wanted.intent, &BTreeSet::new())).await.ok()?;
        let mut search = Search::new(good, &wanted.intent);
        let mut tries = 0;
        while let Some(ports) = search.next()
            && tries < MOST_PREPARED
        {
            tries += 1;
            search.answer(self.prepares(&compose(good, &wanted.intent, &ports)).await);
        }
        Some(search.finish())
    }

    async fn prepares(&self, intent: &Switch) -> Result<(), String> {
        let faults = intent.faults();
        if !faults.is_empty() {
            return Err(faults.join(", "));
        }
        let prepared = self.device.prepare(&Arc::new(intent.clone())).await;
        prepared.map(drop).map_err(|error| chain(&error))
    }

    /// Carries out what of the wanted can be carried out, piece by piece. Ends in something that was confirmed.
    async fn search_applied(
        &mut self,
        wanted: &Wanted,
        attempts: u32,
    ) -> Result<BTreeMap<PortName, String>, Failure> {
        let Some(safe) = self.good.clone() else { return Ok(BTreeMap::new()) };
        let mut search = Search::new(Some(&safe.intent), &wanted.intent);
        let mut tries = 0;
        while let Some(ports) = search.next()
            && tries < MOST_TRANSACTIONS
        {
            tries += 1;
            let tried =
                self.settle(wanted, compose(Some(&safe.intent), &wanted.intent, &ports), None).await?;
            if tried.is_some()
                && let Some(good) = self.good.clone()
                && let Some(why) = self.settle(wanted, Switch::clone(&good.intent), None).await?
            {
                tracing::warn!(error = why, "going back failed");
                return Ok(search.finish().refused);
            }
            search.answer(tried.map_or(Ok(()), Err));
        }
        let findings = search.finish();
        let refused = findings.refused.clone();
        self.settle_findings(wanted, Some(&safe.intent), findings, attempts).await?;
        Ok(refused)
    }

    /// Keeps an intent that is in effect; answers what could not be kept.
    async fn accept(&mut self, intent: &Arc<Switch>, (generation, stream): Number) -> Option<String> {
        let is_same_intent = self.good.as_ref().is_some_and(|good| good.intent == *intent);
        let is_same = is_same_intent && self.good.as_ref().is_some_and(|good| good.generation == generation);
        let applied = Applied { generation, stream, intent: Arc::clone(intent) };
        self.good = Some(applied.clone());
        if is_same && !self.is_unsaved {
            return None;
        }
        let needs_device = !is_same_intent || self.is_unsaved;
        self.is_unsaved = true;
        if let Err(error) = desired::write(&self.settings.state_dir.join("applied.json"), &applied) {
            return Some(chain(&error));
        }
        if needs_device && let Err(error) = self.device.persist(intent).await {
            return Some(chain(&error));
        }
        self.is_unsaved = false;
        None
    }
}

/// A generation with the stream it came on.
type Number = (u64, u64);

fn of(wanted: &Wanted) -> Number {
    (wanted.generation, wanted.stream)
}

/// What is in effect instead of what is wanted.
enum Held {
    /// Something confirmed and safe, lacking these ports.
    Without(BTreeMap<PortName, String>),
    /// Nothing that is known to be safe, and why.
    Nothing(Option<String>),
}
