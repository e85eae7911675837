//! Everything together: plans the floor, connects the agents, starts the tasks, runs the script.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use metal_proto::v1::{Allocation, BootInfo};
use metal_runtime::tls::{self, KeyPair};
use metal_runtime::{TaskTree, pki};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::board::{Board, Status};
use crate::chassis::{Chassis, Disk};
use crate::dice::Dice;
use crate::endpoint::{Endpoint, SimError};
use crate::floor::{Floor, MachinePlan};
use crate::machine::{Machine, World};
use crate::pace::Pace;
use crate::partition::{Bmc, BmcAgent};
use crate::script::{Action, Script, Selector};
use crate::switch::{Neighbour, Port, Ports, Switch};
use crate::system::{Simulated, System};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    /// The partition all of it belongs to.
    pub partition: String,
    /// How many racks.
    pub racks: u16,
    /// How many machines in each.
    pub machines_per_rack: u16,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// What goes wrong.
    pub script: Script,
    /// How many machines may boot at once.
    pub concurrent_boots: usize,
    /// Machines that have an operating system on their disks from an earlier simulation, and boot it.
    pub installed: BTreeMap<Uuid, BootInfo>,
    /// What those were installed for, where it is known and the machines are real.
    pub allocations: BTreeMap<Uuid, Allocation>,
}

/// Machines that are real in some way, and stand where real switches do.
#[derive(Clone)]
pub struct Site {
    /// What stands there. Its switches are not simulated: they register themselves and tell which systems run, so
    /// that there are none in this plan.
    pub floor: Floor,
    /// What each machine really has.
    pub systems: BTreeMap<Uuid, Arc<dyn System>>,
}

impl Config {
    /// A healthy data centre of this many racks and machines.
    #[must_use]
    pub fn new(partition: &str, racks: u16, machines_per_rack: u16) -> Self {
        Self {
            partition: partition.to_owned(),
            racks,
            machines_per_rack,
            seed: 1,
            pace: Pace::default(),
            script: Script::default(),
            concurrent_boots: 32,
            installed: BTreeMap::new(),
            allocations: BTreeMap::new(),
        }
    }

    /// The floor this configuration leads to, without starting anything.
    ///
    /// # Errors
    /// Fails when a rack would hold more machines than its switches have ports.
    pub fn floor(&self) -> Result<Floor, SimError> {
        Floor::plan(&self.partition, self.racks, self.machines_per_rack, self.seed)
    }

    /// The identities that must join before the data centre can start: the partition, then each switch.
    ///
    /// # Errors
    /// As [`Config::floor`].
    pub fn identities(&self) -> Result<Vec<pki::Identity>, SimError> {
        let floor = self.floor()?;
        let switches = floor
            .switches
            .into_iter()
            .map(|switch| pki::Identity::Switch { partition: self.partition.clone(), id: switch.id });
        Ok(std::iter::once(pki::Identity::Partition(self.partition.clone())).chain(switches).collect())
    }
}

/// How the agents reach the control plane, and as whom.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The partition's credentials.
    pub partition: KeyPair,
    /// The switches' credentials, by id.
    pub switches: BTreeMap<String, KeyPair>,
}

/// A running simulation. It ends with the task tree it was started in.
#[derive(Clone, Debug)]
pub struct DataCentre {
    floor: Arc<Floor>,
    chassis: Arc<BTreeMap<Uuid, Arc<Chassis>>>,
    ports: Arc<BTreeMap<String, Ports>>,
    status: watch::Receiver<Status>,
}

impl DataCentre {
    /// Starts the simulation below `tree`. Switches register first, then the machines get power.
    ///
    /// # Errors
    /// Fails on a plan that is too large, and on missing or malformed credentials. A control plane that does not
    /// answer is no error: the agents keep trying.
    pub fn start(config: &Config, access: &Access, tree: &TaskTree) -> Result<Self, SimError> {
        let floor = config.floor()?;
        let simulated = |machine: &MachinePlan| {
            let system: Arc<dyn System> = Arc::new(Simulated { nics: machine.hardware.nics.clone() });
            (machine.id, system)
        };
        let systems = floor.machines.iter().map(simulated).collect();
        Self::begin(config, Site { floor, systems }, false, access, tree)
    }

