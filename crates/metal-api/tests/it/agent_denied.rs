//! Who may not: every method of the agents' API against every kind of caller that has no business with it.

use std::collections::BTreeSet;
use std::path::Path;

use metal_proto::v1 as proto;
use metal_runtime::pki::{self, Identity};
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::agent_world::{Agent, OTHER_PARTITION, PARTITION, World, within};

/// Every method, by its name in the interface description, except joining, which is open.
const METHODS: [&str; 18] = [
    "JoinService.Renew",
    "BootService.Dhcp",
    "BootService.Boot",
    "BootService.MachineCertificate",
    "MachineService.Register",
    "MachineService.Wait",
    "MachineService.Report",
    "MachineService.AbortReinstall",
    "MachineService.SendEvents",
    "MachineService.SuperUserPassword",
    "MachineService.Connected",
    "SwitchService.Register",
    "SwitchService.Desired",
    "SwitchService.Notify",
    "SwitchService.PhoneHome",
    "BmcService.Report",
    "BmcService.Commands",
    "BmcService.Acknowledge",
];

/// What is called for: a machine and a switch of [`PARTITION`].
struct Target {
    machine: String,
    switch: String,
}

fn done<T>(answer: Result<Response<T>, Status>) -> Result<(), Status> {
    answer.map(|_| ())
}

/// Calls a method for the target; `Ok` means that the caller may.
async fn call(agent: &mut Agent, method: &str, target: &Target) -> Result<(), Status> {
    let (machine, switch) = (target.machine.clone(), target.switch.clone());
    let partition = PARTITION.to_owned();
    let csr_pem = pki::request().unwrap().csr_pem;
    match method {
        "JoinService.Renew" => done(agent.join.renew(proto::RenewRequest { csr_pem }).await),
        "BootService.Dhcp" => done(agent.boot.dhcp(proto::DhcpRequest { machine, mac: String::new() }).await),
        "BootService.Boot" => {
            let request = proto::BootRequest { machine, partition, mac: String::new() };
            done(agent.boot.boot(request).await)
        }
        "BootService.MachineCertificate" => {
            let request = proto::MachineCertificateRequest { machine, csr_pem };
            done(agent.boot.machine_certificate(request).await)
        }
        "SwitchService.Register" => {
            let request = proto::RegisterSwitchRequest {
                id: switch,
                rack: "r1".to_owned(),
                partition,
                os: Some(proto::SwitchOs { vendor: "SONiC".to_owned(), ..Default::default() }),
                ..Default::default()
            };
            done(agent.switch.register(request).await)
        }
        "SwitchService.Desired" => {
            done(agent.switch.desired(proto::DesiredRequest { id: switch, after: 0 }).await)
        }
        "SwitchService.Notify" => {
            done(agent.switch.notify(proto::NotifyRequest { id: switch, ..Default::default() }).await)
        }
        "SwitchService.PhoneHome" => {
            let request = proto::PhoneHomeRequest { id: switch, machines: vec![machine] };
            done(agent.switch.phone_home(request).await)
        }
        "BmcService.Report" => {
            let report = proto::BmcReport { machine, ..Default::default() };
            // The partition is left out, so that only the machine gives the caller away.
            let request = proto::BmcReportRequest { partition: String::new(), reports: vec![report] };
            let answer = agent.bmc.report(request).await?.into_inner();
            match answer.updated.len() + answer.created.len() {
                // What is not taken is left out of the answer.
                0 => Err(Status::permission_denied("not taken")),
                _ => Ok(()),
            }
        }
        "BmcService.Commands" => {
            done(agent.bmc.commands(proto::CommandsRequest { partition, after: 0 }).await)
        }
        "BmcService.Acknowledge" => {
            let request = proto::AcknowledgeRequest { partition, sequence: 1, error: None };
            done(agent.bmc.acknowledge(request).await)
        }
        _ => call_machine(agent, method, machine).await,
    }
}

