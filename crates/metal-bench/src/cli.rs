//! The command line as a person meets it: a whole process.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::bail;
use metal_store::EngineConfig;

use crate::fill;
use crate::report::{Report, ms, quantile};
use crate::server::{KEY, Server, program, work_dir};

/// `metalctl machine ls` of 1,000 machines.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let dir = work_dir()?;
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, 1_000, 500));
    fill::write(EngineConfig::Embedded { dir: dir.path().join("store") }, docs).await?;
    let server = Server::start(dir.path(), None).await?;
    let metalctl = program("metalctl")?;
    let mut took = Vec::new();
    for _ in 0..21 {
        let mut command = Command::new(&metalctl);
        command.args(["machine", "ls", "--api-url", &format!("http://{}", server.address)]);
        command.env("METALCTL_HMAC", KEY).env("METALCTL_HMAC_AUTH_TYPE", "Metal-Admin");
        let start = Instant::now();
        let output = command.stderr(Stdio::piped()).output()?;
        took.push(start.elapsed());
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        if !output.status.success() || lines < 1_000 {
            bail!("metalctl printed {lines} lines: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    took.sort_unstable();
    let note = format!("median of {}, slowest {:.0} ms", took.len(), ms(took[took.len() - 1]));
    report.add(
        "metalctl machine ls, 1,000 machines, whole process",
        ms(quantile(&took, 0.5)),
        "ms",
        "<= 150",
        note,
    );
    Ok(())
}