    /// Starts the machines of a site below `tree`; of the configuration, numbers of racks and machines do not count.
    /// Until the site's switches have registered and show themselves by LLDP, machines are refused and try again.
    ///
    /// # Errors
    /// Fails when a machine has no system, and as [`DataCentre::start`].
    pub fn start_on(config: &Config, site: Site, access: &Access, tree: &TaskTree) -> Result<Self, SimError> {
        Self::begin(config, site, true, access, tree)
    }

    fn begin(
        config: &Config,
        site: Site,
        is_real: bool,
        access: &Access,
        tree: &TaskTree,
    ) -> Result<Self, SimError> {
        tls::install_provider();
        let floor = Arc::new(site.floor);
        let board = Board::new(floor.machines.iter().map(|machine| machine.id));
        let partition_channel = access.endpoint.channel(Some(&access.partition))?;
        let world = Arc::new(World {
            partition: config.partition.clone(),
            endpoint: access.endpoint.clone(),
            boot_server: partition_channel.clone(),
            pace: config.pace.clone(),
            rates: config.script.rates,
            board: board.clone(),
            is_real,
            boots: Semaphore::new(config.concurrent_boots.max(1)),
        });
        let racks: BTreeMap<&str, Arc<watch::Sender<u64>>> = floor
            .machines
            .iter()
            .map(|machine| machine.rack.as_str())
            .chain(floor.switches.iter().map(|switch| switch.rack.as_str()))
            .map(|rack| (rack, Arc::new(watch::Sender::new(0))))
            .collect();
        let chassis: BTreeMap<Uuid, Arc<Chassis>> = floor
            .machines
            .iter()
            .map(|machine| {
                let started = Arc::clone(&racks[machine.rack.as_str()]);
                let disk = config.installed.get(&machine.id).map(|boot| Disk {
                    boot: boot.clone(),
                    allocation: config.allocations.get(&machine.id).cloned().unwrap_or_default(),
                });
                let chassis = Chassis::new(started, disk);
                (machine.id, Arc::new(chassis))
            })
            .collect();
        let data_centre = Self {
            ports: Arc::new(
                floor.switches.iter().map(|switch| (switch.id.clone(), Ports::default())).collect(),
            ),
            chassis: Arc::new(chassis),
            status: board.subscribe(),
            floor: Arc::clone(&floor),
        };
        let tree = tree.child("data-centre");
        data_centre.start_switches(access, &world, &racks, &tree)?;
        data_centre.start_bmcs(config, &world, &tree);
        data_centre.start_machines(config, &site.systems, &world, &tree)?;
        data_centre.start_script(config.script.clone(), &tree);
        Ok(data_centre)
    }

    fn start_switches(
        &self,
        access: &Access,
        world: &Arc<World>,
        racks: &BTreeMap<&str, Arc<watch::Sender<u64>>>,
        tree: &TaskTree,
    ) -> Result<(), SimError> {
        for plan in &self.floor.switches {
            let own = access.switches.get(&plan.id).ok_or_else(|| SimError::Credentials(plan.id.clone()))?;
            let neighbours = self.floor.machines.iter().flat_map(|machine| {
                let ends = machine.cables.iter().zip(&machine.hardware.nics);
                let here = ends.filter(|(cable, _)| cable.switch == plan.id);
                here.map(|(cable, nic)| Neighbour {
                    port: cable.port.clone(),
                    machine: machine.id,
                    nic: nic.name.clone(),
                    mac: nic.mac.clone(),
                    chassis: Arc::clone(&self.chassis[&machine.id]),
                })
            });
            let switch = Switch {
                plan: plan.clone(),
                world: Arc::clone(world),
                channel: access.endpoint.channel(Some(own))?,
                neighbours: neighbours.collect(),
                started: racks[plan.rack.as_str()].subscribe(),
                ports: Arc::clone(&self.ports[&plan.id]),
                generation: 0,
                announced: BTreeMap::new(),
            };
            tree.spawn_essential(&format!("switch {}", plan.id), switch.run(tree.clone()));
        }
        Ok(())
    }

