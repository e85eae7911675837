//! The life of a machine as its agents see it, from the first boot to the next tenant.

use metal_model::event_log::ProvisioningEvent;
use metal_proto::v1 as proto;
use metal_proto::v1::wait_response::Outcome;

use crate::agent_world::{Agent, World, within};

fn newest(world: &World, machine: &str) -> Option<ProvisioningEvent> {
    let snapshot = world.snapshot();
    snapshot.state.event_logs.get(machine)?.events.first().map(|event| event.event)
}

async fn allocated(stream: &mut tonic::Streaming<proto::WaitResponse>) -> proto::Allocation {
    loop {
        match within(stream.message()).await.unwrap().expect("an allocation before the end").outcome {
            Some(Outcome::Allocated(allocation)) => {
                assert!(
                    within(stream.message()).await.unwrap().is_none(),
                    "the allocation is the last message"
                );
                return *allocation;
            }
            _ => continue,
        }
    }
}

async fn configured(
    stream: &mut tonic::Streaming<proto::DesiredResponse>,
    port: &str,
    holds: impl Fn(&proto::DesiredPort) -> bool,
) -> proto::DesiredResponse {
    loop {
        let desired = within(stream.message()).await.unwrap().unwrap();
        if desired.nics.iter().any(|nic| nic.name == port && holds(nic)) {
            return desired;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_installed_and_freed() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let mut leaf = world.switch(0).await;
    world.switch(1).await;
    let plan = world.plan(0);
    let id = plan.id.to_string();
    let port = &plan.cables[0].port;

    // It is unknown, boots from the network, and registers.
    let (mut machine, mut waiting) = world.park(&mut partition, 0).await;
    assert_eq!(newest(&world, &id), Some(ProvisioningEvent::PxeBooting));
    let record = world.machine(&id);
    assert_eq!((record.size.as_str(), record.rack.as_str()), (plan.size, plan.rack.as_str()));
    assert_eq!(record.partition, "fra1");
    for event in ["Preparing", "Registering", "Waiting"] {
        let answer = machine.event(&id, event).await.unwrap();
        assert_eq!((answer.accepted, answer.failed.len()), (1, 0));
    }

    // Its switch knows the machine and keeps the port out of everything.
    let mut desired = leaf.desired(&world.floor.switches[0].id, 0).await;
    let before = configured(&mut desired, port, |nic| nic.machine == id && nic.vrf.is_empty()).await;

    // It is given to a project.
    assert_eq!(world.allocate(None).await, id);
    let allocation = allocated(&mut waiting).await;
    assert_eq!(allocation.hostname, "box");
    assert_eq!(allocation.role(), proto::Role::Machine);
    let image = allocation.image.unwrap();
    assert_eq!((image.id.as_str(), image.url.as_str()), ("debian-13.0.20260101", "http://images/debian"));
    assert_eq!(allocation.filesystem_layout.unwrap().id, "default");
    let network = &allocation.networks[0];
    assert!(network.private && network.vrf != 0 && network.ips.len() == 1);
    world.until(|snapshot| !snapshot.machines.get(&id).unwrap().waiting).await;

    // Registering again in mid-installation tells the allocation, too.
    let again = within(machine.machine.register(world.registration(0))).await.unwrap().into_inner();
    assert_eq!(again.allocation.unwrap().allocation_uuid, allocation.allocation_uuid);

    // It installs, and with its report the switches open the tenant's network.
    machine.event(&id, "Installing").await.unwrap();
    let report = proto::ReportRequest {
        machine: id.clone(),
        console_password: "secret".to_owned(),
        boot_info: Some(proto::BootInfo { kernel: "/vmlinuz".to_owned(), ..proto::BootInfo::default() }),
        success: true,
        message: String::new(),
    };
    within(machine.machine.report(report)).await.unwrap();
    let vrf = format!("vrf{}", network.vrf);
    let opened = configured(&mut desired, port, |nic| nic.vrf == vrf).await;
    assert!(opened.generation > before.generation);
    let nic = opened.nics.iter().find(|nic| nic.name == *port).unwrap();
    assert!(nic.filter_cidrs.contains(&network.prefixes[0]), "{:?}", nic.filter_cidrs);

    // The switch sees its system.
    machine.event(&id, "Booting New Kernel").await.unwrap();
    let seen = proto::PhoneHomeRequest {
        id: world.floor.switches[0].id.clone(),
        machines: vec![id.clone(), world.plan(1).id.to_string(), "nonsense".to_owned()],
    };
    let answer = within(leaf.switch.phone_home(seen)).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.refused.len()), (1, 2));
    assert_eq!(newest(&world, &id), Some(ProvisioningEvent::PhonedHome));

    // It is freed: the port closes and the BMC is told.
    let mut commands = partition.commands(0).await;
    let first = within(commands.message()).await.unwrap().unwrap();
    assert_eq!(first.command(), proto::BmcCommand::Disk, "what is left of the installation");
    acknowledge(&mut partition, first.sequence).await;
    world.free(&id).await;
    configured(&mut desired, port, |nic| nic.vrf.is_empty()).await;
    let mut told = Vec::new();
    while !told.contains(&proto::BmcCommand::Free) {
        let command = within(commands.message()).await.unwrap().unwrap();
        assert_eq!(command.machine, id);
        assert_eq!(command.access.as_ref().unwrap().address, plan.bmc.address);
        told.push(command.command());
        acknowledge(&mut partition, command.sequence).await;
    }
    assert_eq!(told, [proto::BmcCommand::LedOff, proto::BmcCommand::Free]);
    assert!(world.snapshot().state.bmc_commands.is_empty());
    assert_eq!(newest(&world, &id), Some(ProvisioningEvent::MachineReclaim));

    // And the next boot waits again.
    let (_machine, _waiting) = world.park(&mut partition, 0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freed_machine_waits_for_both_leaves() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let mut leaves = [world.switch(0).await, world.switch(1).await];
    let names = [0, 1].map(|leaf| world.floor.switches[leaf].id.clone());
    let id = world.plan(0).id.to_string();
    let port = world.plan(0).cables[0].port.clone();
    let mut desired = leaves[0].desired(&names[0], 0).await;
    let (mut machine, _waiting) = world.park(&mut partition, 0).await;
    world.allocate(None).await;
    let report = proto::ReportRequest {
        machine: id.clone(),
        boot_info: Some(proto::BootInfo::default()),
        success: true,
        ..proto::ReportRequest::default()
    };
    within(machine.machine.report(report)).await.unwrap();
    let opened = configured(&mut desired, &port, |nic| !nic.vrf.is_empty()).await.generation;

    // Leaves that never told what they have are not waited for, others are.
    let mut ask = async || {
        let request = proto::ConnectedRequest { machine: id.clone() };
        within(machine.machine.connected(request)).await.unwrap().into_inner()
    };
    assert!(ask().await.connected);
    for (leaf, generation, missing) in
        [(0, opened - 1, &names[..1]), (1, opened, &names[..1]), (0, opened, &[])]
    {
        apply(&mut leaves[leaf], &names[leaf], generation).await;
        let answer = ask().await;
        assert_eq!((answer.connected, answer.missing.as_slice()), (missing.is_empty(), missing));
    }

    world.free(&id).await;
    let closed = configured(&mut desired, &port, |nic| nic.vrf.is_empty()).await.generation;
    let (_machine, _waiting) = world.park(&mut partition, 0).await;
    let available = |world: &World| {
        let machine = world.machine(&id);
        world.snapshot().state.index.placement.available(&machine.partition, &machine.size)
    };
    world.until(|snapshot| snapshot.machines.get(&id).unwrap().waiting).await;
    assert_eq!(available(&world), 0);
    apply(&mut leaves[0], &names[0], closed).await;
    assert_eq!(available(&world), 0, "one of two");
    apply(&mut leaves[1], &names[1], closed).await;
    assert_eq!(available(&world), 1);
    world.stop().await;
}

async fn apply(leaf: &mut Agent, id: &str, generation: u64) {
    let request = proto::NotifyRequest { id: id.to_owned(), generation, ..proto::NotifyRequest::default() };
    within(leaf.switch.notify(request)).await.unwrap();
}

async fn acknowledge(partition: &mut Agent, sequence: u64) {
    let request = proto::AcknowledgeRequest { sequence, ..proto::AcknowledgeRequest::default() };
    within(partition.bmc.acknowledge(request)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partition_speaks_for_machines_that_cannot() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(2).id.to_string();
    within(partition.machine.register(world.registration(2))).await.unwrap();
    let mut waiting = partition.wait(&id.to_uppercase()).await.unwrap();
    within(waiting.message()).await.unwrap().unwrap();
    assert_eq!(world.allocate(Some(&id)).await, id);
    allocated(&mut waiting).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reinstallation_that_is_given_up_boots_the_old_system() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    world.switch(0).await;
    world.switch(1).await;
    let id = world.plan(0).id.to_string();
    let (mut machine, mut waiting) = world.park(&mut partition, 0).await;
    world.allocate(Some(&id)).await;
    allocated(&mut waiting).await;
    let boot_info = proto::BootInfo { kernel: "/vmlinuz".to_owned(), ..proto::BootInfo::default() };
    let report = proto::ReportRequest {
        machine: id.clone(),
        boot_info: Some(boot_info),
        success: true,
        ..proto::ReportRequest::default()
    };
    within(machine.machine.report(report)).await.unwrap();
    let gave_up = proto::AbortReinstallRequest { machine: id.clone(), primary_disk_wiped: false };
    let answer = within(machine.machine.abort_reinstall(gave_up)).await.unwrap().into_inner();
    assert_eq!(answer.boot_info.unwrap().kernel, "/vmlinuz");
    let too_late = proto::AbortReinstallRequest { machine: id, primary_disk_wiped: true };
    let answer = within(machine.machine.abort_reinstall(too_late)).await.unwrap().into_inner();
    assert!(answer.boot_info.is_none());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_machine_boots_is_its_partitions() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let boots = within(partition.boot.boot(proto::BootRequest::default())).await.unwrap().into_inner();
    assert_eq!((boots.kernel.as_str(), boots.cmdline.as_str()), ("http://boot/kernel", "partition=fra1"));
    assert_eq!(boots.init_ram_disks, ["http://boot/initrd"]);
    let id = world.plan(0).id.to_string();
    let asked = proto::SuperUserPasswordRequest { machine: id };
    let answer = within(partition.machine.super_user_password(asked)).await.unwrap().into_inner();
    assert!(!answer.enabled && answer.password.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bmcs_report_and_make_machines_known() {
    let world = World::start().await;
    let mut partition = world.partition().await;
    let id = world.plan(0).id.to_string();
    let report = proto::BmcReport {
        machine: id.clone(),
        address: "10.2.0.1".to_owned(),
        power_state: "ON".to_owned(),
        ..proto::BmcReport::default()
    };
    let request = proto::BmcReportRequest { partition: String::new(), reports: vec![report] };
    let answer = within(partition.bmc.report(request.clone())).await.unwrap().into_inner();
    assert_eq!((answer.created, answer.updated), (vec![id.clone()], vec![]));
    let answer = within(partition.bmc.report(request)).await.unwrap().into_inner();
    assert_eq!((answer.created, answer.updated), (vec![], vec![id.clone()]));
    assert_eq!(world.snapshot().state.bmcs.get(&id).unwrap().address, "10.2.0.1:623");
    assert_eq!(world.machine(&id).partition, "fra1");
    world.stop().await;
}
