//! Port names of the switch operating systems, and translation between them by way of the physical line.
//!
//! A 100 Gbit/s port has four lines. SONiC names every port after its first line, `Ethernet4`; Cumulus after the cage,
//! `swp2`, and the part of a split cage, `swp2s1`; so does a plain Linux switch.

use std::collections::BTreeSet;

use metal_model::switch::{Switch, SwitchPort};
use metal_model::v1;

use crate::Error;

const LINES: u32 = 4;

/// A switch operating system with its own way to name ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Cumulus Linux.
    Cumulus,
    /// SONiC.
    Sonic,
    /// A Linux switch of no vendor.
    Linux,
}

impl Vendor {
    /// Reads the wire word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Cumulus" => Some(Self::Cumulus),
            "SONiC" => Some(Self::Sonic),
            "Linux" => Some(Self::Linux),
            _ => None,
        }
    }

    /// Vendor of a registered operating system.
    pub fn of(os: Option<&v1::SwitchOs>) -> Option<Self> {
        os.and_then(|os| Self::parse(&os.vendor))
    }
}

/// The first line of a port.
pub fn line_of(vendor: Vendor, name: &str) -> Result<u32, Error> {
    let line = match vendor {
        Vendor::Sonic => name.strip_prefix("Ethernet").and_then(number),
        Vendor::Cumulus | Vendor::Linux => name.strip_prefix("swp").and_then(cumulus_line),
    };
    line.ok_or_else(|| {
        Error::refused(format!("cannot read {name:?} as the name of a {vendor:?} switch port"))
    })
}

fn cumulus_line(rest: &str) -> Option<u32> {
    let (cage, part) = match rest.split_once('s') {
        Some((cage, part)) => (number(cage)?, number(part).filter(|part| *part < LINES)?),
        None => (number(rest)?, 0),
    };
    cage.checked_sub(1)?.checked_mul(LINES)?.checked_add(part)
}

/// Plain decimal digits only: no sign, no dash.
fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The name of the port with this first line. `lines` are the first lines of all ports of the switch: a Cumulus cage
/// is split when it has more than one port.
pub fn name_of(vendor: Vendor, line: u32, lines: &BTreeSet<u32>) -> String {
    let (cage, part) = (line / LINES, line % LINES);
    match vendor {
        Vendor::Sonic => format!("Ethernet{line}"),
        Vendor::Cumulus | Vendor::Linux => {
            let first = cage * LINES;
            let is_split = part > 0 || lines.range(first + 1..first.saturating_add(LINES)).next().is_some();
            let number = cage + 1;
            if is_split { format!("swp{number}s{part}") } else { format!("swp{number}") }
        }
    }
}

/// Translates names of one switch's ports into another's scheme.
#[derive(Debug)]
pub struct Translation {
    vendors: Option<(Vendor, Vendor)>,
    lines: BTreeSet<u32>,
}

impl Translation {
    /// From the ports of one switch to the scheme of an operating system. Equal or unknown vendors leave names as they are.
    pub fn new(
        ports: &[SwitchPort],
        from: Option<&v1::SwitchOs>,
        to: Option<&v1::SwitchOs>,
    ) -> Result<Self, Error> {
        let vendors = Vendor::of(from).zip(Vendor::of(to)).filter(|(from, to)| from != to);
        let lines = match vendors {
            Some((from, _)) => {
                ports.iter().map(|port| line_of(from, &port.name)).collect::<Result<_, _>>()?
            }
            None => BTreeSet::new(),
        };
        Ok(Self { vendors, lines })
    }

    /// From one switch to the other.
    pub fn between(from: &Switch, to: &Switch) -> Result<Self, Error> {
        Self::new(&from.ports, from.os.as_ref(), to.os.as_ref())
    }

    /// The name in the other scheme.
    pub fn name(&self, name: &str) -> Result<String, Error> {
        match self.vendors {
            Some((from, to)) => Ok(name_of(to, line_of(from, name)?, &self.lines)),
            None => Ok(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_refuses() {
        for (vendor, name, line) in [
            (Vendor::Cumulus, "swp1", Some(0)),
            (Vendor::Cumulus, "swp1s0", Some(0)),
            (Vendor::Cumulus, "swp1s3", Some(3)),
            (Vendor::Cumulus, "swp2", Some(4)),
            (Vendor::Cumulus, "swp32s2", Some(126)),
            (Vendor::Sonic, "Ethernet0", Some(0)),
            (Vendor::Sonic, "Ethernet124", Some(124)),
            (Vendor::Linux, "swp1", Some(0)),
            (Vendor::Linux, "swp2s1", Some(5)),
            (Vendor::Linux, "eth0", None),
            (Vendor::Cumulus, "swp0", None),
            (Vendor::Cumulus, "swp-1", None),
            (Vendor::Cumulus, "swp1s4", None),
            (Vendor::Cumulus, "swp1s", None),
            (Vendor::Cumulus, "swp", None),
            (Vendor::Cumulus, "Ethernet0", None),
            (Vendor::Cumulus, "swp4294967295", None),
            (Vendor::Sonic, "Ethernet", None),
            (Vendor::Sonic, "Ethernet+1", None),
            (Vendor::Sonic, "Ethernet99999999999", None),
            (Vendor::Sonic, "eth0", None),
            (Vendor::Sonic, "", None),
        ] {
            assert_eq!(line_of(vendor, name).ok(), line, "{name}");
        }
    }

    #[test]
    fn splits_cages_with_several_ports() {
        let lines = BTreeSet::from([0, 4, 5, 8]);
        let names: Vec<String> = lines.iter().map(|line| name_of(Vendor::Cumulus, *line, &lines)).collect();
        assert_eq!(names, ["swp1", "swp2s0", "swp2s1", "swp3"]);
    }

    proptest! {
        #[test]
        fn round_trip(lines in prop::collection::btree_set(0u32..512, 0..40)) {
            for line in &lines {
                for (there, back) in [
                    (Vendor::Cumulus, Vendor::Sonic),
                    (Vendor::Sonic, Vendor::Cumulus),
                    (Vendor::Linux, Vendor::Sonic),
                    (Vendor::Sonic, Vendor::Linux),
                    (Vendor::Linux, Vendor::Cumulus),
                ] {
                    let name = name_of(there, *line, &lines);
                    let other = name_of(back, line_of(there, &name).unwrap(), &lines);
                    prop_assert_eq!(name_of(there, line_of(back, &other).unwrap(), &lines), name);
                }
            }
        }

        #[test]
        fn never_panics(name in ".*", prefixed in "(swp|Ethernet)[0-9s+-]{0,12}") {
            for vendor in [Vendor::Cumulus, Vendor::Sonic, Vendor::Linux] {
                let _ = line_of(vendor, &name);
                if let Ok(line) = line_of(vendor, &prefixed) {
                    let _ = name_of(vendor, line, &BTreeSet::from([line]));
                }
            }
        }
    }
}
