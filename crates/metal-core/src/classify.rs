//! From wishes about ports to an intent for the switch: which port is of which class, and which cannot be understood.
//!
//! Whatever is not understood fails closed, and for its port only: the port is cut off and the reason is reported, all
//! others go on. A port the switch has and the control plane does not mention is cut off too. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use metal_netconf::intent::{FirewallFilter, MachineFilter, Switch};
use metal_netconf::name::{PortName, Vni};

use crate::desired::{Admin, Desired, DesiredPort};

/// The routing table of firewalls' ports.
const FIREWALL: &str = "default";
/// What a tenant's table begins with.
const TENANT: &str = "vrf";

/// An intent, and what of the wishes is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What shall be.
    pub intent: Switch,
    /// Why a port is cut off or not there, by the name the control plane uses.
    pub faults: BTreeMap<String, String>,
}

/// What a port shall be, once understood.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Unprovisioned,
    Firewall(FirewallFilter),
    Tenant(Vni, MachineFilter),
}

/// Adds the wishes for `ports` to what the configuration file says (`base`). `known` are the ports the device has.
#[must_use]
pub fn classify(base: &Switch, known: &BTreeSet<PortName>, desired: &Desired) -> Classified {
    let mut intent = base.clone();
    let mut faults = BTreeMap::new();
    let taken = taken(base);
    let mut wishes: BTreeMap<PortName, Vec<&DesiredPort>> = BTreeMap::new();
    for port in &desired.ports {
        match PortName::parse(&port.name) {
            Ok(name) if taken.contains(&name) => {}
            Ok(name) if known.contains(&name) => wishes.entry(name).or_default().push(port),
            Ok(_) => drop(faults.insert(port.name.clone(), "the switch has no such port".to_owned())),
            Err(fault) => drop(faults.insert(port.name.clone(), fault.to_string())),
        }
    }
    for name in known.iter().filter(|name| !taken.contains(*name)) {
        let Some(wishes) = wishes.get(name) else {
            intent.isolated.insert(name.clone());
            continue;
        };
        if wishes.iter().any(|wish| wish.admin == Admin::Down) {
            intent.down.insert(name.clone());
        }
        match one_class(base, wishes) {
            Ok(class) => place(&mut intent, name, class),
            Err(fault) => {
                intent.isolated.insert(name.clone());
                faults.insert(name.to_string(), fault);
            }
        }
    }
    Classified { intent, faults }
}

/// Ports the file has given a class.
fn taken(base: &Switch) -> BTreeSet<PortName> {
    base.classes().into_iter().map(|(port, _)| port.clone()).collect()
}

/// The class all wishes for one port agree on.
fn one_class(base: &Switch, wishes: &[&DesiredPort]) -> Result<Class, String> {
    let mut classes = wishes.iter().map(|wish| class(base, wish));
    let first = classes.next().unwrap_or_else(|| Err("nothing is wished".to_owned()))?;
    for other in classes {
        if other? != first {
            return Err("the port is listed twice, differently".to_owned());
        }
    }
    Ok(first)
}

fn class(base: &Switch, wish: &DesiredPort) -> Result<Class, String> {
    if wish.admin == Admin::Strange {
        return Err("the wanted admin state is not known to this agent".to_owned());
    }
    match wish.vrf.as_str() {
        "" if base.pxe.is_none() => Err("the switch has no PXE segment".to_owned()),
        "" => Ok(Class::Unprovisioned),
        FIREWALL => {
            let vnis = wish.vnis.iter().map(|text| Vni::parse(text).map_err(|fault| fault.to_string()));
            let filter =
                FirewallFilter { prefixes: prefixes(&wish.cidrs)?, vnis: vnis.collect::<Result<_, _>>()? };
            Ok(Class::Firewall(filter))
        }
        tenant => {
            let digits = tenant
                .strip_prefix(TENANT)
                .ok_or_else(|| format!("{:?} is no routing table", cut(tenant)))?;
            let vni = Vni::parse(digits).map_err(|fault| fault.to_string())?;
            if base.pxe.is_some_and(|pxe| pxe.vlan.layer2_vni() == vni) {
                return Err(format!("VNI {vni} is the PXE segment's"));
            }
            if base.externals.contains_key(&vni) {
                return Err(format!("VNI {vni} is an external network's"));
            }
            Ok(Class::Tenant(vni, MachineFilter { prefixes: prefixes(&wish.cidrs)? }))
        }
    }
}

