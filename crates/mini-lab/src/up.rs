//! Starting a lab and showing how it comes up.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use metal_sim::Phase;
use tokio::time::{Instant, sleep};

use crate::arguments::Up;
use crate::control::{self, Report, Stage};
use crate::directory::{Directory, Plan, free_port};
use crate::fabric::topology::Topology;
use crate::{daemon, say};

/// A lab that is not up by then never will be.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

pub async fn run(directory: &Directory, options: &Up) -> anyhow::Result<()> {
    let known = directory.plan()?;
    if control::ask(directory, "status").await?.is_some() {
        let plan = known.context("a lab runs here without a plan")?;
        refuse_changes(&plan, options)?;
        say("The lab runs already.");
        return watch(directory, &plan, None).await;
    }
    let plan = match known {
        Some(plan) => {
            refuse_changes(&plan, options)?;
            say(&format!("Continuing the lab in {}.", directory.root().display()));
            Plan { metal_api: server_program(options)?, ..plan }
        }
        None => fresh_plan(options)?,
    };
    // What is wrong with the plan is better told here than in a log.
    plan.simulation()?.floor()?;
    directory.create(&plan)?;
    if options.foreground {
        return daemon::run(directory, false).await;
    }
    let child = spawn(directory)?;
    watch(directory, &plan, Some(child)).await
}

fn fresh_plan(options: &Up) -> anyhow::Result<Plan> {
    let script = match &options.script {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("read the script {}", path.display()))?
        }
        None => String::new(),
    };
    let port = |wanted: Option<u16>, preferred| match wanted {
        Some(wanted) if wanted != 0 => Ok(wanted),
        Some(_) => free_port(0),
        None => free_port(preferred),
    };
    let topology = if options.simulated { None } else { Some(topology(options)?) };
    let (racks, machines_per_rack) = match &topology {
        Some(topology) => (1, u16::try_from(topology.machines.len()).context("count the machines")?),
        None => (options.racks.unwrap_or(4), options.machines_per_rack.unwrap_or(16)),
    };
    Ok(Plan {
        partition: "mini-lab".to_owned(),
        racks,
        machines_per_rack,
        seed: options.seed.unwrap_or(1),
        script,
        port: port(options.port, 8080)?,
        grpc_port: port(options.grpc_port, 50051)?,
        image_port: free_port(0)?,
        metal_api: server_program(options)?,
        topology,
    })
}

/// The fabric asked for, if it can be made here.
fn topology(options: &Up) -> anyhow::Result<Topology> {
    ensure!(
        options.racks.is_none() && options.machines_per_rack.is_none() && options.script.is_none(),
        "--racks, --machines-per-rack and --script shape a simulated lab: add --simulated, or give --topology"
    );
    ensure!(
        rustix::process::geteuid().is_root(),
        "a lab with a fabric makes network namespaces, which needs root: run it with sudo, or try \
         `mini-lab up --simulated`, which does not"
    );
    let agent = std::env::current_exe().context("find this program")?.with_file_name("metal-core");
    ensure!(
        agent.is_file(),
        "{} does not exist: build it with `cargo build --bin metal-core`",
        agent.display()
    );
    Topology::load(options.topology.as_deref())
}

fn server_program(options: &Up) -> anyhow::Result<PathBuf> {
    let program = match &options.metal_api {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("find this program")?.with_file_name("metal-api"),
    };
    ensure!(
        program.is_file(),
        "{} does not exist: build it with `cargo build --bin metal-api`, or give --metal-api",
        program.display()
    );
    Ok(program)
}

/// A lab cannot change its shape; say so rather than ignore it.
fn refuse_changes(plan: &Plan, options: &Up) -> anyhow::Result<()> {
    let mut changes = Vec::new();
    let mut compare = |name: &str, wanted: Option<u64>, is: u64| {
        if wanted.is_some_and(|wanted| wanted != is) {
            changes.push(format!("--{name} is {is}"));
        }
    };
    compare("racks", options.racks.map(u64::from), u64::from(plan.racks));
    compare("machines-per-rack", options.machines_per_rack.map(u64::from), u64::from(plan.machines_per_rack));
    compare("seed", options.seed, plan.seed);
    let fixed = |port: Option<u16>| port.filter(|port| *port != 0).map(u64::from);
    compare("port", fixed(options.port), u64::from(plan.port));
    compare("grpc-port", fixed(options.grpc_port), u64::from(plan.grpc_port));
    if !changes.is_empty() {
        bail!("there is a lab already, and its {}: run `mini-lab down` first", changes.join(", "));
    }
    Ok(())
}

fn spawn(directory: &Directory) -> anyhow::Result<Child> {
    let path = directory.log();
    let open = || {
        let log = OpenOptions::new().create(true).append(true).open(&path);
        log.with_context(|| format!("open {}", path.display()))
    };
    Command::new(std::env::current_exe().context("find this program")?)
        .arg("--dir")
        .arg(directory.root())
        .arg("run")
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .spawn()
        .context("start the lab in the background")
}

