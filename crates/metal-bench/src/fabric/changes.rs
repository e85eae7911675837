//! From a change in the API to the switch that carries it out, and to the packets that follow from it.

use std::time::{Duration, Instant};

use metal_linux::netlink::Netlink;
use metal_model::v1::{SwitchNic, SwitchPortToggleRequest};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::lab::{Lab, address, id};
use crate::report::{Report, ms, quantile};

const TOGGLES: usize = 40;
const MOVES: usize = 10;
const LEAVES: [&str; 2] = ["leaf01", "leaf02"];
/// A port whose machine belongs to nobody.
const PORT: &str = "swp3";
const PATIENCE: Duration = Duration::from_secs(60);

/// All figures of changes.
pub async fn measure(report: &mut Report, lab: &Lab) -> anyhow::Result<()> {
    lab.until_event("m3", "Waiting").await?;
    toggles(report, lab).await?;
    moves(report, lab).await
}

/// Switches a port off and on.
async fn toggles(report: &mut Report, lab: &Lab) -> anyhow::Result<()> {
    let (mut kernel, mut shown) = (Vec::new(), Vec::new());
    for number in 0..TOGGLES {
        let is_up = number % 2 == 1;
        let status = if is_up { "UP" } else { "DOWN" };
        let request = SwitchPortToggleRequest { nic: PORT.to_owned(), status: status.to_owned() };
        let netlink = lab.netlink("leaf01")?;
        lab.client.switch().toggle_port("leaf01", &request).await?;
        let start = Instant::now();
        let seen = watch(netlink, move |netlink| netlink.link(PORT).is_ok_and(|link| link.is_up == is_up));
        until_reported(lab, "leaf01", status).await?;
        shown.push(start.elapsed());
        kernel.push(seen.await??.saturating_duration_since(start));
        sleep(Duration::from_millis(300)).await;
    }
    show(report, "port toggled: API to the leaf's kernel", &mut kernel);
    show(report, "port toggled: API to confirmed in the API", &mut shown);
    Ok(())
}

/// Gives m3 to a tenant and takes it back, time and again.
async fn moves(report: &mut Report, lab: &Lab) -> anyhow::Result<()> {
    let network = lab.client.machine().get(&id("m1")).await?;
    let networks = network.allocation.iter().flat_map(|allocation| &allocation.networks);
    let network = networks.filter(|network| network.private).map(|network| network.networkid.clone()).next();
    let network = network.unwrap_or_default();
    let [mut joined, mut converged, mut freed, mut left] = [const { Vec::new() }; 4];
    let mut has_namespaces = false;
    for _ in 0..MOVES {
        let machine = lab.allocate("m3", &network).await?;
        let target = address(&machine)?;
        // The port is to move when the machine has reported what it installed; until then nothing is pending.
        until_nic(lab, "leaf01", |nic| !nic.vrf.is_empty()).await?;
        let start = Instant::now();
        for leaf in LEAVES {
            until_nic(lab, leaf, |nic| !nic.vrf.is_empty() && !nic.pending).await?;
        }
        joined.push(start.elapsed());
        let applied = Instant::now();
        lab.until_pings("m1", &target).await?;
        converged.push(applied.elapsed());
        lab.until_event("m3", "Phoned Home").await?;

        // With VRF devices the port stays in one namespace and one bridge, and this tells nothing.
        has_namespaces = is_elsewhere(lab)?;
        let netlinks = [lab.netlink(LEAVES[0])?, lab.netlink(LEAVES[1])?];
        lab.client.machine().free(&id("m3")).await?;
        let start = Instant::now();
        let seen = netlinks.map(|netlink| {
            watch(netlink, |netlink| netlink.link(PORT).is_ok_and(|link| link.is_up && link.master.is_some()))
        });
        for leaf in LEAVES {
            until_nic(lab, leaf, |nic| nic.vrf.is_empty() && !nic.pending).await?;
        }
        left.push(start.elapsed());
        let mut last = start;
        for one in seen {
            last = last.max(one.await??);
        }
        freed.push(last.saturating_duration_since(start));
        lab.until_event("m3", "Waiting").await?;
    }
    show(report, "machine allocated: API to confirmed by both leaves", &mut joined);
    show_convergence(report, &mut converged);
    if has_namespaces {
        show(report, "machine freed: API to both leaves' kernels", &mut freed);
    }
    show(report, "machine freed: API to confirmed by both leaves", &mut left);
    Ok(())
}

/// Whether a port that belongs to a tenant is in a namespace of its own.
fn is_elsewhere(lab: &Lab) -> anyhow::Result<bool> {
    Ok(lab.netlink(LEAVES[0])?.link(PORT).is_err())
}

/// Looks into a kernel each millisecond, from now on, until something holds; the moment when it did.
fn watch(
    mut netlink: Netlink,
    holds: impl Fn(&mut Netlink) -> bool + Send + 'static,
) -> JoinHandle<anyhow::Result<Instant>> {
    tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        while !holds(&mut netlink) {
            anyhow::ensure!(start.elapsed() < PATIENCE, "the kernel does not show the change");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Instant::now())
    })
}

/// Waits until the switch itself reports a state of the port. That is told with the connections; among `nics` stands
/// the state that is wanted, for old agents.
async fn until_reported(lab: &Lab, leaf: &str, status: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let switch = lab.client.switch().get(leaf).await?;
        let mut nics = switch.connections.iter().map(|connection| &connection.nic);
        if nics.any(|nic| nic.name == PORT && nic.actual == status) {
            return Ok(());
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "{leaf} does not report {PORT} {status}");
        sleep(Duration::from_millis(2)).await;
    }
}

async fn until_nic(lab: &Lab, leaf: &str, holds: impl Fn(&SwitchNic) -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let switch = lab.client.switch().get(leaf).await?;
        if switch.nics.iter().any(|nic| nic.name == PORT && holds(nic)) {
            return Ok(());
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "{leaf} does not report the change of {PORT}");
        sleep(Duration::from_millis(2)).await;
    }
}

fn show(report: &mut Report, name: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let value = ms(quantile(took, 0.5));
    let slowest = took.last().copied().unwrap_or_default();
    let note =
        format!("p50 of {}; p99 {:.0}, slowest {:.0}", took.len(), ms(quantile(took, 0.99)), ms(slowest));
    report.add(name, value, "ms", "<= 1000", note);
}

fn show_convergence(report: &mut Report, took: &mut [Duration]) {
    took.sort_unstable();
    let note = format!(
        "p50 of {}; slowest {:.0}; the machine starts its FRR in this time",
        took.len(),
        ms(quantile(took, 1.0))
    );
    report.add("convergence: confirmed to the first ping", ms(quantile(took, 0.5)), "ms", "-", note);
}
