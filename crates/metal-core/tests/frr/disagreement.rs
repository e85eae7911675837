//! Daemons that start again with an older configuration, one at a time, are led to what is wanted.

use metal_netconf::frr::{Config, Flavor, Tree, switch};

use crate::fixture;
use crate::node::Node;
use crate::round_trip::{leaves, wait};

/// As a switch's watchdog does it: when zebra ends, all are started again.
const DAEMONS: [&str; 4] = ["mgmtd", "bgpd", "staticd", "zebra"];

impl Node {
    /// Has it start with this configuration from now on.
    fn store(&self, config: &Config) {
        self.run("chmod 777 /etc/frr");
        let file = self.root().join("etc/frr/frr.conf");
        std::fs::write(file, config.to_text()).unwrap();
    }

    fn kill(&self, daemon: &str) {
        let ended: &[&str] = if daemon == "zebra" { &DAEMONS } else { &[daemon] };
        for daemon in ended {
            self.run(&format!("pkill -KILL {daemon}"));
            wait("it ended", || !self.runs(&["pgrep", "-r", "R,S,D", "-x", daemon]));
        }
        for daemon in ["mgmtd", "zebra", "bgpd", "staticd"].iter().filter(|daemon| ended.contains(daemon)) {
            self.run(&format!("start-daemon {daemon}"));
        }
        let which = if daemon == "zebra" { String::new() } else { format!(" -d {daemon}") };
        self.run(&format!("vtysh -b{which}"));
    }

    /// Says plans until none is left, as the agent does.
    fn converge(&self, name: &str, wanted: &Tree) {
        let frr = self.frr();
        for _ in 0..3 {
            let plan = frr.plan(wanted).unwrap();
            if plan.is_empty() {
                assert!(frr.running().unwrap().is_same(wanted), "{name}");
                return;
            }
            frr.apply(&plan.withdraw).unwrap_or_else(|error| panic!("{name}: {error}\n{:#?}", plan.withdraw));
            frr.apply(&plan.announce).unwrap_or_else(|error| panic!("{name}: {error}\n{:#?}", plan.announce));
        }
        self.is_at(name, wanted);
    }
}

fn trees() -> Vec<(&'static str, Config)> {
    let mut all = leaves(Flavor::Netns);
    all.push(("exit", switch(&fixture::exit(), Flavor::Netns)));
    all
}

#[test]
fn every_daemon_may_return_with_an_older_configuration() {
    let node = Node::start();
    let all = trees();
    // Each with every second pair, so that it does not take minutes.
    for (shift, daemon) in DAEMONS.into_iter().enumerate() {
        for place in (shift % 2..all.len()).step_by(2) {
            let at = |distance: usize| &all[(place + distance) % all.len()];
            let ((older, stored), (newer, running), (last, next)) = (at(0), at(1 + shift), at(3 + shift));
            let name = format!("{daemon} returns with {older} while {newer} runs, towards {last}");
            node.converge(&name, &stored.tree());
            node.store(stored);
            node.converge(&name, &running.tree());
            node.kill(daemon);
            node.converge(&format!("{name}: again"), &running.tree());
            node.kill(daemon);
            node.converge(&format!("{name}: on"), &next.tree());
        }
    }
}