async fn call_machine(agent: &mut Agent, method: &str, machine: String) -> Result<(), Status> {
    let client = &mut agent.machine;
    match method {
        "MachineService.Register" => {
            done(client.register(proto::RegisterRequest { machine, ..Default::default() }).await)
        }
        "MachineService.Wait" => done(client.wait(proto::WaitRequest { machine }).await),
        "MachineService.Report" => {
            done(client.report(proto::ReportRequest { machine, ..Default::default() }).await)
        }
        "MachineService.Connected" => done(client.connected(proto::ConnectedRequest { machine }).await),
        "MachineService.AbortReinstall" => {
            let request = proto::AbortReinstallRequest { machine, primary_disk_wiped: true };
            done(client.abort_reinstall(request).await)
        }
        "MachineService.SendEvents" => {
            let event = proto::MachineEvent { machine, event: "Crashed".to_owned(), ..Default::default() };
            let answer = client.send_events(proto::SendEventsRequest { events: vec![event] }).await?;
            match answer.into_inner().failed.into_iter().next() {
                // A partition is told about each machine.
                Some(failed) => Err(Status::permission_denied(failed.why)),
                None => Ok(()),
            }
        }
        "MachineService.SuperUserPassword" => {
            done(client.super_user_password(proto::SuperUserPasswordRequest { machine }).await)
        }
        other => panic!("{other} is not called"),
    }
}

fn methods_of_the_interface() -> BTreeSet<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../metal-proto/proto/metal/agent/v1");
    let mut methods = BTreeSet::new();
    for file in std::fs::read_dir(dir).unwrap() {
        let mut service = String::new();
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let words: Vec<&str> = line.split([' ', '(']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                ["service", name, ..] => service = (*name).to_owned(),
                ["rpc", name, ..] => drop(methods.insert(format!("{service}.{name}"))),
                _ => {}
            }
        }
    }
    methods
}

#[test]
fn no_method_is_forgotten() {
    let mut known: BTreeSet<String> = METHODS.iter().map(|name| (*name).to_owned()).collect();
    known.insert("JoinService.Join".to_owned());
    assert_eq!(known, methods_of_the_interface());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_acts_for_another() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    let uuid = world.plan(0).id;
    let target = Target { machine: uuid.to_string(), switch: world.floor.switches[0].id.clone() };
    let first = world.boot(&mut partition, &target.machine).await;
    world.boot(&mut partition, &target.machine).await;
    let boot = world.snapshot().state.machine_boots.get(&target.machine).unwrap().boot.clone();

    let switch =
        |partition: &str, id: &str| Identity::Switch { partition: partition.to_owned(), id: id.to_owned() };
    let machine = |partition: &str, machine: Uuid| Identity::Machine {
        partition: partition.to_owned(),
        machine,
        boot: boot.clone(),
    };
    let strangers = [
        Identity::Server("api".to_owned()),
        Identity::Partition(OTHER_PARTITION.to_owned()),
        Identity::Partition("nowhere".to_owned()),
        switch(PARTITION, "another"),
        switch(OTHER_PARTITION, &target.switch),
        machine(PARTITION, world.plan(1).id),
        machine(OTHER_PARTITION, uuid),
        // These exist and may do their own work, not each other's.
        Identity::Partition(PARTITION.to_owned()),
        switch(PARTITION, &target.switch),
        machine(PARTITION, uuid),
    ];
    let before = world.snapshot().revision;
    for method in METHODS {
        let mut nobody = Agent::new(world.channel(None));
        assert_eq!(
            code(&mut nobody, method, &target).await,
            Some(Code::Unauthenticated),
            "{method} by nobody"
        );
        let mut earlier = Agent::new(world.channel(Some(&first)));
        let answer = code(&mut earlier, method, &target).await;
        let denied = [Some(Code::Unauthenticated), Some(Code::PermissionDenied)];
        assert!(denied.contains(&answer), "{method} by an earlier boot: {answer:?}");
        for identity in &strangers {
            if may(method, identity, &target) {
                continue;
            }
            let own = world.issue(identity).await;
            let answer = code(&mut Agent::new(world.channel(Some(&own))), method, &target).await;
            let expected = match identity {
                // A server's certificate is not good for calling at all.
                Identity::Server(_) => answer.is_some(),
                Identity::Machine { machine, .. } if *machine != uuid && method == "JoinService.Renew" => {
                    answer == Some(Code::Unauthenticated)
                }
                _ => {
                    answer == Some(Code::PermissionDenied)
                    // The other machine has no boot of its own.
                    || (matches!(identity, Identity::Machine { .. }) && answer == Some(Code::Unauthenticated))
                }
            };
            assert!(expected, "{method} by {identity}: {answer:?}");
        }
    }
    assert_eq!(world.snapshot().revision, before, "a refused call writes nothing");

    // And those who may are not refused for who they are.
    for identity in &strangers {
        for method in METHODS.into_iter().filter(|method| may(method, identity, &target)) {
            let identity = match identity {
                // Certificates replace the boot, so it is looked up again.
                Identity::Machine { partition, machine, .. } => Identity::Machine {
                    partition: partition.clone(),
                    machine: *machine,
                    boot: world.snapshot().state.machine_boots.get(&target.machine).unwrap().boot.clone(),
                },
                other => other.clone(),
            };
            let own = world.issue(&identity).await;
            let answer = code(&mut Agent::new(world.channel(Some(&own))), method, &target).await;
            let refused = [Some(Code::Unauthenticated), Some(Code::PermissionDenied)];
            assert!(!refused.contains(&answer), "{method} by {identity}: {answer:?}");
        }
    }
    world.stop().await;
}

