//! What runs on a machine from the network boot to the kexec: the installer's conversation with the control plane.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use metal_proto::v1::boot_service_client::BootServiceClient;
use metal_proto::v1::machine_service_client::MachineServiceClient;
use metal_proto::v1::wait_response::Outcome;
use metal_proto::v1::{
    Allocation, BootInfo, BootRequest, ConnectedRequest, DhcpRequest, Hardware, MachineCertificateRequest,
    MachineEvent, Nic, RegisterRequest, RegisterResponse, ReportRequest, SendEventsRequest,
    SuperUserPasswordRequest, WaitRequest,
};
use metal_runtime::pki;
use metal_runtime::tls::KeyPair;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::board::Phase;
use crate::chassis::Disk;
use crate::endpoint::SimError;
use crate::machine::{Machine, failed};

/// After so many unanswered attempts in a row a machine gives up and boots again, with a fresh certificate.
const PATIENCE: u32 = 100;

/// How long an installer waits until LLDP shows two switches; after that it registers with what it has seen.
const SIGHT: Duration = Duration::from_secs(32);

/// How long an installer waits for the switches after its report; after that it starts the system all the same.
const CONNECTION: Duration = Duration::from_secs(60);

/// Why an installer did not get as far as the installed system.
#[derive(Debug)]
pub(crate) enum Mishap {
    /// The control plane does not let it.
    Refused { what: &'static str, status: Box<Status> },
    /// It crashed.
    Crashed(String),
    /// All power went.
    Vanished,
    /// It rebooted on purpose.
    Rebooted,
    /// The simulation itself is broken.
    Local(SimError),
}

/// Whether trying again could help.
fn is_temporary(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

/// Calls until it is answered, `patience` times at most.
pub(crate) async fn persist<T, F>(
    pause: Duration,
    patience: u32,
    mut call: impl FnMut() -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut attempt = 0;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if is_temporary(&status) && attempt < patience => {
                attempt += 1;
                let error = metal_runtime::chain(&status);
                tracing::debug!(attempt, error, "control plane does not answer");
                sleep(pause).await;
            }
            Err(status) => return Err(status),
        }
    }
}

fn refused(what: &'static str) -> impl FnOnce(Status) -> Mishap {
    move |status| Mishap::Refused { what, status: Box::new(status) }
}

/// One run of the installer.
pub(crate) struct Installer<'a> {
    machine: &'a mut Machine,
    id: String,
    slowness: u32,
}

impl<'a> Installer<'a> {
    pub(crate) fn new(machine: &'a mut Machine) -> Self {
        let id = machine.plan.id.to_string();
        Self { machine, id, slowness: 1 }
    }

    /// Boots, registers, waits, installs.
    pub(crate) async fn run(mut self) -> Result<Allocation, Mishap> {
        let rates = self.machine.world.rates;
        self.slowness = if self.machine.dice.chance(rates.slow) { 10 } else { 1 };
        let world = std::sync::Arc::clone(&self.machine.world);
        let registered = {
            self.show(Phase::Booting);
            let _place = world.boots.acquire().await.expect("nobody closes the semaphore");
            self.boot_from_network().await?;
            self.show(Phase::Registering);
            self.register().await?
        };
        let allocation = match registered.allocation {
            Some(allocation) if allocation.reinstall => allocation,
            _ => {
                self.machine.chassis.wipe();
                self.tell("Waiting", "waiting for allocation").await?;
                self.show(Phase::Waiting);
                self.wait().await?
            }
        };
        self.show(Phase::Installing);
        self.install(&allocation).await?;
        Ok(allocation)
    }

    /// Tells of a crash or an end, as far as anybody listens.
    pub(crate) async fn tell_once(self, event: &str, why: &str) {
        let told = self.client().send_events(self.event(event, why)).await;
        if let Err(status) = told {
            let error = metal_runtime::chain(&status);
            tracing::debug!(machine = self.id, error, "nobody heard the machine");
        }
    }

    fn show(&self, phase: Phase) {
        self.machine.world.board.set(self.machine.plan.id, phase);
    }

    async fn take(&mut self, duration: Duration) {
        let about = self.machine.dice.about(duration * self.slowness);
        sleep(about).await;
    }

    fn pause(&mut self) -> Duration {
        let pause = self.machine.world.pace.pause;
        self.machine.dice.about(pause)
    }

    fn client(&self) -> MachineServiceClient<Channel> {
        let channel = self.machine.session.clone();
        MachineServiceClient::new(channel.expect("the installer has a session after the network boot"))
    }

