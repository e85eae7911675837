//! Telling what a lab is doing.

use anyhow::Context as _;

use crate::directory::Directory;
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
    say(&format!("switches  {} of {}", report.switches, usize::from(plan.racks) * 2));
    say(&format!("machines  {}", report.machines.values().sum::<usize>()));
    for (phase, count) in &report.machines {
        say(&format!("  {phase:12}{count:>6}"));
    }
    Ok(())
}
