//! The Linux data plane: which links, bridges, tunnels and routing tables a switch's kernel shall have, and the steps from
//! those it has.
//!
//! There are two [`Layout`]s behind one intent. With VRF devices there is one VLAN-aware bridge, a VLAN with a routed
//! interface for each tenant, and a routing table as a device. Kernels without VRF devices have a network namespace for
//! each tenant instead, which FRR's namespace backend takes for a VRF, with a plain bridge in it.
//!
//! [`plan`] compares an intent with what was observed ([`Actual`]). It remembers nothing, so a change that was
//! interrupted half way is just another difference, and the number of steps depends on the difference alone. Steps keep
//! one rule above all: a port leaves where it is, switched off, before it enters anything else, and is switched on when
//! all is in place around it. [`effect::apply`] says what a step does to an [`Actual`]; the planner itself lives by it, and
//! tests prove with it that the plan for what a plan leads to is empty.

pub mod actual;
pub mod effect;
mod plan;
pub mod setting;
pub mod step;
#[cfg(test)]
mod tests;
mod vlans;
mod wanted;

pub use self::actual::{Actual, Device, Kind, Link, Place, Space};
pub use self::plan::{PlanError, missing, plan};
pub use self::step::Step;

/// How the kernel keeps tenants apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// VRF devices and a VLAN-aware bridge.
    Vrf,
    /// A network namespace for each routing table.
    Netns,
}
