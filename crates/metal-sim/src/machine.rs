//! The life of one simulated machine, from power-on to power-off, again and again.

use std::sync::Arc;
use std::time::Duration;

use metal_proto::v1::Allocation;
use metal_runtime::TaskTree;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::board::{Board, Phase};
use crate::chassis::{Chassis, Next};
use crate::dice::Dice;
use crate::endpoint::{Endpoint, SimError};
use crate::floor::MachinePlan;
use crate::installer::{Installer, Mishap};
use crate::pace::Pace;
use crate::script::Rates;
use crate::system::{Failure, System};

/// How long a machine tries to say that it ends.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// What all machines share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) partition: String,
    pub(crate) endpoint: Endpoint,
    /// The boot server's connection, which knows machines before they have a certificate.
    pub(crate) boot_server: Channel,
    pub(crate) pace: Pace,
    pub(crate) rates: Rates,
    pub(crate) board: Board,
    /// Whether the network is real, so that it takes time to show and to follow.
    pub(crate) is_real: bool,
    /// How many may be between power-on and registration at once.
    pub(crate) boots: Semaphore,
}

/// One machine.
pub(crate) struct Machine {
    pub(crate) plan: MachinePlan,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) world: Arc<World>,
    pub(crate) dice: Dice,
    /// What it really has.
    pub(crate) system: Arc<dyn System>,
    /// The installer's connection while it runs; outlives a crash so that the crash can be told.
    pub(crate) session: Option<Channel>,
}

impl Machine {
    pub(crate) async fn run(mut self, tree: TaskTree) {
        let chassis = Arc::clone(&self.chassis);
        let mut interruptions = chassis.interruptions();
        loop {
            // Whatever interrupted up to here is in the chassis' state, which the next life begins with.
            interruptions.mark_unchanged();
            tokio::select! {
                () = tree.cancelled() => break,
                _ = interruptions.changed() => {}
                () = self.live() => {}
            }
        }
        self.say_good_bye().await;
        self.system.stop().await;
    }

    /// A simulation that is ended in order leaves no machine behind that seems to have lost power.
    async fn say_good_bye(&mut self) {
        if self.session.is_some() {
            let told = Installer::new(self).tell_once("Planned Reboot", "the simulation ends");
            // Where nobody listens any more there is nobody to tell.
            let _ = timeout(GOOD_BYE, told).await;
        }
    }

    fn show(&self, phase: Phase) {
        self.world.board.set(self.plan.id, phase);
    }

    async fn live(&mut self) {
        // The life before may have ended anywhere.
        self.system.stop().await;
        match self.chassis.next() {
            Next::Off => {
                self.session = None;
                self.show(Phase::Off);
                std::future::pending::<()>().await;
            }
            Next::Vanished => {
                self.session = None;
                self.show(Phase::Vanished);
                std::future::pending::<()>().await;
            }
            Next::Crash => self.crash("killed by the script").await,
            Next::Disk(disk) => {
                self.show(Phase::Booting);
                sleep(self.dice.about(self.world.pace.post)).await;
                self.start_system(&disk.allocation).await;
            }
            Next::Network => self.boot_installer().await,
        }
    }

    async fn boot_installer(&mut self) {
        self.session = None;
        let outcome = Installer::new(self).run().await;
        match outcome {
            Ok(allocation) => self.start_system(&allocation).await,
            Err(Mishap::Crashed(why)) => self.crash(&why).await,
            Err(Mishap::Vanished) => self.be_absent().await,
            Err(Mishap::Rebooted) => {}
            Err(Mishap::Refused { what, status }) => {
                let error = metal_runtime::chain(status.as_ref());
                tracing::warn!(machine = %self.plan.id, action = what, error, "machine refused");
                self.crash(what).await;
            }
            Err(Mishap::Local(error)) => self.fail(&error).await,
        }
    }

    async fn fail(&mut self, error: &SimError) {
        let error = metal_runtime::chain(error);
        tracing::error!(machine = %self.plan.id, error, "simulated machine cannot go on");
        self.show(Phase::Crashed);
        sleep(self.world.pace.pause).await;
    }

    async fn start_system(&mut self, allocation: &Allocation) {
        self.session = None;
        self.show(Phase::Starting);
        sleep(self.dice.about(self.world.pace.kernel)).await;
        let started = self.system.start(allocation).await;
        if let Err(error) = started.map_err(failed("start")) {
            return self.fail(&error).await;
        }
        self.chassis.start_system();
        self.show(Phase::Running);
        std::future::pending::<()>().await;
    }

    async fn crash(&mut self, why: &str) {
        self.show(Phase::Crashed);
        if self.session.is_some() {
            Installer::new(self).tell_once("Crashed", why).await;
        }
        self.session = None;
        sleep(self.dice.about(self.world.pace.pause)).await;
    }

    async fn be_absent(&mut self) {
        self.session = None;
        self.system.stop().await;
        self.show(Phase::Vanished);
        self.chassis.set_present(false);
        sleep(self.dice.about(self.world.pace.absence)).await;
        self.chassis.set_present(true);
    }
}

/// Says what a system was to do when it failed.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(Failure) -> SimError {
    move |source| SimError::System { what, source }
}
