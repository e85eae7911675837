//! Changing a network. All checks are made on the network as it would be afterwards, before anything is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use metal_model::network::Network;
use metal_model::v1;

use super::rules::{self, ANNOUNCABLE};
use crate::ipam::Pool;
use crate::ipam::block::Block;
use crate::{Env, Error, Snapshot, Tx};

/// Changes what may change. With `force`, prefixes that machines may announce can be taken back.
pub fn update(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::NetworkUpdateRequest,
    force: bool,
) -> Result<Arc<Network>, Error> {
    let snapshot = tx.state();
    let old = snapshot.find::<Network>(&req.id)?;
    let mut new = Network::clone(old);
    change_description(&mut new, req)?;
    change_prefixes(snapshot, &mut new, req)?;
    change_lengths(&mut new, req)?;
    let destinations = req.destinationprefixes.as_deref().unwrap_or_default();
    if !destinations.is_empty() {
        new.destination_prefixes = rules::parse_prefixes("destinationprefixes", destinations)?;
    }
    rules::check_destinations(&new.prefixes, &new.destination_prefixes)?;
    if new.private_super {
        rules::check_lengths(&new.prefixes, &new.default_child_prefix_length)?;
    }
    new.additional_announcable_cidrs = announcable(old, req, force)?;
    new.changed = env.now;
    Ok(tx.put(new))
}

fn change_description(new: &mut Network, req: &v1::NetworkUpdateRequest) -> Result<(), Error> {
    if let Some(name) = &req.name {
        new.name.clone_from(name);
    }
    if let Some(description) = &req.description {
        new.description.clone_from(description);
    }
    if let Some(labels) = &req.labels {
        new.labels.clone_from(labels);
    }
    match req.shared {
        Some(false) if new.shared => Err(Error::invalid("shared", "a shared network cannot be unshared")),
        Some(shared) => {
            new.shared = shared;
            Ok(())
        }
        None => Ok(()),
    }
}

fn change_prefixes(
    snapshot: &Snapshot,
    new: &mut Network,
    req: &v1::NetworkUpdateRequest,
) -> Result<(), Error> {
    let texts = req.prefixes.as_deref().unwrap_or_default();
    if texts.is_empty() {
        return Ok(());
    }
    let prefixes = rules::parse_prefixes("prefixes", texts)?;
    let (before, after) = (blocks(&new.prefixes), blocks(&prefixes));
    if let Some(pool) = snapshot.index.ipam.pool(new.id.as_str()) {
        check_removed(pool, &before, &after)?;
    }
    if before != after || prefixes.len() != after.len() {
        // A child network lies in its parent, hence it cannot grow.
        let added: Vec<IpNet> =
            prefixes.iter().filter(|prefix| !before.contains(&Block::of(prefix))).copied().collect();
        rules::check_overlaps(snapshot, &added, Some(&new.id))?;
        rules::check_disjoint(&prefixes)?;
    }
    new.prefixes = prefixes;
    Ok(())
}

fn blocks(prefixes: &[IpNet]) -> BTreeSet<Block> {
    prefixes.iter().map(Block::of).collect()
}

/// What is in use stays.
fn check_removed(pool: &Pool, before: &BTreeSet<Block>, after: &BTreeSet<Block>) -> Result<(), Error> {
    for gone in before.difference(after) {
        if pool.space(gone).is_some_and(|space| space.used() > 0) {
            let why = format!("{} cannot be removed, addresses of it are in use", gone.prefix());
            return Err(Error::refused_field("prefixes", why));
        }
        // A child prefix may end up in a greater or smaller prefix, but not outside.
        let lost =
            pool.children().find(|child| gone.holds(child) && !after.iter().any(|block| block.holds(child)));
        if let Some(child) = lost {
            let why =
                format!("{} cannot be removed, child prefix {} is in use", gone.prefix(), child.prefix());
            return Err(Error::refused_field("prefixes", why));
        }
    }
    Ok(())
}

fn change_lengths(new: &mut Network, req: &v1::NetworkUpdateRequest) -> Result<(), Error> {
    const FIELD: &str = "defaultchildprefixlength";
    let present = rules::families(&new.prefixes);
    let lengths = rules::parse_lengths(FIELD, req.defaultchildprefixlength.as_ref())?;
    if !lengths.is_empty() && !new.private_super {
        return Err(Error::refused_field(FIELD, "can only be set on a private super network"));
    }
    if let Some(family) = lengths.keys().find(|family| !present.contains(family)) {
        return Err(Error::refused_field(FIELD, format!("the network has no {} prefix", family.wire())));
    }
    new.default_child_prefix_length.extend(lengths);
    Ok(())
}

/// The request replaces the list; leaving something out must be meant.
fn announcable(old: &Network, req: &v1::NetworkUpdateRequest, force: bool) -> Result<Vec<String>, Error> {
    let cidrs = req.additional_announcable_cidrs.clone().unwrap_or_default();
    rules::check_announcable(&cidrs, old.private_super)?;
    let left_out = old.additional_announcable_cidrs.iter().find(|cidr| !cidrs.contains(cidr));
    match left_out {
        Some(cidr) if !force => {
            Err(Error::invalid(ANNOUNCABLE, format!("{cidr:?} can only be removed with force=true")))
        }
        _ => Ok(cidrs),
    }
}
