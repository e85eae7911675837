//! Rules on prefixes that hold for creating as for changing a network. Each refusal names the field of the request.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ipnet::IpNet;
use metal_model::id::NetworkId;
use metal_model::network::AddressFamily;

use crate::ipam::block::{Block, width};
use crate::{Class, Error, Snapshot};

/// Child prefix lengths.
pub(super) type Lengths = BTreeMap<AddressFamily, u8>;

/// Wire name of the prefixes machines may announce.
pub(super) const ANNOUNCABLE: &str = "additionalAnnouncableCIDRs";

/// Reads prefixes; host bits are kept.
pub(super) fn parse_prefixes(field: &'static str, texts: &[String]) -> Result<Vec<IpNet>, Error> {
    let parse = |text: &String| {
        IpNet::from_str(text).map_err(|_| Error::invalid(field, format!("{text:?} is not a prefix")))
    };
    texts.iter().map(parse).collect()
}

/// Reads the name of an address family.
pub(super) fn parse_family(field: &'static str, text: &str) -> Result<AddressFamily, Error> {
    AddressFamily::parse(text)
        .ok_or_else(|| Error::invalid(field, format!("{text:?} is neither IPv4 nor IPv6")))
}

/// Reads lengths by family; the same family in two spellings is one too many.
pub(super) fn parse_lengths(
    field: &'static str,
    lengths: Option<&BTreeMap<String, u8>>,
) -> Result<Lengths, Error> {
    let mut parsed = Lengths::new();
    for (text, length) in lengths.into_iter().flatten() {
        if parsed.insert(parse_family(field, text)?, *length).is_some() {
            return Err(Error::invalid(field, format!("{text} is given twice")));
        }
    }
    Ok(parsed)
}

/// Families of prefixes.
pub(super) fn families(prefixes: &[IpNet]) -> BTreeSet<AddressFamily> {
    prefixes.iter().map(AddressFamily::of).collect()
}

/// What a network leads to must be of a family it has.
pub(super) fn check_destinations(prefixes: &[IpNet], destinations: &[IpNet]) -> Result<(), Error> {
    let known = families(prefixes);
    match destinations.iter().find(|prefix| !known.contains(&AddressFamily::of(prefix))) {
        Some(prefix) => {
            let family = AddressFamily::of(prefix).wire();
            let why = format!("{prefix} is {family}, but the network has no {family} prefix");
            Err(Error::invalid("destinationprefixes", why))
        }
        None => Ok(()),
    }
}

/// Children of a private super network need a length for each family, and it must cut the prefixes into parts.
pub(super) fn check_lengths(prefixes: &[IpNet], lengths: &Lengths) -> Result<(), Error> {
    let refuse = |why| Err(Error::invalid("defaultchildprefixlength", why));
    for prefix in prefixes {
        let family = AddressFamily::of(prefix);
        match lengths.get(&family) {
            None => return refuse(format!("a private super network needs one for {}", family.wire())),
            Some(length) if *length <= prefix.prefix_len() => {
                let family = family.wire();
                return refuse(format!(
                    "{length} of {family} must be greater than the length of prefix {prefix}"
                ));
            }
            Some(_) => {}
        }
    }
    match lengths.iter().find(|(family, length)| **length > width(**family)) {
        Some((family, length)) => {
            refuse(format!("{length} of {} must be at most {}", family.wire(), width(*family)))
        }
        None => Ok(()),
    }
}

/// Only child networks' machines announce more, and children come from private super networks.
pub(super) fn check_announcable(cidrs: &[String], is_private_super: bool) -> Result<(), Error> {
    if !is_private_super && !cidrs.is_empty() {
        return Err(Error::invalid(ANNOUNCABLE, "can only be set on a private super network"));
    }
    parse_prefixes(ANNOUNCABLE, cidrs).map(|_| ())
}

/// Prefixes must not overlap each other.
pub(super) fn check_disjoint(prefixes: &[IpNet]) -> Result<(), Error> {
    let mut blocks: Vec<Block> = prefixes.iter().map(Block::of).collect();
    blocks.sort_unstable();
    // In this order a block that holds others is directly before one of them.
    match blocks.windows(2).find(|pair| pair[0].holds(&pair[1])) {
        Some(pair) => {
            let why = format!("{} overlaps {}", pair[1].prefix(), pair[0].prefix());
            Err(Error::refused_field("prefixes", why))
        }
        None => Ok(()),
    }
}

/// Prefixes must not overlap those of any other network, except that a network may lie around its children.
pub(super) fn check_overlaps(
    snapshot: &Snapshot,
    prefixes: &[IpNet],
    network: Option<&NetworkId>,
) -> Result<(), Error> {
    let children = network.and_then(|id| snapshot.index.networks_by_parent.set(id));
    let is_child = |id: &NetworkId| children.is_some_and(|children| children.contains(id));
    for block in prefixes.iter().map(Block::of) {
        let counts = |id: &NetworkId| network != Some(id) && !is_child(id);
        if let Some((other, owner)) = snapshot.index.ipam.overlapping(&block, counts) {
            let why = format!("{} overlaps {} of network {owner:?}", block.prefix(), other.prefix());
            return Err(Error::refused_field("prefixes", why));
        }
    }
    Ok(())
}

/// An optional reference: absent and empty are the same.
pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A refusal that also names its field.
pub(super) fn on_field(field: &'static str, class: Class, error: Error) -> Error {
    Error { field: Some(field), ..error.as_class(class) }
}
