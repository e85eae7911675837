//! The Linux data plane on the running kernel, in the layout with namespaces and without FRR. Needs root; every test has
//! network, mounts and named namespaces of its own, which end with it.

use std::collections::{BTreeMap, BTreeSet};

use metal_core::driver::linux::{Kernel, detect_layout};
use metal_linux::namespace::{Namespace, apart};
use metal_linux::netlink::{BridgeOptions, Netlink, VxlanOptions};
use metal_linux::sysctl;
use metal_netconf::intent::{Bgp, External, ExtraVlans, FirewallFilter, MachineFilter, Pxe, Switch, Tenant};
use metal_netconf::linux::{Actual, Device, Layout, Place, Step, plan};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni, VrfName};

pub const PORTS: [&str; 4] = ["swp1", "swp2", "swp31", "swp32"];

pub fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

pub fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// A leaf with two uplinks and two machines in the PXE segment.
pub fn leaf() -> Switch {
    Switch {
        hostname: Hostname::parse("leaf01").unwrap(),
        asn: Asn::new(4_200_000_011).unwrap(),
        loopback: "10.0.0.11".parse().unwrap(),
        bgp: Bgp::default(),
        is_vtep: true,
        uplinks: BTreeSet::from([port("swp31"), port("swp32")]),
        pxe: Some(Pxe { vlan: VlanId::new(4000).unwrap(), address: Some("10.0.1.1/24".parse().unwrap()) }),
        unprovisioned: BTreeSet::from([port("swp1"), port("swp2")]),
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: ExtraVlans::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: None,
    }
}

pub fn allocate(intent: &mut Switch, name: &str, number: u32) {
    intent.unprovisioned.remove(&port(name));
    intent.tenants.values_mut().for_each(|tenant| drop(tenant.ports.remove(&port(name))));
    intent.tenants.entry(vni(number)).or_default().ports.insert(port(name), MachineFilter::default());
}

pub fn release(intent: &mut Switch, name: &str) {
    intent.tenants.values_mut().for_each(|tenant| drop(tenant.ports.remove(&port(name))));
    intent.tenants.retain(|_, tenant| *tenant != Tenant::default());
    intent.unprovisioned.insert(port(name));
}

/// Makes the ports, with machines' ends that are on, and runs the test.
pub fn on_a_switch(test: impl FnOnce(&Kernel) + Send) {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    apart(|| {
        let machines = Namespace::anonymous().unwrap();
        let mut netlink = Netlink::open(None).unwrap();
        let mut beyond = Netlink::open(Some(&machines)).unwrap();
        for name in PORTS {
            netlink.veth(name, None, &format!("m-{name}"), Some(&machines)).unwrap();
            let end = beyond.link(&format!("m-{name}")).unwrap();
            beyond.set_mtu(&end, 9216).unwrap();
            beyond.set_up(&end, true).unwrap();
        }
        test(&Kernel::new(Layout::Netns, vec!["swp".to_owned()]));
    })
    .unwrap();
}

/// Plans, does it, and checks that the kernel then has nothing left to do; also that the model of the kernel that plans are
/// made with foresaw what the kernel did.
pub fn converge(kernel: &Kernel, intent: &Switch) -> (Vec<Step>, Actual) {
    let mut foreseen = kernel.observe().unwrap();
    let steps = plan(intent, Layout::Netns, &foreseen).unwrap();
    for step in &steps {
        metal_netconf::linux::effect::apply(&mut foreseen, step).unwrap();
    }
    kernel.execute(&steps, &|_| Ok(())).unwrap();
    let actual = kernel.observe().unwrap();
    let rest = plan(intent, Layout::Netns, &actual).unwrap();
    assert!(rest.is_empty(), "left over: {:?}", rest.iter().map(Step::describe).collect::<Vec<_>>());
    assert_eq!(shape(&foreseen), shape(&actual), "the kernel did something else than was foreseen");
    (steps, actual)
}

/// What matters of every link: where it is, what it belongs to, whether it is on, its addresses.
type Shape = BTreeMap<String, (Option<String>, bool, u32, BTreeSet<ipnet::IpNet>)>;

