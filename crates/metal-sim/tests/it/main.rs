//! The simulation against a small control plane that checks every promise the agents make.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod control_plane;
mod site;

use std::sync::Arc;
use std::time::Duration;

use metal_proto::v1::BmcCommand;
use metal_runtime::TaskTree;
use metal_runtime::pki::Identity;
use metal_sim::{Access, Action, Config, DataCentre, Pace, Phase, Selector, join};

use control_plane::ControlPlane;

const LONG: Duration = Duration::from_secs(60);

struct Lab {
    tree: TaskTree,
    control: Arc<ControlPlane>,
    centre: DataCentre,
}

async fn lab(change: impl FnOnce(&mut Config)) -> Lab {
    let tree = TaskTree::root("test");
    let control = ControlPlane::start(&tree).await;
    let mut config = Config::new("fra", 2, 4);
    config.pace = Pace::breathless();
    change(&mut config);
    let mut access = Access {
        endpoint: control.endpoint(),
        partition: join(&control.endpoint(), "token", &Identity::Partition("fra".to_owned())).await.unwrap(),
        switches: Default::default(),
    };
    for identity in config.identities().unwrap() {
        if let Identity::Switch { id, .. } = &identity {
            let own = join(&control.endpoint(), "token", &identity).await.unwrap();
            access.switches.insert(id.clone(), own);
        }
    }
    let centre = DataCentre::start(&config, &access, &tree).unwrap();
    Lab { tree, control, centre }
}

impl Lab {
    /// Waits until this many machines are in a phase.
    async fn until(&self, phase: Phase, count: usize) {
        let mut status = self.centre.watch();
        let reached = status.wait_for(|status| status.count(phase) == count);
        let reached = tokio::time::timeout(LONG, reached).await.map(drop);
        assert!(reached.is_ok(), "wanted {count} {phase}: {:?}", self.centre.status());
    }

    async fn end(self) {
        let report = self.tree.shutdown(LONG).await;
        assert!(report.is_clean(), "{report:?}");
    }
}

#[tokio::test]
async fn all_machines_register_and_wait() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    for machine in &lab.centre.floor().machines {
        let id = machine.id.to_string();
        assert_eq!(lab.control.events(&id), ["PXE Booting", "Preparing", "Registering", "Waiting"]);
        let registered = lab.control.inventory(&id).unwrap();
        assert_eq!(registered.hardware.as_ref(), Some(&machine.hardware));
    }
    assert_eq!(lab.control.switches(), 4);
    assert_eq!(lab.centre.status().switches, 4);
    lab.control.until(|state| state.bmc_reports.len() == 8).await;
    lab.end().await;
}

#[tokio::test]
async fn an_allocated_machine_is_installed_and_phones_home_and_comes_back_when_freed() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    let machine = lab.centre.floor().machines[3].clone();
    let id = machine.id.to_string();
    lab.control.allocate(&id);
    lab.until(Phase::Running, 1).await;
    lab.control.until(|state| state.events[&id].last().is_some_and(|event| event == "Phoned Home")).await;
    let events = lab.control.events(&id);
    assert_eq!(events[4..6], ["Installing", "Booting New Kernel"]);
    let report = lab.control.report(&id).unwrap();
    assert_eq!(report.boot_info.unwrap().image_id, "debian-12.0.20260101");
    assert!(lab.centre.is_installed(machine.id));
    // The configuration pushed on the report has reached both switches.
    lab.control
        .until(|state| state.notified.values().filter(|generation| **generation >= 2).count() >= 2)
        .await;
    for cable in &machine.cables {
        assert_eq!(lab.centre.ports(&cable.switch)[&cable.port].vrf, "vrf42");
    }

    lab.control.free(&id);
    lab.until(Phase::Waiting, 8).await;
    assert!(!lab.centre.is_installed(machine.id));
    lab.control.until(|state| state.unacknowledged() == 0).await;
    lab.end().await;
}

#[tokio::test]
async fn a_reinstallation_goes_without_waiting() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    let id = lab.centre.floor().machines[0].id.to_string();
    lab.control.allocate(&id);
    lab.until(Phase::Running, 1).await;
    lab.control.reinstall(&id, "ubuntu-24.4.20260101");
    let is_new = |report: &metal_proto::v1::ReportRequest| {
        report.boot_info.as_ref().is_some_and(|system| system.image_id.starts_with("ubuntu"))
    };
    lab.control.until(|state| state.reports.get(&id).is_some_and(is_new)).await;
    let calls = |event: &String| event == "Phoned Home";
    lab.control
        .until(|state| state.events[&id].iter().rev().take_while(|event| calls(event)).count() > 0)
        .await;
    let events = lab.control.events(&id);
    assert_eq!(events.iter().filter(|event| *event == "Waiting").count(), 1, "{events:?}");
    assert_eq!(events.iter().filter(|event| *event == "Installing").count(), 2, "{events:?}");
    lab.end().await;
}

#[tokio::test]
async fn a_crashing_installation_is_reported_and_tried_again() {
    let lab = lab(|config| config.script = "rate crash 0.5".parse().unwrap()).await;
    lab.until(Phase::Waiting, 8).await;
    let ids: Vec<String> = lab.centre.floor().machines.iter().map(|machine| machine.id.to_string()).collect();
    for id in &ids {
        lab.control.allocate(id);
    }
    lab.until(Phase::Running, 8).await;
    let crashes =
        ids.iter().filter(|id| lab.control.events(id).iter().any(|event| event == "Crashed")).count();
    assert!(crashes > 0);
    lab.end().await;
}

#[tokio::test]
async fn a_vanished_rack_is_silent_and_returns() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    assert_eq!(lab.centre.apply(Action::Vanish, &Selector::Rack(2)), 4);
    lab.until(Phase::Vanished, 4).await;
    assert_eq!(lab.centre.apply(Action::Return, &Selector::Rack(2)), 4);
    lab.until(Phase::Waiting, 8).await;
    lab.end().await;
}

#[tokio::test]
async fn a_power_off_holds_until_power_on() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    let id = lab.centre.floor().machines[0].id.to_string();
    lab.control.command(&id, BmcCommand::Off);
    lab.until(Phase::Off, 1).await;
    lab.control.command(&id, BmcCommand::On);
    lab.until(Phase::Waiting, 8).await;
    lab.control.until(|state| state.unacknowledged() == 0).await;
    lab.end().await;
}

#[tokio::test]
async fn a_command_for_an_unknown_machine_is_acknowledged_as_failed() {
    let lab = lab(|_| ()).await;
    lab.control.command("00000000-0000-0000-0000-000000000001", BmcCommand::On);
    lab.control.until(|state| state.failures == ["no such BMC"]).await;
    lab.end().await;
}

#[tokio::test]
async fn a_control_plane_that_goes_away_is_found_again() {
    let lab = lab(|_| ()).await;
    lab.until(Phase::Waiting, 8).await;
    lab.control.cut_connections();
    let id = lab.centre.floor().machines[5].id.to_string();
    lab.control.allocate(&id);
    lab.until(Phase::Running, 1).await;
    lab.end().await;
}
