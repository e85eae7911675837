//! A control plane in memory with its agents' API on a port of its own, and a small data centre to connect to it. The
//! clock moves only when told.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metal_api::{App, agent};
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::machine::Machine;
use metal_model::partition::Partition;
use metal_model::project::Project;
use metal_model::size::Size;
use metal_model::v1;
use metal_plan::{Env, Error, Snapshot, Tx, allocation, image, network};
use metal_proto::v1 as proto;
use metal_proto::v1::bmc_service_client::BmcServiceClient;
use metal_proto::v1::boot_service_client::BootServiceClient;
use metal_proto::v1::join_service_client::JoinServiceClient;
use metal_proto::v1::machine_service_client::MachineServiceClient;
use metal_proto::v1::switch_service_client::SwitchServiceClient;
use metal_runtime::pki::{self, Identity};
use metal_runtime::tls::KeyPair;
use metal_runtime::{Clock, TaskTree, clock};
use metal_sim::{Endpoint, Floor, MachinePlan};
use metal_store::{EngineConfig, Published};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

pub const PARTITION: &str = "fra1";
pub const OTHER_PARTITION: &str = "muc1";
pub const PROJECT: &str = "p1";
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7XcVYTjRQfuFKsHKWFpEbzQ1i7zAhQQ1OA0zBMvqaJ me";

/// Waits, but not for ever.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("within a minute")
}

/// The control plane and its data centre.
pub struct World {
    pub app: Arc<App>,
    pub endpoint: Endpoint,
    pub floor: Floor,
    pub edges: TaskTree,
}

impl World {
    /// Two partitions, an image, a size, a layout, a project with a private network; one rack with four machines,
    /// which nobody has registered yet.
    pub async fn start() -> Self {
        Self::start_on(EngineConfig::Memory).await
    }

    /// The same, with the documents kept here.
    pub async fn start_on(engine: EngineConfig) -> Self {
        let world = Self::serve(engine).await;
        world.change(furnish).await;
        world
    }

    /// Serves what is there.
    pub async fn serve(engine: EngineConfig) -> Self {
        // Leadership among replicas takes real time.
        let clock = match engine {
            EngineConfig::Etcd(_) => Clock::system(),
            EngineConfig::Embedded { .. } | EngineConfig::Memory => Clock::manual(clock::now()),
        };
        let configure = |config: &mut metal_api::Config| {
            config.engine = engine;
            config.reconcile.lease = Duration::from_secs(1);
        };
        let app = App::builder().configure(configure).clock(clock).build().await.unwrap();
        let edges = app.tasks.child("agents-under-test");
        let address = agent::start(&app, &edges).await.unwrap().unwrap();
        let endpoint = Endpoint {
            address: address.to_string(),
            server_name: "localhost".to_owned(),
            ca_pem: metal_api::pki::authority(&app).await.unwrap().certificate_pem().to_owned(),
        };
        let floor = Floor::plan(PARTITION, 1, 4, 1).unwrap();
        Self { app, endpoint, floor, edges }
    }