    async fn boot_from_network(&mut self) -> Result<(), Mishap> {
        let world = std::sync::Arc::clone(&self.machine.world);
        let boot = BootServiceClient::new(world.boot_server.clone());
        let mac = self.machine.plan.hardware.nics.first().map(|nic| nic.mac.clone()).unwrap_or_default();
        self.machine.system.netboot().await.map_err(failed("boot")).map_err(Mishap::Local)?;
        let pause = self.pause();
        let dhcp = DhcpRequest { machine: self.id.clone(), mac: mac.clone() };
        persist(pause, PATIENCE, || {
            let (mut boot, dhcp) = (boot.clone(), dhcp.clone());
            async move { boot.dhcp(dhcp).await }
        })
        .await
        .map_err(refused("ask for an address"))?;
        let ask = BootRequest { machine: self.id.clone(), mac, partition: world.partition.clone() };
        persist(pause, PATIENCE, || {
            let (mut boot, ask) = (boot.clone(), ask.clone());
            async move { boot.boot(ask).await }
        })
        .await
        .map_err(refused("ask what to boot"))?;
        self.take(world.pace.post).await;
        let request = pki::request().map_err(|error| Mishap::Local(SimError::Request(error)))?;
        let ask = MachineCertificateRequest { machine: self.id.clone(), csr_pem: request.csr_pem };
        let signed = persist(pause, PATIENCE, || {
            let (mut boot, ask) = (boot.clone(), ask.clone());
            async move { boot.machine_certificate(ask).await }
        })
        .await
        .map_err(refused("get a certificate"))?;
        let own = KeyPair { certificate_pem: signed.certificate_pem, key_pem: request.key_pem };
        self.machine.session = Some(world.endpoint.channel(Some(&own)).map_err(Mishap::Local)?);
        Ok(())
    }

    async fn register(&mut self) -> Result<RegisterResponse, Mishap> {
        self.tell("Preparing", "starting metal-hammer").await?;
        let pause = self.pause();
        let (client, id) = (self.client(), self.id.clone());
        persist(pause, PATIENCE, || {
            let (mut client, machine) = (client.clone(), id.clone());
            async move { client.super_user_password(SuperUserPasswordRequest { machine }).await }
        })
        .await
        .map_err(refused("get the BMC's password"))?;
        self.take(self.machine.world.pace.prepare).await;
        self.tell("Registering", "registering inventory").await?;
        let inventory = self.inventory().await;
        persist(pause, PATIENCE, || {
            let (mut client, inventory) = (client.clone(), inventory.clone());
            async move { client.register(inventory).await }
        })
        .await
        .map_err(refused("register"))
    }

    /// The interfaces with what LLDP shows, once it shows two switches.
    async fn nics(&self) -> Vec<Nic> {
        let enough = Instant::now() + SIGHT;
        loop {
            let nics = self.machine.system.neighbors().await;
            let names: BTreeSet<&str> =
                nics.iter().flat_map(|nic| &nic.neighbors).map(|far| far.hostname.as_str()).collect();
            if names.len() >= 2 || Instant::now() >= enough {
                return nics;
            }
            sleep(self.machine.world.pace.look).await;
        }
    }

    async fn inventory(&self) -> RegisterRequest {
        let plan = &self.machine.plan;
        RegisterRequest {
            machine: self.id.clone(),
            hardware: Some(Hardware { nics: self.nics().await, ..plan.hardware.clone() }),
            bios: Some(plan.bios.clone()),
            bmc: Some(plan.bmc.clone()),
            fru: Some(plan.fru.clone()),
            bmc_version: plan.bmc_version.clone(),
            power_state: "ON".to_owned(),
            tags: vec![format!("machine.metal-stack.io/rack={}", plan.rack)],
            hammer_version: format!("v{} (simulated)", env!("CARGO_PKG_VERSION")),
            partition: self.machine.world.partition.clone(),
        }
    }

