//! The partition's agent at the BMCs: reports what they say, does what it is told, acknowledges it.

use std::collections::BTreeMap;
use std::sync::Arc;

use metal_proto::v1::bmc_service_client::BmcServiceClient;
use metal_proto::v1::{
    AcknowledgeRequest, BmcReport, BmcReportRequest, CommandsRequest, CommandsResponse, PowerMetric,
    PowerSupply,
};
use metal_runtime::TaskTree;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::chassis::Chassis;
use crate::dice::Dice;
use crate::floor::MachinePlan;
use crate::installer::persist;
use crate::machine::World;

/// BMCs reported in one message.
const BATCH: usize = 200;

/// A BMC: the chassis it controls and what it knows about it.
pub(crate) struct Bmc {
    pub(crate) plan: MachinePlan,
    pub(crate) chassis: Arc<Chassis>,
}

/// The partition's BMC agent.
#[derive(Clone)]
pub(crate) struct BmcAgent {
    pub(crate) world: Arc<World>,
    pub(crate) channel: Channel,
    pub(crate) bmcs: Arc<BTreeMap<Uuid, Bmc>>,
}

impl BmcAgent {
    /// Reports all BMCs now and then.
    pub(crate) async fn report(self, tree: TaskTree, mut dice: Dice) {
        let mut due = interval(self.world.pace.bmc_report);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = tree.cancelled() => return,
                _ = due.tick() => {}
            }
            tokio::select! {
                () = tree.cancelled() => return,
                () = self.report_all(&mut dice) => {}
            }
        }
    }

    async fn report_all(&self, dice: &mut Dice) {
        let reports: Vec<BmcReport> = self
            .bmcs
            .values()
            .filter(|bmc| bmc.chassis.is_present())
            .map(|bmc| report_of(bmc, dice))
            .collect();
        for batch in reports.chunks(BATCH) {
            let request =
                BmcReportRequest { partition: self.world.partition.clone(), reports: batch.to_vec() };
            let client = BmcServiceClient::new(self.channel.clone());
            let told = persist(self.world.pace.pause, u32::MAX, || {
                let (mut client, request) = (client.clone(), request.clone());
                async move { client.report(request).await }
            });
            if let Err(status) = told.await {
                let error = metal_runtime::chain(&status);
                tracing::warn!(error, "BMC reports refused");
            }
        }
    }

    /// Follows the command stream for ever.
    pub(crate) async fn obey(self, tree: TaskTree) {
        loop {
            tokio::select! {
                () = tree.cancelled() => return,
                () = self.follow() => {}
            }
        }
    }

    async fn follow(&self) {
        let client = BmcServiceClient::new(self.channel.clone());
        let partition = &self.world.partition;
        let stream = persist(self.world.pace.pause, u32::MAX, || {
            let mut client = client.clone();
            // Whatever was not acknowledged comes again, which is what a restarted agent wants.
            let request = CommandsRequest { partition: partition.clone(), after: 0 };
            async move { client.commands(request).await }
        });
        let ended = match stream.await {
            Ok(mut commands) => loop {
                match commands.message().await {
                    Ok(Some(command)) => self.carry_out(command).await,
                    Ok(None) => break None,
                    Err(status) => break Some(status),
                }
            },
            Err(status) => Some(status),
        };
        if let Some(status) = ended {
            let error = metal_runtime::chain(&status);
            tracing::debug!(error, "command stream ended");
        }
        sleep(self.world.pace.pause).await;
    }

    async fn carry_out(&self, command: CommandsResponse) {
        let outcome = match command.machine.parse::<Uuid>().ok().and_then(|id| self.bmcs.get(&id)) {
            Some(bmc) => bmc.chassis.command(command.command()),
            None => Err("no such BMC"),
        };
        tracing::debug!(
            machine = command.machine,
            command = command.command().as_str_name(),
            sequence = command.sequence,
            error = outcome.err(),
            "BMC command carried out"
        );
        let client = BmcServiceClient::new(self.channel.clone());
        let request = AcknowledgeRequest {
            partition: self.world.partition.clone(),
            sequence: command.sequence,
            error: outcome.err().map(str::to_owned),
        };
        let told = persist(self.world.pace.pause, u32::MAX, || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.acknowledge(request).await }
        });
        if let Err(status) = told.await {
            let error = metal_runtime::chain(&status);
            tracing::warn!(error, "acknowledgement refused");
        }
    }
}

fn report_of(bmc: &Bmc, dice: &mut Dice) -> BmcReport {
    let powered = bmc.chassis.is_powered();
    let plan = &bmc.plan;
    let base: f32 = if powered { 110.0 } else { 8.0 };
    let spread = f32::from(u8::try_from(dice.below(40)).expect("below 40"));
    BmcReport {
        machine: plan.id.to_string(),
        address: plan.bmc.address.split(':').next().unwrap_or_default().to_owned(),
        mac: Some(plan.bmc.mac.clone()),
        user: Some(plan.bmc.user.clone()),
        password: Some(plan.bmc.password.clone()),
        fru: Some(plan.fru.clone()),
        bios_version: plan.bios.version.clone(),
        bmc_version: plan.bmc_version.clone(),
        power_state: if powered { "ON" } else { "OFF" }.to_owned(),
        led_state: if bmc.chassis.is_lit() { "LED-ON" } else { "LED-OFF" }.to_owned(),
        power_metric: Some(PowerMetric {
            average_consumed_watts: base + spread,
            interval_in_min: 1.0,
            max_consumed_watts: base + spread * 2.0,
            min_consumed_watts: base,
        }),
        power_supplies: vec![PowerSupply { health: "OK".to_owned(), state: "Enabled".to_owned() }; 2],
    }
}