/// Shows how the lab comes up until everything in it has found its place.
async fn watch(directory: &Directory, plan: &Plan, mut child: Option<Child>) -> anyhow::Result<()> {
    let machines = usize::from(plan.racks) * usize::from(plan.machines_per_rack);
    let leaves = plan.topology.as_ref().map_or(usize::from(plan.racks) * 2, |it| it.leaves().count());
    let bars = Bars::new(leaves, machines);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = control::ask(directory, "status").await?;
        if let Some(report) = &report {
            bars.show(report);
            if report.stage == Stage::Failed {
                bars.clear();
                let why = report.failure.clone().unwrap_or_default();
                control::ask(directory, "stop").await?;
                bail!("{why}\nSee {} and {}.", directory.log().display(), directory.server_log().display());
            }
            if report.stage == Stage::Running && settled(report) == machines {
                bars.clear();
                tell_how_to_go_on(directory, plan, report);
                return Ok(());
            }
        }
        let exited = child.as_mut().map(Child::try_wait).transpose().context("look after the lab")?;
        if let Some(Some(status)) = exited {
            bars.clear();
            bail!("the lab ended ({status}): {}", last_line(directory));
        }
        if Instant::now() > deadline {
            bars.clear();
            bail!("the lab is still not up; it goes on trying: see `mini-lab status`");
        }
        sleep(Duration::from_millis(150)).await;
    }
}

/// Machines that are where they will stay for a while.
fn settled(report: &Report) -> usize {
    [Phase::Waiting, Phase::Running, Phase::Off, Phase::Vanished]
        .map(|phase| report.count(phase))
        .iter()
        .sum()
}

fn last_line(directory: &Directory) -> String {
    let log = std::fs::read_to_string(directory.log()).unwrap_or_default();
    log.lines().last().unwrap_or("its log is empty").to_owned()
}

fn tell_how_to_go_on(directory: &Directory, plan: &Plan, report: &Report) {
    let flag = dir_flag(directory);
    let looks = if plan.topology.is_some() {
        format!(
            "\n  mini-lab{flag} shell leaf01 -- vtysh -c 'show bgp vrf all summary'\n  \
               mini-lab{flag} probe"
        )
    } else {
        String::new()
    };
    say(&format!(
        "The lab is up: {} leaf switches, {} machines, {} waiting to be allocated.\n\
         \n\
         API      {}\n\
         Kept in  {}\n\
         \n\
         Go on with:\n\
         \n  \
           . {}\n  \
           metalctl machine ls\n  \
           metalctl machine create --name first --hostname first --project $PROJECT \\\n    \
             --partition $PARTITION --size c1-xlarge-x86 --image debian-12 --networks $NETWORK --wait{looks}\n  \
           mini-lab{flag} status\n  \
           mini-lab{flag} down",
        report.switches,
        report.machines.values().sum::<usize>(),
        report.count(Phase::Waiting),
        plan.url(),
        directory.root().display(),
        directory.environment().display(),
    ));
}

/// The flag that leads to this lab, where it is not the usual one.
fn dir_flag(directory: &Directory) -> String {
    let usual = std::env::home_dir().is_some_and(|home| home.join(".mini-lab") == directory.root());
    if usual { String::new() } else { format!(" --dir {}", directory.root().display()) }
}

/// What is shown while the lab comes up; nothing where nobody looks.
struct Bars {
    all: MultiProgress,
    stage: ProgressBar,
    switches: ProgressBar,
    machines: ProgressBar,
}

impl Bars {
    fn new(switches: usize, machines: usize) -> Self {
        let all = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .expect("the templates are well-formed")
                .progress_chars("=> ")
        };
        let bar = |length: usize, name: &'static str| {
            let bar = all.add(ProgressBar::new(length as u64));
            bar.set_style(style("{prefix:9} [{bar:40}] {pos}/{len} {msg}"));
            bar.set_prefix(name);
            bar
        };
        let stage = all.add(ProgressBar::new_spinner());
        stage.set_style(style("{spinner} {msg}"));
        stage.enable_steady_tick(Duration::from_millis(120));
        let (switches, machines) = (bar(switches, "switches"), bar(machines, "machines"));
        Self { all, stage, switches, machines }
    }

    fn show(&self, report: &Report) {
        let usual = match report.stage {
            Stage::System => "looking for the system of the switches",
            Stage::Fabric => "making nodes and cables",
            Stage::Server => "starting the control plane",
            Stage::Resources => "making partition, sizes, images and networks",
            Stage::Agents => "joining the partition and its switches",
            Stage::Running => "machines boot, register and wait",
            Stage::Stopping => "stopping",
            Stage::Failed => "failed",
        };
        self.stage.set_message(if report.step.is_empty() { usual } else { &report.step }.to_owned());
        self.switches.set_position(report.switches as u64);
        self.machines.set_position(settled(report) as u64);
        let phases: Vec<_> =
            report.machines.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
        self.machines.set_message(phases.join(", "));
    }

    fn clear(&self) {
        for bar in [&self.stage, &self.switches, &self.machines] {
            bar.finish_and_clear();
        }
        // A terminal that is gone does not matter.
        let _ = self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_lab_is_told_from_a_booting_one() {
        let mut report = Report::default();
        report.machines.insert("waiting".to_owned(), 3);
        report.machines.insert("booting".to_owned(), 2);
        assert_eq!(settled(&report), 3);
    }
}
