//! Which replica leads: a lease in the store, renewed three times as often as it would expire.
//!
//! A process that has the store to itself always leads and writes no lease, so an idle server does not write. A
//! replica that cannot renew stops leading by its own clock before anybody else may start.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metal_plan::lease::{self, Watch};
use metal_plan::{Env, Tx};
use metal_runtime::TaskTree;
use metal_store::TransactError;
use tokio::sync::watch;

use super::is_alone;
use crate::app::App;

/// The one duty.
const DUTY: &str = "reconcilers";

/// The candidacy of one replica.
#[derive(Debug)]
pub struct Election {
    app: Arc<App>,
    replica: String,
    holds: SignedDuration,
    watch: Watch,
    leads_until: Option<Timestamp>,
}

impl Election {
    /// A candidate that does not lead yet. `replica` is unique among all.
    pub fn new(app: &Arc<App>, replica: &str) -> Self {
        let holds =
            SignedDuration::try_from(app.config.reconcile.lease).unwrap_or(SignedDuration::from_secs(10));
        Self {
            app: Arc::clone(app),
            replica: replica.to_owned(),
            holds,
            watch: Watch::default(),
            leads_until: None,
        }
    }

    /// Tries to take or to renew the lease; answers whether this replica leads now.
    pub async fn round(&mut self) -> bool {
        let started = self.app.clock.now();
        match self.claim().await {
            Ok(true) => self.leads_until = started.saturating_add(self.holds).ok(),
            Ok(false) => self.leads_until = None,
            Err(error) => {
                tracing::warn!(error = metal_runtime::chain(&error), "cannot renew the lease");
            }
        }
        self.leads()
    }

    async fn claim(&mut self) -> Result<bool, TransactError<metal_plan::Error>> {
        let now = self.app.clock.now();
        // Followers look and do not write, so they do not disturb.
        let snapshot = self.app.store.snapshot();
        let seen = snapshot.state.leases.get(DUTY).map(|lease| &**lease);
        self.watch.observe(seen, now);
        let is_taken = seen.is_some_and(|lease| {
            !lease.holder.is_empty() && lease.holder != self.replica && !self.watch.is_expired(lease, now)
        });
        drop(snapshot);
        if is_taken {
            return Ok(false);
        }
        let (replica, holds, watch) = (self.replica.clone(), self.holds, self.watch.clone());
        let decide = move |tx: &mut Tx, _: &mut Env| Ok(lease::claim(tx, DUTY, &replica, holds, &watch, now));
        let claimed = self.app.transact("lease", &self.app.system_caller(), decide).await?;
        Ok(claimed.value)
    }

    /// Whether this replica leads by its own clock.
    pub fn leads(&self) -> bool {
        self.leads_until.is_some_and(|until| self.app.clock.now() < until)
    }

    /// Gives the lease up, so that another need not wait for it to expire.
    pub async fn resign(&mut self) {
        if self.leads_until.take().is_none() {
            return;
        }
        let replica = self.replica.clone();
        let decide = move |tx: &mut Tx, _: &mut Env| {
            lease::release(tx, DUTY, &replica);
            Ok(())
        };
        if let Err(error) = self.app.transact("lease", &self.app.system_caller(), decide).await {
            tracing::warn!(error = metal_runtime::chain(&error), "cannot give up the lease");
        }
    }
}

/// Stands for election until cancelled and tells who wants to know.
pub(super) async fn run(app: Arc<App>, leads: watch::Sender<bool>, tasks: TaskTree) {
    if is_alone(&app) {
        leads.send_replace(true);
        tasks.cancelled().await;
        return;
    }
    let mut election = Election::new(&app, &app.replica);
    let pause = app.config.reconcile.lease / 3;
    loop {
        let round = tokio::time::timeout(pause, election.round());
        // A round that hangs counts as one that failed.
        let is_leader = round.await.unwrap_or_else(|_| election.leads());
        if leads.send_replace(is_leader) != is_leader {
            tracing::info!(replica = app.replica.as_str(), is_leader, "leadership changed");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = tasks.cancelled() => break,
        }
    }
    // Nobody waits for longer than it takes to shut down.
    let _ = tokio::time::timeout(Duration::from_secs(2), election.resign()).await;
}
