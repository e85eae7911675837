//! The plan of the data centre: racks, what stands in them, and which cable goes where. Pure; all from one seed.

use metal_proto::v1::{Bios, BmcAccess, Fru, Hardware, Neighbor, Nic, SwitchPort};
use uuid::Uuid;

use crate::dice::Dice;
use crate::endpoint::SimError;
use crate::hardware::Profile;

/// Two leaf switches stand in each rack.
const LEAVES: u32 = 2;
/// More machines in a rack than a leaf switch has ports make no sense.
const MOST_PER_RACK: u16 = 120;
/// Edgecore's, so that the ports look like somebody's.
const SWITCH_OUI: [u8; 3] = [0x80, 0xa2, 0x35];

/// The whole data centre.
#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    /// The partition all of it belongs to.
    pub partition: String,
    /// All switches, rack by rack.
    pub switches: Vec<SwitchPlan>,
    /// All machines, rack by rack.
    pub machines: Vec<MachinePlan>,
}

/// A leaf switch.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchPlan {
    /// Id and name.
    pub id: String,
    /// The rack it stands in.
    pub rack: String,
    /// Address of its management port.
    pub management_ip: String,
    /// Its ports.
    pub ports: Vec<SwitchPort>,
}

/// One end of a machine's cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// The switch.
    pub switch: String,
    /// The port.
    pub port: String,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachinePlan {
    /// Its UUID.
    pub id: Uuid,
    /// Its place among all machines.
    pub index: u64,
    /// The rack it stands in.
    pub rack: String,
    /// Its place in the rack, from 0.
    pub slot: u16,
    /// The size it is meant to match.
    pub size: &'static str,
    /// The disk the system goes to.
    pub system_disk: &'static str,
    /// What it is made of.
    pub hardware: Hardware,
    /// Its firmware.
    pub bios: Bios,
    /// Its part numbers.
    pub fru: Fru,
    /// Its BMC.
    pub bmc: BmcAccess,
    /// Version of the BMC's firmware.
    pub bmc_version: String,
    /// Where its cables end.
    pub cables: Vec<Cable>,
}

impl MachinePlan {
    /// The `index`th machine of a site, in the given place, with these interfaces (name and MAC address) and no
    /// cables anybody knows of yet. What else it is made of follows from its place and the seed.
    #[must_use]
    pub fn with_nics(
        id: Uuid,
        index: u64,
        rack: &str,
        slot: u16,
        nics: &[(String, String)],
        seed: u64,
    ) -> Self {
        let nics =
            nics.iter().map(|(name, mac)| Nic { mac: mac.clone(), name: name.clone(), ..Nic::default() });
        let place = Place { id, index, rack, slot };
        furnish(place, nics.collect(), Vec::new(), &mut Dice::of(seed, index))
    }
}

impl Floor {
    /// Plans `racks` racks of `per_rack` machines.
    ///
    /// # Errors
    /// Fails when a rack would hold more machines than its switches have ports.
    pub fn plan(partition: &str, racks: u16, per_rack: u16, seed: u64) -> Result<Self, SimError> {
        if per_rack > MOST_PER_RACK {
            let why = format!("{per_rack} machines in a rack, a leaf switch has ports for {MOST_PER_RACK}");
            return Err(SimError::Plan(why));
        }
        let mut floor = Self { partition: partition.to_owned(), switches: Vec::new(), machines: Vec::new() };
        for rack in 0..racks {
            let leaves: Vec<SwitchPlan> =
                (0..LEAVES).map(|leaf| leaf_switch(partition, rack, leaf, per_rack)).collect();
            for slot in 0..per_rack {
                let index = u64::from(rack) * u64::from(per_rack) + u64::from(slot);
                floor.machines.push(machine(index, slot, seed, &leaves));
            }
            floor.switches.extend(leaves);
        }
        Ok(floor)
    }
}

