//! What it takes to compare a whole switch with what it shall be, without any device: time, and the number of steps.
//!
//! The steps are counted on a small and on a large switch: they must depend on the change, not on the switch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ipnet::{IpNet, Ipv4Net};
use metal_netconf::frr::{self, Flavor, Tree};
use metal_netconf::intent::{Bgp, MachineFilter, Pxe, Switch};
use metal_netconf::linux::{Actual, Kind, Layout, Link, Place, effect, plan};
use metal_netconf::name::{Asn, Hostname, PortName, VlanId, Vni};

use crate::report::{Report, ms, quantile};

/// Ports and tables of the switches that are compared.
const SMALL: (u32, u32) = (8, 4);
const LARGE: (u32, u32) = (128, 500);
const UPLINKS: u32 = 2;

/// What happens to a switch between two plans.
type Change = fn(&mut Switch) -> anyhow::Result<()>;

/// Times the comparison of the large switch, and counts steps of both.
pub fn measure(report: &mut Report) -> anyhow::Result<()> {
    for layout in [Layout::Vrf, Layout::Netns] {
        let large = Device::new(LARGE, layout)?;
        time(report, &large)?;
        let small = Device::new(SMALL, layout)?;
        let changes: [(&str, Change, &str); 4] = [
            ("nothing changed", |_| Ok(()), "0"),
            ("one port moved", move_port, "the same on both"),
            ("one filter changed", change_filter, "the same on both"),
            ("one table added", add_table, "the same on both"),
        ];
        for (name, change, target) in changes {
            let few = small.steps(change)?;
            let many = large.steps(change)?;
            let note = format!(
                "{} kernel + {} FRR with 128 ports, 500 VRFs; {} + {} with 8 ports, 4 VRFs",
                many.0, many.1, few.0, few.1
            );
            let sum = u32::try_from(many.0 + many.1)?;
            report.add(
                &format!("steps of a replan, {name}, {}", called(layout)),
                sum.into(),
                "steps",
                target,
                note,
            );
        }
    }
    Ok(())
}

fn called(layout: Layout) -> &'static str {
    match layout {
        Layout::Vrf => "vrf",
        Layout::Netns => "netns",
    }
}

/// A switch that runs what it was told.
struct Device {
    intent: Switch,
    layout: Layout,
    flavor: Flavor,
    actual: Actual,
    running: String,
}

impl Device {
    /// Carries an intent out, in thought.
    fn new((ports, tables): (u32, u32), layout: Layout) -> anyhow::Result<Self> {
        let intent = switch(ports, tables)?;
        let flavor = match layout {
            Layout::Vrf => Flavor::Vrf,
            Layout::Netns => Flavor::Netns,
        };
        let mut actual = bare(ports);
        for step in plan(&intent, layout, &actual)? {
            effect::apply(&mut actual, &step)?;
        }
        let running = printed(&frr::switch(&intent, flavor).to_text(), layout);
        Ok(Self { intent, layout, flavor, actual, running })
    }

    /// How many steps in the kernel and commands to FRR a change takes.
    fn steps(&self, change: Change) -> anyhow::Result<(usize, usize)> {
        let mut intent = self.intent.clone();
        change(&mut intent)?;
        let steps = plan(&intent, self.layout, &self.actual)?.len();
        let running = self.parse();
        Ok((steps, frr::plan(&running, &frr::switch(&intent, self.flavor).tree()).len()))
    }

    fn parse(&self) -> Tree {
        Tree::parse(&self.running)
    }
}

