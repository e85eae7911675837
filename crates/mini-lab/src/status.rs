//! Telling what a lab is doing.

use anyhow::Context as _;

use crate::control::Report;
use crate::directory::Directory;
use crate::fabric::topology::{MANAGEMENT_NODE, Role, Topology};
use crate::{control, say};

pub async fn run(directory: &Directory, json: bool) -> anyhow::Result<()> {
    let Some(plan) = directory.plan()? else {
        anyhow::bail!("there is no lab in {}: run `mini-lab up`", directory.root().display());
    };
    let report = control::ask(directory, "status").await?;
    let report = report.with_context(|| {
        format!("the lab in {} does not run: run `mini-lab up`", directory.root().display())
    })?;
    if json {
        say(&serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let stage = serde_json::to_value(report.stage)?;
    say(&format!("stage     {}", stage.as_str().unwrap_or_default()));
    if let Some(failure) = &report.failure {
        say(&format!("failure   {failure}"));
    }
    say(&format!("api       {}", plan.url()));
    let leaves = plan.topology.as_ref().map_or(usize::from(plan.racks) * 2, |it| it.leaves().count());
    say(&format!("leaves    {} of {leaves}", report.switches));
    say(&format!("machines  {}", report.machines.values().sum::<usize>()));
    for (phase, count) in &report.machines {
        say(&format!("  {phase:12}{count:>6}"));
    }
    if let Some(topology) = &plan.topology {
        nodes(topology, &report);
    }
    Ok(())
}

/// What stands in the fabric, a line each.
fn nodes(topology: &Topology, report: &Report) {
    say(&format!("\n{:10}{:10}{:>9}  {}", "NODE", "WHAT", "PROCESS", "DETAILS"));
    for name in topology.nodes() {
        let pid = report.nodes.get(&name).map_or_else(|| "-".to_owned(), ToString::to_string);
        let (what, details) = describe(topology, report, &name);
        say(&format!("{name:10}{what:10}{pid:>9}  {details}"));
    }
    say("\nLook into one with `mini-lab shell NODE`, watch a port with `mini-lab capture NODE PORT`.");
}

fn describe(topology: &Topology, report: &Report, name: &str) -> (&'static str, String) {
    if let Some(switch) = topology.switch(name) {
        let what = match switch.role {
            Role::Leaf => "leaf",
            Role::Spine => "spine",
            Role::Exit => "exit",
        };
        return (what, format!("AS {}, {}, management {}", switch.asn, switch.loopback, switch.management));
    }
    if let Some(machine) = topology.machines.iter().find(|machine| machine.name.as_str() == name) {
        let id = machine.uuid.to_string();
        let phase = report.phases.get(&id).map_or("not started", String::as_str);
        let ports = machine.ports.clone().map(String::from).join(", ");
        return ("machine", format!("{phase}, {ports}, {id}"));
    }
    match name {
        MANAGEMENT_NODE => ("server", format!("management {}", topology.management.gateway)),
        _ => ("host", "the world outside".to_owned()),
    }
}
