//! What keeps the routing tables of VRF devices apart.
//!
//! The kernel asks tables in the order of its rules until one has a route. As it comes, the host's own addresses are
//! asked first, also for what a VRF's links receive, and the main table after the VRF's own: without further ado whoever
//! is in a VRF reaches every address of the host, and whatever the main table leads to.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, NetlinkError};

/// The kernel's table of the host's own addresses.
const LOCAL: u8 = 255;
/// Where its rule is put: behind that of VRF devices, which the kernel puts at 1000, and before that of the main table.
const LATE: u32 = 32_765;
/// The metric of the last route of all: its first octet is what FRR takes for the distance, and 255 is never used.
const LAST: u32 = 0xff00_2000;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

impl Netlink {
    /// Whether the tables of VRF devices are asked before that of the host's own addresses, in both families.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn is_local_late(&mut self) -> Result<bool, NetlinkError> {
        for family in FAMILIES {
            if self.local_rules(family)? != [LATE] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the tables of VRF devices asked first. Nothing changes for what belongs to none.
    ///
    /// # Errors
    /// Fails if the kernel refuses.
    pub fn put_local_late(&mut self) -> Result<(), NetlinkError> {
        for family in FAMILIES {
            let rules = self.local_rules(family)?;
            // First the new one: there is no moment without.
            if !rules.contains(&LATE) {
                let request = RouteNetlinkMessage::NewRule(local_rule(family, LATE));
                self.request("add rule", "for own addresses", request, NLM_F_CREATE | NLM_F_EXCL)?;
            }
            for priority in rules.into_iter().filter(|priority| *priority != LATE) {
                let request = RouteNetlinkMessage::DelRule(local_rule(family, priority));
                self.request("delete rule", "for own addresses", request, 0)?;
            }
        }
        Ok(())
    }

    fn local_rules(&mut self, family: AddressFamily) -> Result<Vec<u32>, NetlinkError> {
        let mut ask = RuleMessage::default();
        ask.header.family = family;
        let answers = self.dump("list rules", &RouteNetlinkMessage::GetRule(ask))?;
        let mut found: Vec<u32> = answers.iter().filter_map(priority_of_local).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Tables that end with a route to nowhere, in both families.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn closed_tables(&mut self) -> Result<BTreeSet<u32>, NetlinkError> {
        // Kernels that can tell these routes alone; others tell all.
        let _ = self.socket.set_netlink_get_strict_chk(true);
        let answers = FAMILIES.map(|family| {
            let mut ask = RouteMessage::default();
            ask.header.address_family = family;
            ask.header.kind = RouteType::Unreachable;
            self.dump("list routes", &RouteNetlinkMessage::GetRoute(ask))
        });
        let _ = self.socket.set_netlink_get_strict_chk(false);
        let mut ends: BTreeMap<u32, usize> = BTreeMap::new();
        for answers in answers {
            let tables: BTreeSet<u32> = answers?.iter().filter_map(table_of_end).collect();
            for table in tables {
                *ends.entry(table).or_default() += 1;
            }
        }
        Ok(ends
            .into_iter()
            .filter(|(_, families)| *families == FAMILIES.len())
            .map(|(table, _)| table)
            .collect())
    }

    /// Ends a table with a route to nowhere, so that what it does not know is not looked for elsewhere. No error if it has
    /// one.
    ///
    /// # Errors
    /// Fails if the kernel refuses.
    pub fn close_table(&mut self, table: u32) -> Result<(), NetlinkError> {
        for family in FAMILIES {
            let mut message = RouteMessage::default();
            message.header = RouteHeader {
                address_family: family,
                protocol: RouteProtocol::Boot,
                scope: RouteScope::Universe,
                kind: RouteType::Unreachable,
                ..RouteHeader::default()
            };
            message.attributes.push(RouteAttribute::Table(table));
            message.attributes.push(RouteAttribute::Priority(LAST));
            let request = RouteNetlinkMessage::NewRoute(message);
            let done = self.request("close table", &table.to_string(), request, NLM_F_CREATE | NLM_F_EXCL);
            if let Err(error) = done
                && error.errno() != Some(libc::EEXIST)
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

fn local_rule(family: AddressFamily, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.table = LOCAL;
    message.header.action = RuleAction::ToTable;
    message.attributes.push(RuleAttribute::Priority(priority));
    message
}

fn priority_of_local(message: &RouteNetlinkMessage) -> Option<u32> {
    let RouteNetlinkMessage::NewRule(rule) = message else { return None };
    if rule.header.table != LOCAL || rule.header.action != RuleAction::ToTable {
        return None;
    }
    let priority = rule.attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::Priority(priority) => Some(*priority),
        _ => None,
    });
    // The kernel does not mention the first.
    Some(priority.unwrap_or(0))
}

fn table_of_end(message: &RouteNetlinkMessage) -> Option<u32> {
    let RouteNetlinkMessage::NewRoute(route) = message else { return None };
    let is_to_nowhere =
        route.header.kind == RouteType::Unreachable && route.header.destination_prefix_length == 0;
    let is_last = route.attributes.contains(&RouteAttribute::Priority(LAST));
    if !is_to_nowhere || !is_last {
        return None;
    }
    let table = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    Some(table.unwrap_or(route.header.table.into()))
}