async fn code(agent: &mut Agent, method: &str, target: &Target) -> Option<Code> {
    within(call(agent, method, target)).await.err().map(|status| status.code())
}

/// Who is meant to call what.
fn may(method: &str, identity: &Identity, target: &Target) -> bool {
    let is_partition = *identity == Identity::Partition(PARTITION.to_owned());
    let is_switch = matches!(identity, Identity::Switch { partition, id } if partition == PARTITION && *id == target.switch);
    let is_machine = matches!(identity, Identity::Machine { partition, machine, .. }
        if partition == PARTITION && machine.to_string() == target.machine);
    let (service, _) = method.split_once('.').unwrap();
    match service {
        // Everybody that is somebody renews its own certificate; a switch that is not registered yet, too.
        "JoinService" => match identity {
            Identity::Partition(id) => id != "nowhere",
            Identity::Switch { partition, .. } => partition == PARTITION,
            Identity::Machine { .. } => is_machine,
            Identity::Server(_) => false,
        },
        "BootService" | "BmcService" => is_partition,
        "MachineService" => is_partition || is_machine,
        "SwitchService" => is_switch,
        other => panic!("{other} has no rule"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_cannot_phone_home_for_machines_that_are_not_its_own() {
    let world = World::start().await;
    let mut leaf = world.switch(0).await;
    let machines = vec![world.plan(0).id.to_string()];
    let request =
        proto::PhoneHomeRequest { id: world.floor.switches[0].id.clone(), machines: machines.clone() };
    let answer = within(leaf.switch.phone_home(request)).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.refused), (0, machines));
    assert!(world.snapshot().state.event_logs.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_another_authority_are_strangers() {
    let world = World::start().await;
    let now = world.app.clock.now();
    let validity = jiff::SignedDuration::from_hours(1);
    let foreign = pki::Authority::generate("elsewhere", validity, now).unwrap();
    let (own, _) = foreign.issue(&Identity::Partition(PARTITION.to_owned()), &[], validity, now).unwrap();
    let mut agent = Agent::new(world.channel(Some(&own)));
    assert!(within(agent.boot.boot(proto::BootRequest::default())).await.is_err());
    world.stop().await;
}