/// A configuration as FRR prints it when it runs: without the table of a port where tables are VRF devices.
fn printed(text: &str, layout: Layout) -> String {
    let line = |line: &str| match line.split_once(" vrf ") {
        Some((port, _)) if layout == Layout::Vrf && line.starts_with("interface ") => format!("{port}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Repeats the whole comparison, with one port moved.
fn time(report: &mut Report, device: &Device) -> anyhow::Result<()> {
    let mut intent = device.intent.clone();
    move_port(&mut intent)?;
    let mut all = Vec::new();
    let mut parts: [Vec<Duration>; 4] = Default::default();
    for _ in 0..40 {
        let start = Instant::now();
        let wanted = frr::switch(&intent, device.flavor).tree();
        let rendered = start.elapsed();
        let running = device.parse();
        let read = start.elapsed();
        let commands = frr::plan(&running, &wanted);
        let compared = start.elapsed();
        let steps = plan(&intent, device.layout, &device.actual)?;
        let done = start.elapsed();
        anyhow::ensure!(!commands.is_empty() && !steps.is_empty(), "a moved port takes steps");
        all.push(done);
        for (part, took) in
            parts.iter_mut().zip([rendered, read - rendered, compared - read, done - compared])
        {
            part.push(took);
        }
    }
    all.sort_unstable();
    let medians = parts.map(|mut part| {
        part.sort_unstable();
        ms(quantile(&part, 0.5))
    });
    let [rendered, read, compared, kernel] = medians;
    let note = format!(
        "median of {}, p99 {:.1}; render {rendered:.1}, read running {read:.1}, compare {compared:.1}, \
         kernel {kernel:.1}",
        all.len(),
        ms(quantile(&all, 0.99))
    );
    let name = format!("full replan, 128 ports, 500 VRFs, {}", called(device.layout));
    report.add(&name, ms(quantile(&all, 0.5)), "ms", "<= 50", note);
    Ok(())
}

fn port(number: u32) -> anyhow::Result<PortName> {
    Ok(PortName::parse(&format!("swp{number}"))?)
}

fn vni(number: u32) -> anyhow::Result<Vni> {
    Ok(Vni::new(10_000 + number)?)
}

/// What a machine in the table of this number may announce.
fn filter(number: u32) -> anyhow::Result<MachineFilter> {
    let [_, _, high, low] = number.to_be_bytes();
    let v4: Ipv4Net = Ipv4Net::new(Ipv4Addr::new(10, high, low, 0), 24)?;
    let v6: IpNet = format!("fd00:{number:x}::/48").parse()?;
    Ok(MachineFilter { prefixes: BTreeSet::from([IpNet::V4(v4), v6]) })
}

/// A leaf with two uplinks, two ports nobody uses, and machines on all others.
fn switch(ports: u32, tables: u32) -> anyhow::Result<Switch> {
    let mut intent = Switch {
        hostname: Hostname::parse("leaf01")?,
        asn: Asn::new(4_200_000_011)?,
        loopback: Ipv4Addr::new(10, 0, 0, 11),
        bgp: Bgp { route_map_delay: Some(1), ..Bgp::default() },
        is_vtep: true,
        uplinks: (1..=UPLINKS).map(port).collect::<anyhow::Result<_>>()?,
        pxe: Some(Pxe { vlan: VlanId::new(4000)?, address: Some("10.0.1.1/24".parse()?) }),
        unprovisioned: [ports - 1, ports].into_iter().map(port).collect::<anyhow::Result<_>>()?,
        tenants: BTreeMap::new(),
        firewalls: BTreeMap::new(),
        externals: BTreeMap::new(),
        extra: metal_netconf::intent::ExtraVlans::default(),
        down: BTreeSet::new(),
        isolated: BTreeSet::new(),
        management: None,
    };
    for number in 0..tables {
        intent.tenants.entry(vni(number)?).or_default();
    }
    for number in UPLINKS + 1..ports - 1 {
        let tenant = intent.tenants.entry(vni(number % tables)?).or_default();
        tenant.ports.insert(port(number)?, filter(number % tables)?);
    }
    Ok(intent)
}

/// A switch with nothing but its ports.
fn bare(ports: u32) -> Actual {
    let mut actual = Actual::default();
    if let Some(main) = actual.spaces.get_mut(&Place::Main) {
        for number in 1..=ports {
            let link = Link { kind: Kind::Other, is_port: true, ..Link::default() };
            main.links.insert(format!("swp{number}"), link);
        }
    }
    actual
}

/// The port is the same on each switch: the first with a machine goes to the table of the next one.
fn move_port(intent: &mut Switch) -> anyhow::Result<()> {
    let moved = port(UPLINKS + 1)?;
    let tenants = &mut intent.tenants;
    tenants.values_mut().for_each(|tenant| drop(tenant.ports.remove(&moved)));
    let next = port(UPLINKS + 2)?;
    let target = tenants.values_mut().find(|tenant| tenant.ports.contains_key(&next));
    let target = target.context("the next port is in a table")?;
    target.ports.insert(moved, filter(UPLINKS + 2)?);
    Ok(())
}

fn change_filter(intent: &mut Switch) -> anyhow::Result<()> {
    let changed = port(UPLINKS + 1)?;
    let mut filters = intent.tenants.values_mut().filter_map(|tenant| tenant.ports.get_mut(&changed));
    let filter = filters.next().context("the port is in a table")?;
    filter.prefixes.insert("198.51.100.7/32".parse()?);
    Ok(())
}

fn add_table(intent: &mut Switch) -> anyhow::Result<()> {
    intent.tenants.entry(Vni::new(20_000)?).or_default();
    Ok(())
}
