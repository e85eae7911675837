//! SONiC: a switch is configured by rows of a database, `CONFIG_DB`, which daemons carry into the hardware.
//!
//! [`wanted`] says which rows an intent needs, [`plan`] compares them with those that are there and with what the
//! hardware really has, and gives the steps between. Order matters, because the daemons follow with a delay and refuse
//! what comes too early: a port leaves the VLAN or the routing table it is in, its disappearance is waited for, and only
//! then it enters the next. So a port is never in two places, also when it goes from one tenant to another.
//!
//! Rows belong to us, and are removed when nobody wants them, if they are: interfaces and VLAN memberships of ports the
//! intent names; tenants' routing tables (`Vrf` and their VNI); VLANs from the pool 1001 to 2000 without members or
//! addresses, with what hangs on them. Everything else is left alone; of `PORT` rows only `mtu` and `admin_status` are
//! ever written. Ports that carry extra VLANs get these and keep what else they have.
//!
//! FRR's part is rendered by [`crate::frr`].

mod actual;
mod plan;
mod row;
mod wanted;

#[cfg(test)]
mod tests;

pub use actual::Actual;
pub use plan::{Fact, Step, leaves_something, plan};
pub use row::{Fields, Key, MapName, Row};
pub use wanted::{Fault, render, staying, vrf_name, wanted};