    async fn wait(&mut self) -> Result<Allocation, Mishap> {
        let pace = self.machine.world.pace.clone();
        let mut alive = interval_at(Instant::now() + self.machine.dice.about(pace.alive), pace.alive);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let enough = Instant::now() + self.machine.dice.about(pace.longest_wait);
        loop {
            let pause = self.pause();
            let (client, id) = (self.client(), self.id.clone());
            let mut answers = persist(pause, PATIENCE, || {
                let (mut client, machine) = (client.clone(), id.clone());
                async move { client.wait(WaitRequest { machine }).await }
            })
            .await
            .map_err(refused("wait"))?;
            loop {
                tokio::select! {
                    answer = answers.message() => match answer {
                        Ok(Some(answer)) => match answer.outcome {
                            Some(Outcome::Allocated(allocation)) => return Ok(*allocation),
                            Some(Outcome::Waiting(_)) | None => {}
                        },
                        Ok(None) => { sleep(pause).await; break }
                        Err(status) if is_temporary(&status) || status.code() == Code::Internal => {
                            sleep(pause).await;
                            break;
                        }
                        Err(status) => return Err(refused("wait")(status)),
                    },
                    _ = alive.tick() => {
                        if self.machine.dice.chance(self.machine.world.rates.vanish) {
                            return Err(Mishap::Vanished);
                        }
                        self.tell("Alive", "").await?;
                    }
                    () = sleep_until(enough) => {
                        self.tell("Planned Reboot", "waited long enough, booting a fresh installer").await?;
                        return Err(Mishap::Rebooted);
                    }
                }
            }
        }
    }

    async fn install(&mut self, allocation: &Allocation) -> Result<(), Mishap> {
        self.tell("Installing", "").await?;
        self.machine.chassis.wipe();
        if self.machine.dice.chance(self.machine.world.rates.crash) {
            self.take(self.machine.world.pace.install / 2).await;
            let why = "kernel panic - not syncing: simulated".to_owned();
            self.report(None, &why).await?;
            return Err(Mishap::Crashed(why));
        }
        self.take(self.machine.world.pace.install).await;
        let system = self.boot_info(allocation);
        let disk = Disk { boot: system.clone(), allocation: allocation.clone() };
        self.machine.chassis.install(disk);
        self.machine.system.installed(allocation).await.map_err(failed("install")).map_err(Mishap::Local)?;
        self.report(Some(system), "").await?;
        if self.machine.world.is_real {
            self.be_connected().await?;
        }
        self.tell("Booting New Kernel", "").await
    }

    /// Waits until the switches have put the ports into the machine's networks: a system that starts before that
    /// would have its first connections refused.
    async fn be_connected(&mut self) -> Result<(), Mishap> {
        let enough = Instant::now() + CONNECTION;
        loop {
            let pause = self.pause();
            let (client, id) = (self.client(), self.id.clone());
            let answer = persist(pause, PATIENCE, || {
                let (mut client, machine) = (client.clone(), id.clone());
                async move { client.connected(ConnectedRequest { machine }).await }
            })
            .await
            .map_err(refused("ask whether it is connected"))?;
            if answer.connected {
                return Ok(());
            }
            if Instant::now() >= enough {
                tracing::warn!(machine = self.id, missing = ?answer.missing, "switches did not follow in time");
                return Ok(());
            }
            sleep(self.machine.world.pace.look).await;
        }
    }

    fn boot_info(&self, allocation: &Allocation) -> BootInfo {
        let disk = self.machine.plan.system_disk;
        let separator = if disk.starts_with("/dev/nvme") { "p" } else { "" };
        let os_partition = format!("{disk}{separator}2");
        BootInfo {
            image_id: allocation.image.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
            primary_disk: disk.to_owned(),
            initrd: "/boot/initrd.img".to_owned(),
            cmdline: format!("console=ttyS1,115200n8 root={os_partition} ro"),
            os_partition,
            kernel: "/boot/vmlinuz".to_owned(),
            bootloader_id: "metal-debian".to_owned(),
        }
    }

    /// Reports success with how to boot, or failure with why not.
    async fn report(&mut self, system: Option<BootInfo>, message: &str) -> Result<(), Mishap> {
        let pause = self.pause();
        let client = self.client();
        let report = ReportRequest {
            machine: self.id.clone(),
            console_password: format!("{:016x}", self.machine.dice.throw()),
            success: system.is_some(),
            boot_info: system,
            message: message.to_owned(),
        };
        persist(pause, PATIENCE, || {
            let (mut client, report) = (client.clone(), report.clone());
            async move { client.report(report).await }
        })
        .await
        .map_err(refused("report the installation"))?;
        Ok(())
    }

    fn event(&self, event: &str, message: &str) -> SendEventsRequest {
        let event = MachineEvent {
            machine: self.id.clone(),
            event: event.to_owned(),
            message: message.to_owned(),
            time: None,
        };
        SendEventsRequest { events: vec![event] }
    }

    async fn tell(&mut self, event: &str, message: &str) -> Result<(), Mishap> {
        let pause = self.pause();
        let (client, events) = (self.client(), self.event(event, message));
        persist(pause, PATIENCE, || {
            let (mut client, events) = (client.clone(), events.clone());
            async move { client.send_events(events).await }
        })
        .await
        .map_err(refused("send an event"))?;
        Ok(())
    }
}
