//! Registration of switches: the first one, each start of the agent, and new hardware that replaces broken hardware.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metal_model::id::SwitchId;
use metal_model::partition::Partition;
use metal_model::switch::{Switch, SwitchMode, SwitchPort};
use metal_model::v1::{self, SwitchRegisterRequest};

use super::port_name::{Translation, Vendor};
use super::rewire::{Rewiring, rewire};
use crate::{Env, Error, Tx};

/// Takes a registration. The second answer is true for a switch nobody knew.
pub fn register(
    tx: &mut Tx,
    env: &mut Env,
    req: &SwitchRegisterRequest,
) -> Result<(Arc<Switch>, bool), Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id of the switch must not be empty"));
    }
    tx.state().find::<Partition>(&req.partition_id)?;
    let os = operating_system(req)?;
    refuse_duplicates(&req.nics)?;
    let known = tx.state().switches.get(req.id.as_str()).cloned();
    let described = describe(env, req, os, known.as_deref());
    match known {
        None => Ok((tx.create(Switch { ports: ports(req, None), ..described })?, true)),
        Some(known) if known.mode == SwitchMode::Replace => {
            Ok((replace(tx, env, &known, described, req)?, false))
        }
        Some(known) => {
            let ports = ports(req, Some(&known));
            refuse_lost_connections(&known, &ports)?;
            Ok((tx.put(Switch { ports, ..described }), false))
        }
    }
}

fn operating_system(req: &SwitchRegisterRequest) -> Result<v1::SwitchOs, Error> {
    let vendor = req.os.as_ref().map_or("", |os| os.vendor.as_str());
    match (&req.os, Vendor::parse(vendor)) {
        (Some(os), Some(_)) => Ok(os.clone()),
        _ => Err(Error::refused_field(
            "os",
            format!("the vendor of switch {} must be SONiC, Cumulus or Linux, not {vendor:?}", req.id),
        )),
    }
}

fn identity(nic: &v1::SwitchNic) -> &str {
    if nic.identifier.is_empty() { &nic.mac } else { &nic.identifier }
}

/// Ports are told apart by identifier, and connections name them, so neither may occur twice.
fn refuse_duplicates(nics: &[v1::SwitchNic]) -> Result<(), Error> {
    let mut identities = BTreeSet::new();
    let mut names = BTreeSet::new();
    for nic in nics {
        let is_new = identities.insert(identity(nic));
        if !names.insert(nic.name.as_str()) || !is_new {
            return Err(Error::invalid(
                "nics",
                format!("nics hold another port with name {:?} or identifier {:?}", nic.name, identity(nic)),
            ));
        }
    }
    Ok(())
}

/// The switch as registered, with the ports of before.
fn describe(env: &Env, req: &SwitchRegisterRequest, os: v1::SwitchOs, known: Option<&Switch>) -> Switch {
    let mut switch = known.cloned().unwrap_or_else(|| Switch {
        id: SwitchId::from(&req.id),
        created: env.now,
        console_command: req.console_command.clone(),
        ..Switch::default()
    });
    if let Some(name) = &req.name {
        switch.name.clone_from(name);
    }
    if let Some(description) = &req.description {
        switch.description.clone_from(description);
    }
    switch.partition = req.partition_id.as_str().into();
    switch.rack = req.rack_id.as_str().into();
    if !req.room_id.is_empty() {
        switch.room.clone_from(&req.room_id);
    }
    switch.os = Some(os);
    switch.management_ip.clone_from(&req.management_ip);
    switch.management_user.clone_from(&req.management_user);
    switch.changed = env.now;
    switch
}

/// The registered ports; what is known about a port with the same identifier is kept.
fn ports(req: &SwitchRegisterRequest, known: Option<&Switch>) -> Vec<SwitchPort> {
    let known: BTreeMap<&str, &SwitchPort> =
        known.into_iter().flat_map(|switch| &switch.ports).map(|port| (port.identity(), port)).collect();
    let port = |nic: &v1::SwitchNic| {
        let before = known.get(identity(nic)).map(|port| SwitchPort::clone(port)).unwrap_or_default();
        SwitchPort {
            name: nic.name.clone(),
            mac: nic.mac.clone(),
            identifier: nic.identifier.clone(),
            ..before
        }
    };
    req.nics.iter().map(port).collect()
}

/// Connections are kept by port name, so a connected port may neither go nor change its name.
fn refuse_lost_connections(known: &Switch, ports: &[SwitchPort]) -> Result<(), Error> {
    let now: BTreeMap<&str, &str> = ports.iter().map(|port| (port.identity(), port.name.as_str())).collect();
    for (machine, names) in &known.connections {
        for port in known.ports.iter().filter(|port| names.contains(&port.name)) {
            let why = match now.get(port.identity()) {
                Some(name) if *name == port.name => continue,
                Some(name) => format!("rename port {} to {name}", port.name),
                None => format!("remove port {}", port.name),
            };
            return Err(Error::refused(format!(
                "cannot {why} of switch {}: machine {machine} is connected to it",
                known.id
            )));
        }
    }
    Ok(())
}

/// New hardware under the id of the broken one. What it must configure is taken from the twin, the other leaf of the
/// rack, because the broken one may have missed changes.
fn replace(
    tx: &mut Tx,
    env: &Env,
    broken: &Arc<Switch>,
    described: Switch,
    req: &SwitchRegisterRequest,
) -> Result<Arc<Switch>, Error> {
    if described.partition != broken.partition || described.rack != broken.rack {
        return Err(Error::refused(format!(
            "the replacement of switch {} must be in partition {:?} and rack {:?} as before, not in {:?} and {:?}",
            broken.id, broken.partition, broken.rack, described.partition, described.rack
        )));
    }
    let twin = twin(tx, broken)?;
    let mut ports = ports(req, None);
    let translation = Translation::between(&twin, &described)?;
    for theirs in &twin.ports {
        let name = translation.name(&theirs.name)?;
        let Some(ours) = ports.iter_mut().find(|port| port.name == name) else {
            return Err(Error::refused(format!(
                "switch {} has no port {name} which its twin {} has; check the breakout configuration",
                broken.id, twin.id
            )));
        };
        ours.vrf.clone_from(&theirs.vrf);
        // What the broken hardware had confirmed says nothing about the new one.
        ours.vrf_since = env.revision;
    }
    let mut connections = BTreeMap::new();
    for (machine, names) in &twin.connections {
        let names = names.iter().map(|name| translation.name(name)).collect::<Result<Vec<_>, _>>()?;
        connections.insert(machine.clone(), names);
    }
    let replacement = tx.put(Switch { ports, connections, mode: SwitchMode::Operational, ..described });
    let back = Translation::between(&replacement, broken)?;
    rewire(tx, env, &Rewiring { from: broken, to: &replacement, back: &back })?;
    Ok(replacement)
}

fn twin(tx: &Tx, broken: &Switch) -> Result<Arc<Switch>, Error> {
    let index = &tx.state().index.switches_by_partition;
    let twins: Vec<&Arc<Switch>> = index
        .get(broken.partition.as_str())
        .filter_map(|id| tx.state().switches.get(id.as_str()))
        .filter(|switch| switch.id != broken.id && switch.rack == broken.rack)
        .filter(|switch| switch.mode != SwitchMode::Replace && !switch.connections.is_empty())
        .collect();
    match twins.as_slice() {
        [twin] => Ok(Arc::clone(twin)),
        others => Err(Error::refused(format!(
            "cannot replace switch {}: expected one other switch with machine connections in rack {:?}, found {}",
            broken.id,
            broken.rack,
            others.len()
        ))),
    }
}
