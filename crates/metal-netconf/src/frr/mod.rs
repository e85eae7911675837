//! FRR's configuration: what a switch or machine shall run as text, what it runs as a tree, and the steps between.
//!
//! [`switch`] and [`machine`] write a whole configuration in the form in which FRR 10 prints it itself. The same text
//! is what is checked (`vtysh -C`), what is kept for the next start, and what a running device is compared with:
//! [`Tree`] reads both sides, [`plan`] finds the few commands that lead from one to the other. So nothing is reloaded,
//! and a session that is not concerned never notices that something was changed.
//!
//! Every neighbour a tenant can reach is closed unless opened: the peer groups of machines and firewalls carry an
//! inbound map that denies everything, in both families, and a port's own map takes its place. A port whose filter is
//! empty has no map of its own. Lists and maps come before the neighbour that uses them, and go after it.

mod config;
mod machine;
mod plan;
mod policy;
mod running;
mod slot;
mod switch;
mod tree;

pub use config::{Config, Section};
pub use machine::{Machine, machine};
pub use plan::{Command, Plan, plan};
pub use running::Running;
pub use switch::{Flavor, switch};
pub use tree::{Block, Tree};