fn prefixes(texts: &[String]) -> Result<BTreeSet<IpNet>, String> {
    let parse = |text: &String| {
        let parsed = text.parse::<IpNet>().map(|prefix| prefix.trunc());
        parsed.map_err(|_| format!("{:?} is no prefix", cut(text)))
    };
    texts.iter().map(parse).collect()
}

/// Text from outside, short enough for a report.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn place(intent: &mut Switch, port: &PortName, class: Class) {
    match class {
        Class::Unprovisioned => {
            intent.unprovisioned.insert(port.clone());
        }
        Class::Firewall(filter) => {
            intent.firewalls.insert(port.clone(), filter);
        }
        Class::Tenant(vni, filter) => {
            intent.tenants.entry(vni).or_default().ports.insert(port.clone(), filter);
        }
    }
}

#[cfg(test)]
mod tests {
    use metal_netconf::intent::PortClass;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    const LEAF: &str = r#"
hostname = "leaf01"
partition = "fra"
rack = "r01"
asn = 1
loopback = "10.0.0.11"
uplinks = ["swp31"]
[api]
address = "a:1"
ca_file = "ca"
[extra]
ports = ["swp30"]
"#;

    fn base() -> Switch {
        Config::parse(LEAF).unwrap().base
    }

    fn known() -> BTreeSet<PortName> {
        ["swp1", "swp2", "swp30", "swp31"].iter().map(|name| PortName::parse(name).unwrap()).collect()
    }

    fn wish(name: &str, vrf: &str, cidrs: &[&str], vnis: &[&str]) -> DesiredPort {
        let texts = |given: &[&str]| given.iter().map(|text| (*text).to_owned()).collect();
        let (name, vrf) = (name.to_owned(), vrf.to_owned());
        DesiredPort { name, vrf, cidrs: texts(cidrs), vnis: texts(vnis), ..DesiredPort::default() }
    }

    fn run(ports: Vec<DesiredPort>) -> Classified {
        classify(&base(), &known(), &Desired { ports, ..Desired::default() })
    }

    fn class_of(classified: &Classified, port: &str) -> Vec<PortClass> {
        let classes = classified.intent.classes().into_iter();
        classes.filter(|(name, _)| name.as_str() == port).map(|(_, class)| class).collect()
    }

