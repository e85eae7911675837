//! Closing the difference between what the switch is and what it shall be.
//!
//! One task, the [`Engine`], runs whenever the wish changes, something happened to the device, or time has passed. A run is a
//! transaction: *prepare* (nothing changes; FRR and the operating system may refuse), *apply*, *confirm* (the device is
//! as intended and no uplink lost its session), and then the intent is kept as the one in effect.
//!
//! If that fails, three things must not happen: that the switch stays half changed, that a machine stays in a tenant's
//! routing table it has left, and that one port's bad luck stops all others. So the engine falls back, each step only if the one
//! before failed:
//!
//! 1. Refused while preparing: the ports that cause the refusal are found by preparing halves; all others are
//!    carried out, the culprits are not ([`fallback::Search`]).
//! 2. The intent in effect before, without the ports that are leaving, which go to the PXE segment if they are released
//!    ([`fallback::retreats`]).
//! 3. The same, with the leaving ports cut off from everything.
//!
//! When a wish failed in applying or confirming twice, its changes are tried port by port, so that the one which cannot be
//! carried out is the only one missing. The failed wish itself is tried again with growing pauses, and at once when it
//! changes. Nothing here is lost by a crash: the next run compares with the device again.

mod backoff;
mod device;
mod engine;
pub mod fallback;
mod outcome;
mod transaction;

pub use device::Device;
pub use engine::{Engine, Parts, Settings, Wanted};
pub use outcome::Outcome;
