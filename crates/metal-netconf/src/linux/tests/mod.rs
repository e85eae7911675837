//! Plans, by example and at random.

mod example;
mod property;

use std::collections::{BTreeMap, BTreeSet};

use super::actual::{Actual, Device, Link, Place};
use super::setting::{self, LinkSetting};
use super::step::Step;
use super::{Layout, effect, plan};
use crate::intent::{Bgp, External, MachineFilter, PortClass, Pxe, Switch};
use crate::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};

pub const BOTH: [Layout; 2] = [Layout::Vrf, Layout::Netns];

pub fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

pub fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// A leaf without any ports.
pub fn leaf() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: BTreeSet::new(),
        pxe: Some(Pxe { vlan: VlanId::new(4000).unwrap(), address: Some("10.0.1.1/24".parse().unwrap()) }),
        unprovisioned: BTreeSet::new(),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: crate::intent::ExtraVlans::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: None,
    }
}

/// Puts a port into a class, out of whichever it was in.
pub fn assign(intent: &mut Switch, name: &str, class: Option<PortClass>) {
    let port = port(name);
    intent.uplinks.remove(&port);
    intent.unprovisioned.remove(&port);
    intent.tenants.values_mut().for_each(|tenant| drop(tenant.ports.remove(&port)));
    intent.firewalls.remove(&port);
    intent.externals.retain(|_, external| external.port != port);
    intent.extra.ports.remove(&port);
    intent.isolated.remove(&port);
    let Some(class) = class else { return };
    match class {
        PortClass::Uplink => drop(intent.uplinks.insert(port)),
        PortClass::Unprovisioned => drop(intent.unprovisioned.insert(port)),
        PortClass::Tenant(vni) => {
            intent.tenants.entry(vni).or_default().ports.insert(port, MachineFilter::default());
        }
        PortClass::Firewall => drop(intent.firewalls.insert(port, crate::intent::FirewallFilter::default())),
        PortClass::External(vni) => {
            let external = External {
                name: VrfName::parse("vrfInternet").unwrap(),
                port,
                addresses: BTreeSet::from(["203.0.113.1/30".parse().unwrap()]),
                routes: BTreeSet::new(),
                neighbors: BTreeMap::new(),
            };
            intent.externals.insert(vni, external);
        }
        PortClass::Extra => {
            intent.extra.vlans.insert(VlanId::new(300).unwrap());
            intent.extra.ports.insert(port);
        }
        PortClass::Isolated => drop(intent.isolated.insert(port)),
    }
}

/// A switch with ports and nothing configured.
pub fn bare<'a>(ports: impl IntoIterator<Item = &'a str>) -> Actual {
    let mut actual = Actual::default();
    let main = actual.spaces.get_mut(&Place::Main).unwrap();
    main.settings = setting::SPACE.iter().map(|(path, value)| (*path, 1 - value.min(&1))).collect();
    for name in ports {
        let settings = LinkSetting::ALL.into_iter().map(|setting| (setting, 0)).collect();
        let link = Link { is_port: true, settings, ..Link::default() };
        main.links.insert(name.to_owned(), link);
    }
    actual
}

pub fn apply(actual: &mut Actual, steps: &[Step]) {
    for step in steps {
        effect::apply(actual, step).unwrap();
    }
}

/// Plans, does it, and checks that nothing is left to do.
pub fn converge(intent: &Switch, layout: Layout, actual: &mut Actual) -> Vec<String> {
    let steps = plan(intent, layout, actual).unwrap();
    apply(actual, &steps);
    let rest = plan(intent, layout, actual).unwrap();
    assert!(rest.is_empty(), "{layout:?} left over: {:?}", describe(&rest));
    describe(&steps)
}

pub fn describe(steps: &[Step]) -> Vec<String> {
    steps.iter().map(Step::describe).collect()
}

/// Where a port is, in words: the namespace, what it belongs to, its VLANs without tag.
pub fn membership(actual: &Actual, name: &str) -> (Place, Option<String>, Vec<u16>) {
    let mut places = actual.spaces.iter().filter_map(|(place, space)| Some((place, space.links.get(name)?)));
    let (place, link) = places.next().unwrap();
    assert!(places.next().is_none(), "{name} is in two namespaces");
    (place.clone(), link.master.clone(), link.vlans.keys().copied().collect())
}

/// The port itself.
pub fn link_of<'a>(actual: &'a Actual, name: &str) -> &'a Link {
    let (place, ..) = membership(actual, name);
    actual.link(&Device { place, name: name.to_owned() }).unwrap()
}