    #[test]
    fn every_class() {
        let vni = Vni::new(3981).unwrap();
        for (vrf, cidrs, vnis, expected, fault) in [
            ("", &[][..], &[][..], PortClass::Unprovisioned, None),
            ("default", &["10.1.0.1/32"], &["3981", "104009"], PortClass::Firewall, None),
            ("vrf3981", &["10.0.0.0/22", "2001:db8::/64"], &[], PortClass::Tenant(vni), None),
            ("vrf3981", &[], &[], PortClass::Tenant(vni), None),
            ("vrf0", &[], &[], PortClass::Isolated, Some("VNI")),
            ("vrf104000", &[], &[], PortClass::Isolated, Some("PXE")),
            ("vrf3981\n", &[], &[], PortClass::Isolated, Some("VNI")),
            ("vrf-1", &[], &[], PortClass::Isolated, Some("VNI")),
            ("vrf16777216", &[], &[], PortClass::Isolated, Some("VNI")),
            ("Default", &[], &[], PortClass::Isolated, Some("no routing table")),
            ("mgmt", &[], &[], PortClass::Isolated, Some("no routing table")),
            ("vrf3981", &["10.0.0.0"], &[], PortClass::Isolated, Some("no prefix")),
            ("vrf3981", &["10.0.0.0/33"], &[], PortClass::Isolated, Some("no prefix")),
            ("vrf3981", &["10.0.0.0/8 le 32\n exit"], &[], PortClass::Isolated, Some("no prefix")),
            ("default", &[], &["x"], PortClass::Isolated, Some("VNI")),
        ] {
            let classified = run(vec![wish("swp1", vrf, cidrs, vnis)]);
            assert_eq!(class_of(&classified, "swp1"), [expected], "{vrf:?} {cidrs:?} {vnis:?}");
            let told = classified.faults.get("swp1").map(String::as_str);
            assert_eq!(told.is_some(), fault.is_some(), "{vrf:?}: {told:?}");
            assert!(told.unwrap_or_default().contains(fault.unwrap_or_default()), "{told:?}");
            assert_eq!(classified.intent.faults(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_machine_without_a_filter_may_announce_nothing() {
        let classified = run(vec![wish("swp1", "vrf7", &[], &[])]);
        let tenant = &classified.intent.tenants[&Vni::new(7).unwrap()];
        assert!(tenant.ports[&PortName::parse("swp1").unwrap()].prefixes.is_empty());
    }

    #[test]
    fn each_port_has_its_own_filter() {
        let classified = run(vec![
            wish("swp1", "vrf7", &["10.0.0.1/32"], &[]),
            wish("swp2", "vrf7", &["10.0.0.2/32"], &[]),
        ]);
        let tenant = &classified.intent.tenants[&Vni::new(7).unwrap()];
        assert_eq!(tenant.ports.len(), 2);
        assert!(tenant.ports.values().all(|filter| filter.prefixes.len() == 1));
    }

    #[test]
    fn what_the_file_says_wins() {
        let classified = run(vec![wish("swp31", "vrf7", &[], &[]), wish("swp30", "", &[], &[])]);
        assert_eq!(class_of(&classified, "swp31"), [PortClass::Uplink]);
        assert_eq!(class_of(&classified, "swp30"), [PortClass::Extra]);
        assert!(classified.faults.is_empty());
    }

    #[test]
    fn a_port_nobody_mentions_is_cut_off() {
        let classified = run(vec![]);
        assert_eq!(class_of(&classified, "swp1"), [PortClass::Isolated]);
        assert!(classified.faults.is_empty());
    }

    #[test]
    fn a_port_that_is_not_there_is_told_and_left_out() {
        let classified = run(vec![wish("swp9", "", &[], &[]), wish("a b", "", &[], &[])]);
        assert_eq!(classified.faults.len(), 2);
        assert_eq!(class_of(&classified, "swp9"), []);
    }

    #[test]
    fn a_port_listed_twice_must_be_the_same_twice() {
        let same = run(vec![wish("swp1", "vrf7", &[], &[]), wish("swp1", "vrf7", &[], &[])]);
        assert!(same.faults.is_empty());
        let other = run(vec![wish("swp1", "vrf7", &[], &[]), wish("swp1", "", &[], &[])]);
        assert_eq!(class_of(&other, "swp1"), [PortClass::Isolated]);
    }

    #[test]
    fn a_port_that_shall_be_off_keeps_its_class() {
        let down = DesiredPort { admin: Admin::Down, ..wish("swp1", "vrf7", &[], &[]) };
        let strange = DesiredPort { admin: Admin::Strange, ..wish("swp2", "vrf7", &[], &[]) };
        let classified = run(vec![down, strange]);
        assert!(!classified.intent.is_up(&PortName::parse("swp1").unwrap()));
        assert!(matches!(class_of(&classified, "swp1")[..], [PortClass::Tenant(_)]));
        assert_eq!(class_of(&classified, "swp2"), [PortClass::Isolated]);
    }

    proptest! {
        #[test]
        fn any_text_makes_an_intent_without_contradiction(
            wishes in proptest::collection::vec(("(swp[0-9]{1,2}|.*)", "(|default|vrf[0-9]{0,8}|.*)", "(10.0.0.0/8|.*)", "([0-9]{1,8}|.*)"), 0..8)
        ) {
            let ports = wishes.iter().map(|(name, vrf, cidr, vni)| wish(name, vrf, &[cidr], &[vni])).collect();
            let classified = run(ports);
            prop_assert_eq!(classified.intent.faults(), Vec::<String>::new());
            let mut named: Vec<_> = classified.intent.classes().into_iter().map(|(name, _)| name.clone()).collect();
            named.dedup();
            prop_assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), known());
        }
    }
}