fn shape(actual: &Actual) -> Shape {
    let mut all = Shape::new();
    for (place, space) in &actual.spaces {
        for (name, link) in &space.links {
            let parts = (link.master.clone(), link.is_up, link.mtu, link.addresses.clone());
            all.insert(format!("{place}: {name}"), parts);
        }
    }
    all
}

fn inside(number: u32) -> Place {
    Place::Vrf(VrfName::of(vni(number)))
}

#[test]
fn a_leaf_is_built_and_left_as_it_is() {
    on_a_switch(|kernel| {
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        let (_, actual) = converge(kernel, &intent);
        assert!(actual.link(&Device { place: inside(3981), name: "swp1".to_owned() }).is_some());
        assert_eq!(actual.link(&Device::main("swp2")).unwrap().master.as_deref(), Some("vlan4000"));
        assert_eq!(actual.link(&Device::main("swp31")).unwrap().mtu, 9216);
        let ports = kernel.ports().unwrap();
        assert_eq!(ports.keys().map(PortName::as_str).collect::<Vec<_>>(), PORTS);
        assert!(ports.values().all(|port| port.is_up == Some(true) && port.mac.len() == 17), "{ports:?}");
        assert!(kernel.missing(&intent).unwrap().is_empty());
    });
}

#[test]
fn a_port_goes_to_a_tenant_and_back_and_to_another() {
    on_a_switch(|kernel| {
        let mut intent = leaf();
        converge(kernel, &intent);
        for number in [3981, 7, 3981] {
            allocate(&mut intent, "swp1", number);
            converge(kernel, &intent);
            release(&mut intent, "swp1");
            let (_, actual) = converge(kernel, &intent);
            assert_eq!(actual.link(&Device::main("swp1")).unwrap().master.as_deref(), Some("vlan4000"));
            assert_eq!(
                actual.spaces[&inside(number)].links.len(),
                1,
                "an emptied namespace is kept, with nothing in it"
            );
        }
        allocate(&mut intent, "swp1", 7);
        converge(kernel, &intent);
        allocate(&mut intent, "swp1", 3981);
        let (steps, actual) = converge(kernel, &intent);
        assert!(actual.link(&Device { place: inside(3981), name: "swp1".to_owned() }).is_some());
        assert!(
            !steps.iter().any(|step| matches!(step, Step::CreateNamespace(_))),
            "parked ones are used again"
        );
    });
}

#[test]
fn machines_cannot_reach_through_the_switch() {
    on_a_switch(|kernel| {
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        converge(kernel, &intent);
        let read = |path: &str| sysctl::read(path).unwrap().unwrap();
        assert_eq!(read("net/ipv4/conf/vlan4000/forwarding"), "0");
        assert_eq!(read("net/ipv6/conf/vlan4000/disable_ipv6"), "1");
        assert_eq!(read("net/ipv4/conf/swp31/forwarding"), "1");
        assert_eq!(read("net/ipv4/conf/all/rp_filter"), "0");
        let vrf = Namespace::named("vrf3981").unwrap();
        let filter =
            vrf.enter(|| ["swp1", "br3981"].map(|name| read(&format!("net/ipv4/conf/{name}/rp_filter"))));
        assert_eq!(filter.unwrap(), ["1", "0"]);
        assert_eq!(vrf.enter(|| read("net/ipv4/ip_forward")).unwrap(), "1");
    });
}

