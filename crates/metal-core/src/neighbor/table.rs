//! The neighbours as of now: believed as long as they said, and a little longer than the link, because a port that moves
//! to another routing table is down for a moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metal_linux::lldp::Frame;

use super::Neighbor;

/// How long a neighbour is believed in after the link went down.
const GRACE: Duration = Duration::from_secs(3);

/// The neighbours by port.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    neighbor: Neighbor,
    until: Instant,
}

impl Table {
    /// Takes in what was heard on a port. True if it is somebody who was not there before.
    pub(super) fn hear(&mut self, port: &str, frame: &Frame, now: Instant, time: Timestamp) -> bool {
        if frame.ttl == 0 {
            let chassis = frame.chassis_id.to_string();
            if self.entries.get(port).is_some_and(|entry| entry.neighbor.chassis_id == chassis) {
                self.entries.remove(port);
            }
            return false;
        }
        let mut neighbor = neighbor(frame, time);
        let until = now + Duration::from_secs(frame.ttl.into());
        let before = self.entries.get(port).map(|entry| &entry.neighbor);
        let known =
            before.filter(|it| it.chassis_id == neighbor.chassis_id && it.port_id == neighbor.port_id);
        let is_new = known.is_none();
        if let Some(known) = known {
            neighbor.since = known.since;
        }
        self.entries.insert(port.to_owned(), Entry { neighbor, until });
        is_new
    }

    /// The link of a port went down, or the port away.
    pub(super) fn lose_link(&mut self, port: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(port) {
            entry.until = entry.until.min(now + GRACE);
        }
    }

    /// Forgets whose time is over.
    pub(super) fn age(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.until > now);
    }

    /// When the next one has to be forgotten.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.until).min()
    }

    /// Everybody.
    pub(super) fn neighbors(&self) -> BTreeMap<String, Neighbor> {
        self.entries.iter().map(|(port, entry)| (port.clone(), entry.neighbor.clone())).collect()
    }
}

fn neighbor(frame: &Frame, since: Timestamp) -> Neighbor {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Neighbor {
        chassis_id: frame.chassis_id.to_string(),
        port_id: frame.port_id.to_string(),
        port_description: text(&frame.port_description),
        system_name: text(&frame.system_name),
        system_description: text(&frame.system_description),
        since,
    }
}

#[cfg(test)]
mod tests {
    use metal_linux::lldp::{ChassisId, PortId};
    use metal_runtime::clock::monotonic;

    use super::*;

    fn frame(chassis: u8, ttl: u16) -> Frame {
        Frame::new(ChassisId::Mac([chassis; 6]), PortId::InterfaceName("eth0".to_owned()), ttl)
    }

    #[test]
    fn a_neighbor_is_kept_as_long_as_it_said_and_keeps_its_age() {
        let (mut table, start, time) = (Table::default(), monotonic(), Timestamp::UNIX_EPOCH);
        assert!(table.hear("swp1", &frame(1, 40), start, time));
        let later = start + Duration::from_secs(30);
        assert!(!table.hear("swp1", &frame(1, 40), later, time + Duration::from_secs(30)));
        assert_eq!(table.neighbors()["swp1"].since, time);
        table.age(start + Duration::from_secs(69));
        assert_eq!(table.neighbors().len(), 1);
        assert_eq!(table.next(), Some(start + Duration::from_secs(70)));
        table.age(start + Duration::from_secs(70));
        assert!(table.neighbors().is_empty());
    }

    #[test]
    fn a_goodbye_counts_only_from_who_is_there() {
        let (mut table, start, time) = (Table::default(), monotonic(), Timestamp::UNIX_EPOCH);
        table.hear("swp1", &frame(1, 40), start, time);
        table.hear("swp1", &frame(2, 0), start, time);
        assert_eq!(table.neighbors().len(), 1);
        assert!(!table.hear("swp1", &frame(1, 0), start, time));
        assert!(table.neighbors().is_empty());
        assert!(table.hear("swp1", &frame(2, 40), start, time));
    }

    #[test]
    fn a_port_that_moves_keeps_its_neighbor_and_one_that_stays_down_does_not() {
        let (mut table, start, time) = (Table::default(), monotonic(), Timestamp::UNIX_EPOCH);
        table.hear("swp1", &frame(1, 40), start, time);
        table.hear("swp2", &frame(2, 40), start, time);
        table.lose_link("swp1", start);
        table.lose_link("swp2", start);
        assert!(!table.hear("swp1", &frame(1, 40), start + Duration::from_secs(1), time));
        table.age(start + Duration::from_secs(3));
        assert_eq!(table.neighbors().into_keys().collect::<Vec<_>>(), ["swp1"]);
    }
}