    fn start_bmcs(&self, config: &Config, world: &Arc<World>, tree: &TaskTree) {
        let bmcs = self.floor.machines.iter().map(|machine| {
            let bmc = Bmc { plan: machine.clone(), chassis: Arc::clone(&self.chassis[&machine.id]) };
            (machine.id, bmc)
        });
        let agent = BmcAgent {
            world: Arc::clone(world),
            channel: world.boot_server.clone(),
            bmcs: Arc::new(bmcs.collect()),
        };
        let dice = Dice::of(config.seed, u64::MAX);
        tree.spawn_essential("BMC reports", agent.clone().report(tree.clone(), dice));
        tree.spawn_essential("BMC commands", agent.obey(tree.clone()));
    }

    fn start_machines(
        &self,
        config: &Config,
        systems: &BTreeMap<Uuid, Arc<dyn System>>,
        world: &Arc<World>,
        tree: &TaskTree,
    ) -> Result<(), SimError> {
        let switches = self.floor.switches.len();
        for plan in &self.floor.machines {
            let system = systems.get(&plan.id).ok_or(SimError::NoSystem(plan.id))?;
            let machine = Machine {
                plan: plan.clone(),
                chassis: Arc::clone(&self.chassis[&plan.id]),
                world: Arc::clone(world),
                // Apart from the throws that made its hardware.
                dice: Dice::of(config.seed ^ 0x6c69_6665, plan.index),
                session: None,
                system: Arc::clone(system),
            };
            let (branch, mut status) = (tree.clone(), self.status.clone());
            tree.spawn_essential(&format!("machine {}", plan.id), async move {
                tokio::select! {
                    () = branch.cancelled() => return,
                    ready = status.wait_for(|status| status.switches >= switches) => drop(ready),
                }
                drop(status);
                machine.run(branch).await;
            });
        }
        Ok(())
    }

    fn start_script(&self, script: Script, tree: &TaskTree) {
        if script.steps.is_empty() {
            return;
        }
        let (this, branch, start) = (self.clone(), tree.clone(), Instant::now());
        tree.spawn("script", async move {
            for step in script.steps {
                tokio::select! {
                    () = branch.cancelled() => return,
                    () = sleep_until(start + step.after) => {}
                }
                let machines = this.apply(step.action, &step.to);
                tracing::info!(action = ?step.action, machines, "script step done");
            }
        });
    }

    /// Does something to some machines; answers to how many.
    pub fn apply(&self, action: Action, to: &Selector) -> usize {
        let meant = self.floor.machines.iter().filter(|machine| to.matches(machine));
        meant
            .map(|machine| {
                let chassis = &self.chassis[&machine.id];
                match action {
                    Action::Crash => chassis.crash(),
                    Action::Vanish => chassis.vanish(),
                    Action::Return => chassis.come_back(),
                }
            })
            .count()
    }

    /// What stands where.
    #[must_use]
    pub fn floor(&self) -> &Floor {
        &self.floor
    }

    /// What all machines are doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Tells whenever [`DataCentre::status`] changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// How a switch's ports are configured; empty for unknown switches and those not told yet.
    #[must_use]
    pub fn ports(&self, switch: &str) -> BTreeMap<String, Port> {
        let ports = self.ports.get(switch);
        ports.map(|ports| ports.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// Whether an operating system is on a machine's disk.
    #[must_use]
    pub fn is_installed(&self, machine: Uuid) -> bool {
        self.chassis.get(&machine).is_some_and(|chassis| chassis.is_installed())
    }
}
