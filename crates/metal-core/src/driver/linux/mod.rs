//! A switch that is plain Linux: the kernel's data plane over netlink, and FRR.
//!
//! FRR forgets what is to go, then the kernel changes, then FRR learns what is new: a neighbour is withdrawn before its
//! port moves, and announced when the port is where it belongs. In the layout with namespaces FRR must know a namespace
//! before anything enters it, so its creation is followed by waiting.

mod detect;
mod kernel;
mod nft;
mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use metal_netconf::frr::{self, Flavor};
use metal_netconf::intent::{PortClass, Switch};
use metal_netconf::linux::{Layout, Step};
use metal_netconf::name::{PortName, VrfName};
use metal_runtime::clock;
use serde::{Deserialize, Serialize};

use super::{Driver, DriverError, OperatingSystem, Port, Prepared, Session};
use crate::frr::Frr;

pub use self::detect::detect_layout;
pub use self::kernel::Kernel;
pub use self::nft::{Nft, NftError};

/// How long FRR may take to notice a namespace. It looks a second after it is told, and may be busy.
const VRF_PATIENCE: Duration = Duration::from_secs(15);
/// How often it is asked.
const VRF_PAUSE: Duration = Duration::from_millis(50);

/// What a Linux switch has where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinuxSettings {
    /// How tenants are kept apart; found out by trying if absent.
    pub layout: Option<Layout>,
    /// Links whose names begin with one of these are ports.
    pub port_prefixes: Vec<String>,
    /// FRR's shell.
    pub vtysh: PathBuf,
    /// FRR's configuration; the file has to be called `frr.conf`.
    pub frr_conf: PathBuf,
    /// What sets packet filters.
    pub nft: PathBuf,
}

impl Default for LinuxSettings {
    fn default() -> Self {
        Self {
            layout: None,
            port_prefixes: vec!["swp".to_owned()],
            vtysh: PathBuf::from("/usr/bin/vtysh"),
            frr_conf: PathBuf::from("/etc/frr/frr.conf"),
            nft: PathBuf::from("/usr/sbin/nft"),
        }
    }
}

/// The driver.
#[derive(Debug)]
pub struct LinuxDriver {
    kernel: Kernel,
    frr: Frr,
}

impl LinuxDriver {
    /// Prepares to drive the switch this runs on.
    ///
    /// # Errors
    /// Fails if the layout is not given and cannot be found out.
    pub fn new(settings: &LinuxSettings) -> Result<Self, DriverError> {
        let layout = match settings.layout {
            Some(layout) => layout,
            None => detect_layout()?,
        };
        let mut frr = Frr::new(&settings.vtysh);
        if let Some(directory) = settings.frr_conf.parent() {
            frr = frr.with_directory(directory);
        }
        let kernel = Kernel::new(layout, settings.port_prefixes.clone()).with_nft(Nft::new(&settings.nft));
        Ok(Self { kernel, frr })
    }

    /// A driver of this kernel and this FRR.
    #[must_use]
    pub fn with(kernel: Kernel, frr: Frr) -> Self {
        Self { kernel, frr }
    }

    /// How tenants are kept apart.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.kernel.layout()
    }

    fn config(&self, intent: &Switch) -> frr::Config {
        let flavor = match self.layout() {
            Layout::Vrf => Flavor::Vrf,
            Layout::Netns => Flavor::Netns,
        };
        frr::switch(intent, flavor)
    }

    fn plan(&self, intent: &Switch) -> Result<(Vec<Step>, frr::Plan), DriverError> {
        let wanted = self.config(intent).tree();
        let plan = self.frr.plan(&wanted);
        let plan = plan.map_err(|error| DriverError::new("read", "FRR's configuration", error))?;
        Ok((self.kernel.plan(intent)?, plan))
    }
}

impl Driver for LinuxDriver {
    fn operating_system(&self) -> Result<OperatingSystem, DriverError> {
        let os = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let version = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let version = version.map_or("unknown", |name| name.trim_matches('"'));
        Ok(OperatingSystem { vendor: "Linux", version: version.to_owned() })
    }

    fn is_ready(&self) -> Result<bool, DriverError> {
        self.frr.is_running().map_err(|error| DriverError::new("look for", "FRR", error))
    }

    fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        self.kernel.ports()
    }

    fn prepare(&self, intent: &Switch) -> Result<Box<dyn Prepared>, DriverError> {
        let (steps, plan) = self.plan(intent)?;
        self.kernel.check(&steps)?;
        if !plan.is_empty() {
            let text = self.config(intent).to_text();
            self.frr
                .validate(&text)
                .map_err(|error| DriverError::new("check", "FRR's new configuration", error))?;
        }
        Ok(Box::new(Change { kernel: self.kernel.clone(), frr: self.frr.clone(), steps, plan }))
    }

    fn deviations(&self, intent: &Switch) -> Result<Vec<String>, DriverError> {
        let (steps, plan) = self.plan(intent)?;
        let mut found: Vec<String> = Vec::new();
        let remaining = steps.iter().filter(|step| !matches!(step, Step::AwaitVrf(_)));
        found.extend(remaining.map(|step| format!("the kernel lacks: {}", step.describe())));
        found.extend(plan.commands().map(|command| format!("FRR lacks: {command}")));
        let missing = self.kernel.missing(intent)?;
        found.extend(missing.iter().map(|port| format!("there is no port {port}")));
        let failed = |what| move |error| DriverError::new("read", what, error);
        let tunnels = self.frr.vnis().map_err(failed("FRR's VNIs"))?;
        for vni in intent.tenants.keys().chain(intent.externals.keys()) {
            let name = intent.vrf_name(*vni);
            match tunnels.get(&vni.get()) {
                Some(tunnel) if tunnel.vrf.as_deref() != Some(name.as_str()) => {
                    found.push(format!("FRR has VNI {vni} not in {name}"));
                }
                Some(tunnel) if tunnel.is_up => {}
                Some(_) => found.push(format!("VNI {vni} is not up")),
                None => found.push(format!("FRR does not know VNI {vni}")),
            }
        }
        if let Some(vni) = intent.pxe.map(|pxe| pxe.vlan.layer2_vni())
            && !tunnels.get(&vni.get()).is_some_and(|tunnel| tunnel.is_up)
        {
            found.push(format!("VNI {vni} of the PXE segment is not up"));
        }
        let sessions = self.sessions()?;
        let there: BTreeSet<_> = sessions.iter().map(|it| (it.vrf.as_str(), it.port.as_str())).collect();
        for (vrf, port) in neighbors(intent).iter().filter(|(_, port)| !missing.contains(port)) {
            if !there.contains(&(vrf.as_str(), port.as_str())) {
                found.push(format!("FRR has no neighbor on {port} in {vrf}"));
            }
        }
        Ok(found)
    }

    fn sessions(&self) -> Result<Vec<Session>, DriverError> {
        self.frr.sessions().map_err(|error| DriverError::new("read", "FRR's sessions", error))
    }

    fn persist(&self, intent: &Switch) -> Result<(), DriverError> {
        let text = self.config(intent).to_text();
        self.frr.save(&text).map_err(|error| DriverError::new("keep", "FRR's configuration", error))
    }
}

/// Ports that shall have a BGP neighbour, with the table it is in.
fn neighbors(intent: &Switch) -> Vec<(String, PortName)> {
    let table = |class| match class {
        PortClass::Uplink | PortClass::Firewall => Some("default".to_owned()),
        PortClass::Tenant(vni) => Some(intent.vrf_name(vni).to_string()),
        // Neighbours outside are known by address.
        PortClass::External(_) | PortClass::Unprovisioned | PortClass::Extra | PortClass::Isolated => None,
    };
    let all = intent.classes().into_iter().filter(|(port, _)| intent.is_up(port));
    all.filter_map(|(port, class)| Some((table(class)?, port.clone()))).collect()
}

struct Change {
    kernel: Kernel,
    frr: Frr,
    steps: Vec<Step>,
    plan: frr::Plan,
}

impl Prepared for Change {
    fn len(&self) -> usize {
        self.steps.len() + self.plan.len()
    }

    fn describe(&self) -> Vec<String> {
        let say =
            |commands: &[frr::Command]| commands.iter().map(|it| format!("FRR: {it}")).collect::<Vec<_>>();
        let mut all = say(&self.plan.withdraw);
        all.extend(self.steps.iter().map(Step::describe));
        all.extend(say(&self.plan.announce));
        all
    }

    fn apply(&self) -> Result<(), DriverError> {
        let say = |what, commands: &[frr::Command]| match commands {
            [] => Ok(()),
            commands => self.frr.apply(commands).map_err(|error| DriverError::new(what, "in FRR", error)),
        };
        say("withdraw", &self.plan.withdraw)?;
        self.kernel.execute(&self.steps, &|vrf| self.await_vrf(vrf))?;
        say("announce", &self.plan.announce)
    }
}

impl Change {
    fn await_vrf(&self, vrf: &VrfName) -> Result<(), DriverError> {
        const ACTION: &str = "wait until FRR knows";
        let begin = clock::monotonic();
        loop {
            if self
                .frr
                .vrfs()
                .map_err(|error| DriverError::new(ACTION, vrf.as_str(), error))?
                .contains(vrf.as_str())
            {
                return Ok(());
            }
            if begin.elapsed() > VRF_PATIENCE {
                let late = format!("it does not after {} s", VRF_PATIENCE.as_secs());
                return Err(DriverError::new(ACTION, vrf.as_str(), late));
            }
            std::thread::sleep(VRF_PAUSE);
        }
    }
}