#[test]
fn leftovers_and_wrong_links_are_put_right_and_strangers_left_alone() {
    on_a_switch(|kernel| {
        let mut netlink = Netlink::open(None).unwrap();
        let wrong =
            VxlanOptions { id: 3981, local: "192.0.2.9".parse().unwrap(), port: 4789, is_learning: true };
        netlink.add_vxlan("vni3981", None, &wrong).unwrap();
        netlink.add_vxlan("vni55", None, &VxlanOptions { id: 55, ..wrong }).unwrap();
        for name in ["br55", "docker0", "vlan4000"] {
            netlink.add_bridge(name, &BridgeOptions::default()).unwrap();
        }
        let stranger = netlink.link("docker0").unwrap();
        let swp1 = netlink.link("swp1").unwrap();
        netlink.set_master(&swp1, Some(stranger.index)).unwrap();
        let half = Namespace::create("vrf3981").unwrap();
        let mut within = Netlink::open(Some(&half)).unwrap();
        within.add_bridge("br3981", &BridgeOptions::default()).unwrap();
        within.add_bridge("br44", &BridgeOptions::default()).unwrap();
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        let (_, actual) = converge(kernel, &intent);
        let main: Vec<&str> = actual.spaces[&Place::Main].links.keys().map(String::as_str).collect();
        assert_eq!(main, ["docker0", "lo", "swp2", "swp31", "swp32", "vlan4000", "vni104000"]);
        let links: Vec<&str> = actual.spaces[&inside(3981)].links.keys().map(String::as_str).collect();
        assert_eq!(links, ["br3981", "lo", "swp1", "vni3981"]);
    });
}

#[test]
fn a_change_that_was_cut_off_anywhere_is_completed() {
    let mut from = leaf();
    allocate(&mut from, "swp1", 3981);
    let mut to = leaf();
    allocate(&mut to, "swp2", 3981);
    allocate(&mut to, "swp1", 7);
    let mut cut = 0;
    let mut is_done = false;
    while !is_done {
        on_a_switch(|kernel| {
            converge(kernel, &from);
            let steps = kernel.plan(&to).unwrap();
            is_done = cut >= steps.len();
            kernel.execute(&steps[..cut.min(steps.len())], &|_| Ok(())).unwrap();
            converge(kernel, &to);
        });
        cut += 3;
    }
}

#[test]
fn ports_are_switched_off_cut_off_and_come_back() {
    on_a_switch(|kernel| {
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        converge(kernel, &intent);
        intent.down.insert(port("swp1"));
        intent.unprovisioned.remove(&port("swp2"));
        intent.isolated.insert(port("swp2"));
        intent.uplinks.remove(&port("swp32"));
        intent.firewalls.insert(port("swp32"), FirewallFilter::default());
        let (_, actual) = converge(kernel, &intent);
        for name in ["swp1", "swp2"] {
            let link = actual.link(&Device::main(name)).unwrap();
            assert!(!link.is_up && link.master.is_none(), "{name}");
            assert_eq!(kernel.ports().unwrap()[&port(name)].is_up, Some(false));
        }
        intent.down.clear();
        let (steps, actual) = converge(kernel, &intent);
        assert!(actual.link(&Device { place: inside(3981), name: "swp1".to_owned() }).unwrap().is_up);
        assert!(steps.len() <= 5, "{steps:?}");
    });
}

#[test]
fn an_exit_gets_its_external_network() {
    on_a_switch(|kernel| {
        let mut intent = leaf();
        intent.unprovisioned.remove(&port("swp1"));
        let external = External {
            name: VrfName::parse("vrfInternet").unwrap(),
            port: port("swp1"),
            addresses: BTreeSet::from([
                "203.0.113.129/25".parse().unwrap(),
                "2001:db8::1/64".parse().unwrap(),
            ]),
            routes: BTreeSet::new(),
            neighbors: BTreeMap::new(),
        };
        intent.externals.insert(vni(104_009), external);
        let (_, actual) = converge(kernel, &intent);
        let place = Place::Vrf(VrfName::parse("vrfInternet").unwrap());
        assert_eq!(actual.link(&Device { place, name: "swp1".to_owned() }).unwrap().addresses.len(), 2);
        intent.externals.clear();
        intent.unprovisioned.insert(port("swp1"));
        let (_, actual) = converge(kernel, &intent);
        assert!(actual.link(&Device::main("swp1")).unwrap().addresses.is_empty());
    });
}

#[test]
fn the_layout_is_found_by_trying() {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    let layout = detect_layout().unwrap();
    let has_vrf = apart(|| Netlink::open(None).unwrap().add_vrf("vrf1", 10_001).is_ok()).unwrap();
    assert!(has_vrf || layout == Layout::Netns, "{layout:?} without VRF devices");
}
