//! Stages 6 and 7: addresses, the AS number, and the record of the allocation.

use std::net::IpAddr;
use std::sync::Arc;

use metal_model::id::MachineId;
use metal_model::machine::{Allocation, Machine, MachineNetwork};
use metal_model::network::{AddressFamily, Ip, IpType};
use metal_model::v1::FilesystemLayoutResponse;

use super::network::Planned;
use super::spec::Spec;
use super::tag::machine_tags;
use crate::{Env, Error, Tx, asn, ip};

/// Description of addresses nobody asked for by name.
const AUTOMATIC: &str = "autoassigned";

/// Writes the allocation of a machine that was found fit for it.
pub(super) fn commit(
    tx: &mut Tx,
    env: &mut Env,
    spec: &Spec,
    machine: &Machine,
    layout: &Arc<FilesystemLayoutResponse>,
    planned: Vec<Planned>,
) -> Result<Arc<Machine>, Error> {
    let asn = asn::acquire(tx, env, &machine.id)?;
    let mut networks = Vec::with_capacity(planned.len());
    for network in planned {
        let ips = addresses(tx, env, spec, &machine.id, &network)?;
        networks.push(MachineNetwork {
            network: network.network.id.clone(),
            prefixes: network.network.prefixes.clone(),
            destination_prefixes: network.network.destination_prefixes.clone(),
            ips,
            kind: network.kind,
            vrf: network.network.vrf,
            asn,
            nat: network.network.nat,
            project: network.network.project.clone(),
            network_type_v2: network.network.kind().to_owned(),
            nat_type_v2: network.network.nat_kind().to_owned(),
        });
    }
    let allocation = Allocation {
        uuid: env.uuid(),
        creator: spec.creator.clone(),
        created: env.now,
        name: spec.name.clone(),
        description: spec.description.clone(),
        project: spec.project.clone(),
        hostname: spec.hostname.clone(),
        image: spec.image.id.clone(),
        filesystem_layout: Some(layout.clone()),
        filesystem_layout_id: layout.id.as_str().into(),
        networks,
        ssh_pub_keys: spec.ssh_pub_keys.clone(),
        user_data: spec.user_data.clone(),
        role: spec.role,
        firewall_rules: spec.firewall_rules.clone(),
        dns_servers: spec.dns_servers.clone(),
        ntp_servers: spec.ntp_servers.clone(),
        asn,
        placement_tags: spec.placement_tags.clone(),
        ..Allocation::default()
    };
    let tags = machine_tags(tx.state(), machine, asn, &spec.tags);
    tx.modify::<Machine>(machine.id.as_str(), |machine| {
        machine.allocation = Some(Arc::new(allocation));
        machine.tags = tags;
        machine.waiting = false;
        machine.changed = env.now;
    })
}

/// The machine's addresses in a network: those given, or one per address family.
fn addresses(
    tx: &mut Tx,
    env: &mut Env,
    spec: &Spec,
    machine: &MachineId,
    planned: &Planned,
) -> Result<Vec<IpAddr>, Error> {
    let mut ips = Vec::new();
    for given in &planned.ips {
        let tag = ip::machine_tag(machine.as_str());
        tx.modify::<Ip>(&given.address.to_string(), |ip| {
            if !ip.tags.contains(&tag) {
                ip.tags.push(tag);
                ip.tags.sort_unstable();
                ip.changed = env.now;
            }
        })?;
        ips.push(given.address);
    }
    if !planned.auto {
        return Ok(ips);
    }
    let mut families: Vec<_> = planned.network.prefixes.iter().map(AddressFamily::of).collect();
    families.sort_unstable();
    families.dedup();
    for family in families {
        let details = ip::Details {
            name: spec.name.clone(),
            description: AUTOMATIC.to_owned(),
            project: spec.project.clone(),
            kind: IpType::Ephemeral,
            tags: vec![ip::machine_tag(machine.as_str())],
        };
        let choice = ip::Choice::Lowest(family);
        ips.push(ip::acquire(tx, env, &planned.network, choice, details)?.address);
    }
    Ok(ips)
}