fn mac(oui: [u8; 3], number: u64) -> String {
    let [a, b, c] = oui;
    let [.., d, e, f] = number.to_be_bytes();
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn leaf_switch(partition: &str, rack: u16, leaf: u32, machines: u16) -> SwitchPlan {
    let number = u64::from(rack) * u64::from(LEAVES) + u64::from(leaf);
    // One port per machine, and two towards the spines.
    let port = |port: u16| SwitchPort {
        name: format!("Ethernet{}", u32::from(port) * 4),
        mac: mac(SWITCH_OUI, number * 128 + u64::from(port)),
        identifier: format!("Eth1/{}", port + 1),
    };
    SwitchPlan {
        id: format!("r{:02}leaf{:02}", rack + 1, leaf + 1),
        rack: format!("{partition}-rack-{:02}", rack + 1),
        management_ip: format!("10.1.{}.{}", (number >> 8) & 0xff, number & 0xff),
        ports: (0..machines + 2).map(port).collect(),
    }
}

fn machine(index: u64, slot: u16, seed: u64, leaves: &[SwitchPlan]) -> MachinePlan {
    let mut dice = Dice::of(seed, index);
    let oui = Profile::in_slot(slot).oui;
    let id = uuid::Builder::from_random_bytes(dice.bytes()).into_uuid();
    let port = usize::from(slot);
    let nics = leaves.iter().zip(0u64..).map(|(leaf, nic)| Nic {
        mac: mac(oui, index * 4 + nic),
        name: format!("lan{nic}"),
        identifier: String::new(),
        neighbors: vec![Neighbor {
            mac: leaf.ports[port].mac.clone(),
            name: leaf.ports[port].name.clone(),
            identifier: leaf.ports[port].identifier.clone(),
            hostname: leaf.id.clone(),
        }],
    });
    let cables =
        leaves.iter().map(|leaf| Cable { switch: leaf.id.clone(), port: leaf.ports[port].name.clone() });
    let place = Place { id, index, rack: &leaves[0].rack, slot };
    furnish(place, nics.collect(), cables.collect(), &mut dice)
}

/// Which machine, and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: Uuid,
    index: u64,
    rack: &'a str,
    slot: u16,
}

fn furnish(place: Place<'_>, nics: Vec<Nic>, cables: Vec<Cable>, dice: &mut Dice) -> MachinePlan {
    let Place { id, index, rack, slot } = place;
    let profile = Profile::in_slot(slot);
    MachinePlan {
        id,
        index,
        rack: rack.to_owned(),
        slot,
        size: profile.size,
        system_disk: profile.system_disk(),
        hardware: Hardware {
            memory: profile.memory,
            cpus: profile.cpus(),
            gpus: profile.gpus(),
            disks: profile.disks(),
            nics,
        },
        bios: profile.bios(dice),
        fru: profile.fru(dice),
        bmc: BmcAccess {
            address: format!("10.2.{}.{}:623", (index >> 8) & 0xff, index & 0xff),
            mac: mac(profile.oui, index * 4 + 3),
            user: "metal".to_owned(),
            password: format!("{:016x}", dice.throw()),
            interface: "lanplus".to_owned(),
        },
        bmc_version: dice.pick(&["1.74.06", "1.74.11", "3.10"]).to_string(),
        cables,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let floor = Floor::plan("fra", 2, 16, 7).unwrap();
        assert_eq!(floor, Floor::plan("fra", 2, 16, 7).unwrap());
        assert_ne!(floor, Floor::plan("fra", 2, 16, 8).unwrap());
    }

    #[test]
    fn nothing_is_there_twice_and_cables_meet_ports() {
        let floor = Floor::plan("fra", 12, 40, 1).unwrap();
        let ids: BTreeSet<_> = floor.machines.iter().map(|machine| machine.id).collect();
        assert_eq!(ids.len(), 480);
        let bmcs: BTreeSet<_> = floor.machines.iter().map(|machine| &machine.bmc.address).collect();
        assert_eq!(bmcs.len(), 480);
        let mut macs = BTreeSet::new();
        for machine in &floor.machines {
            assert!(macs.insert(machine.bmc.mac.clone()));
            for (nic, cable) in machine.hardware.nics.iter().zip(&machine.cables) {
                assert!(macs.insert(nic.mac.clone()));
                let switch = floor.switches.iter().find(|switch| switch.id == cable.switch).unwrap();
                assert_eq!(switch.rack, machine.rack);
                let port = switch.ports.iter().find(|port| port.name == cable.port).unwrap();
                assert_eq!(port.mac, nic.neighbors[0].mac);
            }
        }
        for port in floor.switches.iter().flat_map(|switch| &switch.ports) {
            assert!(macs.insert(port.mac.clone()));
        }
    }

    #[test]
    fn a_rack_has_as_many_places_as_its_switches_have_ports() {
        assert!(Floor::plan("fra", 1, 121, 1).is_err());
    }
}