    pub async fn change<T: Send + 'static>(
        &self,
        decide: impl FnMut(&mut Tx, &mut Env) -> Result<T, Error> + Send + 'static,
    ) -> T {
        let caller = self.app.system_caller();
        self.app.transact("test", &caller, decide).await.unwrap_or_else(|e| panic!("{e:?}")).value
    }

    pub fn snapshot(&self) -> Arc<Published<Snapshot>> {
        self.app.store.snapshot()
    }

    pub fn machine(&self, id: &str) -> Arc<Machine> {
        self.snapshot().state.machines.get(id).unwrap_or_else(|| panic!("no machine {id}")).clone()
    }

    /// Waits until a snapshot looks as expected.
    pub async fn until(&self, mut holds: impl FnMut(&Snapshot) -> bool) {
        let look = async {
            let mut feed = self.app.store.watch(None).unwrap();
            while !holds(&self.snapshot().state) {
                feed.next().await.unwrap();
            }
        };
        within(look).await;
    }

    pub async fn token(&self, identity: &str) -> Result<v1::PkiTokenResponse, metal_api::pki::Error> {
        let request = v1::PkiTokenRequest { identity: identity.to_owned(), ttl_seconds: None };
        metal_api::pki::give_token(&self.app, &self.app.system_caller(), &request).await
    }

    pub async fn join(&self, identity: &str) -> KeyPair {
        let token = self.token(identity).await.unwrap();
        let identity: Identity = identity.parse().unwrap();
        within(metal_sim::join(&self.endpoint, &token.token, &identity)).await.unwrap()
    }

    /// A certificate as the authority would issue it to this identity, whether the identity makes sense or not.
    pub async fn issue(&self, identity: &Identity) -> KeyPair {
        let authority = metal_api::pki::authority(&self.app).await.unwrap();
        let validity = jiff::SignedDuration::from_hours(1);
        authority.issue(identity, &[], validity, self.app.clock.now()).unwrap().0
    }

    pub fn channel(&self, own: Option<&KeyPair>) -> Channel {
        self.endpoint.channel(own).unwrap()
    }

    /// The agent of the partition.
    pub async fn partition(&self) -> Agent {
        Agent::new(self.channel(Some(&self.join(&format!("metal://partition/{PARTITION}")).await)))
    }

    /// A registered switch with its agent.
    pub async fn switch(&self, index: usize) -> Agent {
        let plan = self.floor.switches[index].clone();
        let own = self.join(&format!("metal://switch/{PARTITION}/{}", plan.id)).await;
        let mut agent = Agent::new(self.channel(Some(&own)));
        let registered = agent.switch.register(proto::RegisterSwitchRequest {
            id: plan.id.clone(),
            name: plan.id,
            rack: plan.rack,
            os: Some(proto::SwitchOs { vendor: "SONiC".to_owned(), ..proto::SwitchOs::default() }),
            management_ip: plan.management_ip,
            nics: plan.ports,
            ..proto::RegisterSwitchRequest::default()
        });
        within(registered).await.unwrap();
        agent
    }

    /// The certificate of a new boot of a machine.
    pub async fn boot(&self, partition: &mut Agent, machine: &str) -> KeyPair {
        let request = pki::request().unwrap();
        let dhcp = proto::DhcpRequest { machine: machine.to_owned(), mac: String::new() };
        within(partition.boot.dhcp(dhcp)).await.unwrap();
        let asked =
            proto::MachineCertificateRequest { machine: machine.to_owned(), csr_pem: request.csr_pem };
        let answer = within(partition.boot.machine_certificate(asked)).await.unwrap().into_inner();
        KeyPair { certificate_pem: answer.certificate_pem, key_pem: request.key_pem }
    }

    /// The agent of a freshly booted machine.
    pub async fn machine_agent(&self, partition: &mut Agent, machine: &str) -> Agent {
        Agent::new(self.channel(Some(&self.boot(partition, machine).await)))
    }

    pub fn plan(&self, index: usize) -> MachinePlan {
        self.floor.machines[index].clone()
    }

    /// Boots, registers and parks a machine; both leaves must be registered.
    pub async fn park(&self, partition: &mut Agent, index: usize) -> (Agent, Streaming<proto::WaitResponse>) {
        let id = self.plan(index).id.to_string();
        let mut agent = self.machine_agent(partition, &id).await;
        within(agent.machine.register(self.registration(index))).await.unwrap();
        let mut stream = agent.wait(&id).await.unwrap();
        let first = within(stream.message()).await.unwrap().unwrap();
        assert!(matches!(first.outcome, Some(proto::wait_response::Outcome::Waiting(_))));
        assert!(self.machine(&id).waiting);
        (agent, stream)
    }

    pub fn registration(&self, index: usize) -> proto::RegisterRequest {
        let plan = self.plan(index);
        proto::RegisterRequest {
            machine: plan.id.to_string(),
            hardware: Some(plan.hardware),
            bios: Some(plan.bios),
            bmc: Some(plan.bmc),
            fru: Some(plan.fru),
            bmc_version: plan.bmc_version,
            power_state: "ON".to_owned(),
            hammer_version: "v1".to_owned(),
            ..proto::RegisterRequest::default()
        }
    }

    /// Allocates a machine of the project, any or this one.
    pub async fn allocate(&self, machine: Option<&str>) -> String {
        let network = self
            .snapshot()
            .state
            .networks
            .iter()
            .find(|network| network.project == PROJECT)
            .unwrap()
            .id
            .clone();
        let request = v1::MachineAllocateRequest {
            name: Some("box".to_owned()),
            hostname: Some("box".to_owned()),
            uuid: machine.map(str::to_owned),
            projectid: PROJECT.to_owned(),
            partitionid: PARTITION.to_owned(),
            sizeid: self.plan(0).size.to_owned(),
            imageid: "debian-13.0".to_owned(),
            ssh_pub_keys: vec![KEY.to_owned()],
            networks: vec![v1::MachineAllocationNetwork {
                networkid: network.as_str().to_owned(),
                autoacquire: None,
            }],
            ..v1::MachineAllocateRequest::default()
        };
        let allocated = self.change(move |tx, env| allocation::allocate_machine(tx, env, &request)).await;
        allocated.id.as_str().to_owned()
    }

    pub async fn free(&self, machine: &str) {
        let machine = machine.to_owned();
        self.change(move |tx, env| allocation::free(tx, env, &machine)).await;
    }

    /// Ends in the order a server ends in, and in order.
    pub async fn stop(self) {
        let patience = Duration::from_secs(20);
        for tasks in [&self.edges, &self.app.edges, &self.app.background] {
            tasks.shutdown(patience).await;
        }
        self.app.close().await;
        let report = self.app.tasks.shutdown(patience).await;
        assert!(report.is_clean(), "{report:?}");
    }
}

