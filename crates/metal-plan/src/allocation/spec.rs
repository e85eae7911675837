//! Stage 1: the request with everything filled in that it leaves out. All refusals are 400, unknown references too,
//! because they are mistakes of the request.

use std::sync::Arc;

use metal_model::id::{MachineId, PartitionId, ProjectId, SizeId};
use metal_model::image::Image;
use metal_model::machine::{Machine, Role};
use metal_model::partition::Partition;
use metal_model::size::Size;
use metal_model::v1;

use super::firewall_rules;
use crate::{Class, Env, Error, Snapshot, image, partition};

/// Host name of machines that were not given one.
const DEFAULT_HOSTNAME: &str = "metal";

/// What is to be allocated.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub role: Role,
    /// Exactly this machine.
    pub uuid: Option<MachineId>,
    pub creator: String,
    pub name: String,
    pub description: String,
    pub hostname: String,
    pub project: ProjectId,
    pub partition: PartitionId,
    pub size: SizeId,
    pub image: Arc<Image>,
    pub filesystem_layout: Option<String>,
    pub ssh_pub_keys: Vec<String>,
    pub user_data: String,
    pub tags: Vec<String>,
    pub networks: Vec<NetworkWish>,
    /// As given; checked in the next stage.
    pub ips: Vec<String>,
    pub placement_tags: Vec<String>,
    pub dns_servers: Vec<v1::DnsServer>,
    pub ntp_servers: Vec<v1::NtpServer>,
    pub firewall_rules: Option<v1::FirewallRules>,
}

/// A network to take part in.
#[derive(Debug, Clone)]
pub(super) struct NetworkWish {
    pub id: String,
    /// Acquire an address in it.
    pub auto: bool,
}

impl Spec {
    /// Completes a request.
    pub fn build(
        snapshot: &Snapshot,
        env: &Env,
        req: &v1::MachineAllocateRequest,
        role: Role,
        rules: Option<&v1::FirewallRules>,
    ) -> Result<Self, Error> {
        if req.networks.is_empty() {
            return Err(Error::invalid("networks", "networks must name at least one network"));
        }
        let image = image::resolve(snapshot, &req.imageid).map_err(|error| as_invalid("imageid", error))?;
        let firewall_rules = rules.map(firewall_rules::check).transpose()?;
        if !image.features.iter().any(|feature| feature == role.wire()) {
            return Err(Error::invalid(
                "imageid",
                format!("image {:?} has no feature {:?}, choose one that has", image.id, role.wire()),
            ));
        }
        let (uuid, size, partition) = place(snapshot, req)?;
        snapshot.find::<Size>(size.as_str()).map_err(|error| as_invalid("sizeid", error))?;
        let found = snapshot
            .find::<Partition>(partition.as_str())
            .map_err(|error| as_invalid("partitionid", error))?;
        let dns_servers = given_or(&req.dns_servers, &found.dns_servers);
        partition::check_dns_servers(&dns_servers)?;
        let ntp_servers = given_or(&req.ntp_servers, &found.ntp_servers);
        partition::check_ntp_servers(&ntp_servers)?;
        Ok(Self {
            role,
            uuid,
            creator: env.caller.email.clone(),
            name: req.name.clone().unwrap_or_default(),
            description: req.description.clone().unwrap_or_default(),
            hostname: req
                .hostname
                .clone()
                .filter(|hostname| !hostname.is_empty())
                .unwrap_or_else(|| DEFAULT_HOSTNAME.to_owned()),
            project: ProjectId::from(&req.projectid),
            partition,
            size,
            image,
            filesystem_layout: req.filesystemlayoutid.clone().filter(|id| !id.is_empty()),
            ssh_pub_keys: req.ssh_pub_keys.clone(),
            user_data: req.user_data.clone().unwrap_or_default(),
            tags: req.tags.clone(),
            networks: req
                .networks
                .iter()
                .map(|wish| NetworkWish {
                    id: wish.networkid.clone(),
                    auto: wish.autoacquire.unwrap_or(true),
                })
                .collect(),
            ips: req.ips.clone(),
            placement_tags: req.placement_tags.clone(),
            dns_servers,
            ntp_servers,
            firewall_rules,
        })
    }
}

/// Machine, size and partition; a machine that is named decides the other two.
fn place(
    snapshot: &Snapshot,
    req: &v1::MachineAllocateRequest,
) -> Result<(Option<MachineId>, SizeId, PartitionId), Error> {
    if let Some(uuid) = req.uuid.as_deref().filter(|uuid| !uuid.is_empty()) {
        let machine = snapshot.find::<Machine>(uuid).map_err(|error| as_invalid("uuid", error))?;
        return Ok((Some(machine.id.clone()), machine.size.clone(), machine.partition.clone()));
    }
    if req.partitionid.is_empty() {
        return Err(Error::invalid(
            "partitionid",
            "partitionid must not be empty unless uuid names a machine",
        ));
    }
    if req.sizeid.is_empty() {
        return Err(Error::invalid("sizeid", "sizeid must not be empty unless uuid names a machine"));
    }
    Ok((None, SizeId::from(&req.sizeid), PartitionId::from(&req.partitionid)))
}

fn as_invalid(field: &'static str, error: Error) -> Error {
    Error { field: Some(field), ..error.as_class(Class::Invalid) }
}

fn given_or<T: Clone>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}