/// All clients of one connection.
pub struct Agent {
    pub join: JoinServiceClient<Channel>,
    pub boot: BootServiceClient<Channel>,
    pub machine: MachineServiceClient<Channel>,
    pub switch: SwitchServiceClient<Channel>,
    pub bmc: BmcServiceClient<Channel>,
}

impl Agent {
    pub fn new(channel: Channel) -> Self {
        Self {
            join: JoinServiceClient::new(channel.clone()),
            boot: BootServiceClient::new(channel.clone()),
            machine: MachineServiceClient::new(channel.clone()),
            switch: SwitchServiceClient::new(channel.clone()),
            bmc: BmcServiceClient::new(channel),
        }
    }

    pub async fn wait(&mut self, machine: &str) -> Result<Streaming<proto::WaitResponse>, Status> {
        let request = proto::WaitRequest { machine: machine.to_owned() };
        within(self.machine.wait(request)).await.map(tonic::Response::into_inner)
    }

    pub async fn desired(&mut self, switch: &str, after: u64) -> Streaming<proto::DesiredResponse> {
        let request = proto::DesiredRequest { id: switch.to_owned(), after };
        within(self.switch.desired(request)).await.unwrap().into_inner()
    }

    pub async fn commands(&mut self, after: u64) -> Streaming<proto::CommandsResponse> {
        let request = proto::CommandsRequest { partition: String::new(), after };
        within(self.bmc.commands(request)).await.unwrap().into_inner()
    }

    pub async fn event(&mut self, machine: &str, event: &str) -> Result<proto::SendEventsResponse, Status> {
        let event = proto::MachineEvent {
            machine: machine.to_owned(),
            event: event.to_owned(),
            ..proto::MachineEvent::default()
        };
        let request = proto::SendEventsRequest { events: vec![event] };
        within(self.machine.send_events(request)).await.map(tonic::Response::into_inner)
    }
}

fn furnish(tx: &mut Tx, env: &mut Env) -> Result<(), Error> {
    for id in [PARTITION, OTHER_PARTITION] {
        let boot = v1::PartitionBootConfiguration {
            imageurl: "http://boot/initrd".to_owned(),
            kernelurl: "http://boot/kernel".to_owned(),
            commandline: format!("partition={id}"),
        };
        tx.create(Partition { id: id.into(), boot: Arc::new(boot), ..Partition::default() })?;
    }
    for profile in metal_sim::PROFILES.iter().filter(|profile| profile.gpus.is_empty()) {
        let storage = v1::SizeConstraint {
            kind: "storage".to_owned(),
            min: profile.storage(),
            max: profile.storage(),
            ..v1::SizeConstraint::default()
        };
        let cores = v1::SizeConstraint {
            kind: "cores".to_owned(),
            min: profile.cores(),
            max: profile.cores(),
            ..v1::SizeConstraint::default()
        };
        let memory = v1::SizeConstraint {
            kind: "memory".to_owned(),
            min: profile.memory,
            max: profile.memory,
            ..v1::SizeConstraint::default()
        };
        tx.create(Size {
            id: profile.size.into(),
            constraints: vec![cores, memory, storage],
            ..Size::default()
        })?;
    }
    let image = v1::ImageCreateRequest {
        id: "debian-13.0.20260101".to_owned(),
        url: "http://images/debian".to_owned(),
        features: vec!["machine".to_owned()],
        ..v1::ImageCreateRequest::default()
    };
    image::create(tx, env, &image)?;
    let sizes = metal_sim::PROFILES.iter().map(|profile| profile.size.to_owned()).collect();
    let layout = v1::FilesystemLayoutResponse {
        id: "default".to_owned(),
        constraints: v1::FilesystemLayoutConstraints {
            sizes,
            images: [("debian".to_owned(), "*".to_owned())].into(),
        },
        ..v1::FilesystemLayoutResponse::default()
    };
    tx.create(FilesystemLayout {
        id: "default".into(),
        created: env.now,
        changed: env.now,
        layout: Arc::new(layout),
    })?;
    tx.create(Project { id: PROJECT.into(), ..Project::default() })?;
    let parent = v1::NetworkCreateRequest {
        id: Some("super".to_owned()),
        partitionid: Some(PARTITION.to_owned()),
        prefixes: vec!["10.0.0.0/16".to_owned()],
        defaultchildprefixlength: Some([("IPv4".to_owned(), 24)].into()),
        privatesuper: true,
        ..v1::NetworkCreateRequest::default()
    };
    network::create(tx, env, &parent)?;
    let child = v1::NetworkAllocateRequest {
        partitionid: Some(PARTITION.to_owned()),
        projectid: Some(PROJECT.to_owned()),
        ..v1::NetworkAllocateRequest::default()
    };
    network::allocate(tx, env, &child)?;
    Ok(())
}
